from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from credentials.models import Credential
from integrationhub.core.ids import new_id
from integrationhub.core.tenancy import TenantOwned


class BusinessNumber(TenantOwned):
    """What one version of a tenant's credential says that is no secret. It counts while that version is in use."""

    credential = models.OneToOneField(Credential, on_delete=models.CASCADE, primary_key=True)
    phone_number_id = models.CharField(max_length=32)
    waba_id = models.CharField(max_length=32)
    proven_at = models.DateTimeField(
        null=True, help_text="When Meta last showed the number to a token of this tenant's, of this version or before."
    )

    class Meta:
        indexes = [
            models.Index(fields=["phone_number_id"], name="number_by_phone"),
            models.Index(fields=["waba_id"], name="number_by_waba"),
        ]

    def __str__(self) -> str:
        return f"number {self.phone_number_id}"


class DeliveryStatus(models.TextChoices):
    """In the order in which they follow each other: a delivery never goes back. See `deliveries.is_news`."""

    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    SENT = "sent"
    FAILED = "failed"
    DELIVERED = "delivered"
    READ = "read"
    PLAYED = "played"


class Delivery(TenantOwned):
    """The fate of one message. Its words are not kept: what the customer was told is the tenant's to know.

    It is written before Meta is called, as `unknown`: whatever ends the process then, it says what is known.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    phone_number_id = models.CharField(max_length=64, help_text="Meta's id of the business number that it went out by.")
    recipient = models.CharField(max_length=16)
    wa_id = models.CharField(max_length=64, blank=True, help_text="WhatsApp's own id of the customer.")
    user_id = models.CharField(max_length=160, blank=True, help_text="The customer's id for this business.")
    type = models.CharField(max_length=32)
    template_name = models.CharField(max_length=512, blank=True)
    template_language = models.CharField(max_length=16, blank=True)
    used_fallback = models.BooleanField(default=False)
    meta_id = models.CharField(max_length=255, blank=True, help_text="Meta's id of the message: wamid.…")
    status = models.CharField(max_length=16, choices=DeliveryStatus.choices, default=DeliveryStatus.UNKNOWN)
    timeline = models.JSONField(default=dict, help_text="When it came to each status, by Meta's clock.")
    meta_status = models.CharField(max_length=64, blank=True, help_text="What Meta said beside accepting it.")
    error = models.JSONField(null=True, help_text="Why it failed: our code, the message, Meta's words.")
    attempt_id = models.UUIDField(null=True, help_text="The attempt of an execution that it was sent in.")
    subject = models.CharField(max_length=255, blank=True)
    request_id = models.CharField(max_length=128, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "meta_id"], condition=~Q(meta_id=""), name="delivery_of_meta_id"
            ),
        ]
        indexes = [
            models.Index(fields=["tenant_id", "-id"], name="delivery_of_tenant"),
            # For what Meta tells of a number that tenants share.
            models.Index(fields=["meta_id"], name="delivery_by_meta_id", condition=~Q(meta_id="")),
            models.Index(fields=["phone_number_id", "recipient", "-id"], name="delivery_of_number_pair"),
            models.Index(
                fields=["phone_number_id", "user_id", "-id"], name="delivery_of_user", condition=~Q(user_id="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class Conversation(TenantOwned):
    """When a customer last wrote to a business number, by Meta's clock: what the 24 hours are counted from."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    phone_number_id = models.CharField(max_length=64)
    customer = models.CharField(max_length=160, help_text="WhatsApp's id of the customer; digits, or a user id.")
    last_message_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "phone_number_id", "customer"], name="conversation_of_number_pair"
            )
        ]
        indexes = [models.Index(fields=["phone_number_id", "customer"], name="conversation_by_number_pair")]

    def __str__(self) -> str:
        return f"{self.customer} {self.id}"


class MediumState(models.TextChoices):
    PENDING = "pending"
    STORED = "stored"
    FAILED = "failed"


class Medium(TenantOwned):
    """A file that a customer has sent, or that the tenant has asked for: where it is kept, or why it is not.

    Meta keeps it for seven days. One that came with a message is fetched without being asked for, as long as it is due.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    media_id = models.CharField(max_length=100, help_text="Meta's.")
    phone_number_id = models.CharField(max_length=64, help_text="Meta's id of the business number that it belongs to.")
    message_id = models.CharField(max_length=255, blank=True, help_text="Meta's id of the message that brought it.")
    kind = models.CharField(max_length=16, blank=True, help_text="The message's type; empty where none brought it.")
    content_type = models.CharField(max_length=127, blank=True)
    filename = models.CharField(max_length=255, blank=True, help_text="As the customer's document was called.")
    sha256 = models.CharField(max_length=64, blank=True, help_text="Hexadecimal: as Meta told it, then of what came.")
    size = models.BigIntegerField(null=True, help_text="In bytes.")
    state = models.CharField(max_length=16, choices=MediumState.choices, default=MediumState.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    retries = models.PositiveIntegerField(
        default=0, help_text="The attempts of workers: those that anybody asks for by the API spend none of them."
    )
    error = models.JSONField(null=True, help_text="Why the last attempt failed: our code, the message, Meta's words.")
    due_at = models.DateTimeField(null=True, help_text="When a worker is asked next to fetch it; nobody is, if empty.")
    lease_until = models.DateTimeField(null=True, help_text="Somebody is at it until then.")
    stored_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "media"
        constraints = [models.UniqueConstraint(fields=["tenant_id", "media_id"], name="medium_of_media_id")]
        indexes = [
            models.Index(fields=["tenant_id", "-id"], name="medium_of_tenant"),
            models.Index(fields=["due_at"], name="medium_due", condition=Q(due_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind or 'file'} {self.media_id}"

    @property
    def key(self) -> str:
        """Under which it is kept: nothing in it was chosen by whoever sent the file."""
        return f"whatsapp/{self.tenant_id}/{self.id}"
