"""The address of a tenant's own service, as a member of its credential: the keys are that service's.

It is an address of the tenant's like any other: where it leads is judged when it is dialled.
"""

from providers.adapter import JSONObject


def member(description: str, example: str) -> JSONObject:
    return {
        "type": "string",
        "format": "uri",
        "maxLength": 300,
        "pattern": r"^https?://[^\s/?#@\\]+(/[^\s?#@\\]*)?$",
        "description": f"{description}: an https:// address without a query and a user name",
        "examples": [example],
    }
