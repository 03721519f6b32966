"""IPFS nodes by Kubo's RPC: a tenant's own, or else the deployment's."""

from django.conf import settings

from integrationhub.storage import shared_node
from providers.adapter import Call, Receipt
from providers.kubo import Kubo


class KuboIpfs(Kubo):
    key = Kubo.key
    display_name = Kubo.display_name

    def execute(self, call: Call) -> Receipt:
        return super().execute(call) if call.secrets else shared_node.execute(call, self.http)

    def serves_without_credential(self) -> bool:
        return bool(settings.IPFS_API_URL)
