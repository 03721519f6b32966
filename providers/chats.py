"""What the chats have in common, since one payload may go to any of them by fallback.

- `channel` names something else in each: a channel of Slack, a chat of Telegram; a webhook of Discord or Teams has its
  channel built in. An installation's `channel` replaces the payload's, and by `only_channels` it leaves all others to
  the next provider.
- `thread_id` has a form of its own in each, and one of another chat's form names no thread here: the message then goes
  to the channel itself.
- `blocks` are in the language of the chat that understands them, told apart by their `type`: Block Kit's in lower_snake
  (`section`), those of Teams' adaptive cards in CamelCase (`TextBlock`), Discord's embeds are `rich`. Each takes its
  own; `text` is for all who have none.
"""

import re
from typing import Any

from providers.adapter import Call, JSONObject
from providers.errors import Next, ProviderError, Stop

BLOCK_KIT, EMBED, CARD = r"(?!rich$)[a-z][a-z_]*", "rich", r"[A-Z][A-Za-z]*(\.[A-Za-z]+)*"
ONLY_CHANNELS: JSONObject = {
    "type": "array",
    "items": {"type": "string", "minLength": 1, "maxLength": 200},
    "maxItems": 200,
    "description": "the values of payload.channel that this one takes; others go to the next provider (empty: all)",
}


def member(*, description: str) -> JSONObject:
    """The schema of `channel` in an installation's configuration."""
    said = f"{description}, for every message in the place of payload.channel"
    return {"type": "string", "minLength": 1, "maxLength": 200, "description": said}


def channel(call: Call) -> str:
    """Where to post. Raises Next (`channel_not_served`) for a channel that this installation leaves to others."""
    asked = call.payload["channel"]
    only = call.config.get("only_channels")
    if only and asked not in only:
        raise Next("This installation does not take that channel; nothing was sent.", reason="channel_not_served")
    return call.config.get("channel") or asked


def channel_fault(call: Call) -> type[ProviderError]:
    """Whose fault an unknown channel is: the caller's who named it, or this installation's, and another may do."""
    return Next if call.config.get("channel") else Stop


def thread(call: Call, form: str) -> re.Match[str] | None:
    """The payload's thread where it is in this chat's form."""
    return re.fullmatch(form, call.payload.get("thread_id", ""))


def blocks(call: Call, types: str) -> list[Any]:
    """Those of the payload's blocks that are in this chat's language."""
    return [block for block in call.payload.get("blocks", []) if re.fullmatch(types, str(block.get("type", "")))]


def too_long(provider: str, limit: str) -> Next:
    """Another chat may take it: each has a limit of its own."""
    return Next(f"{provider} takes messages of {limit} at most; nothing was sent.", reason="text_too_long")
