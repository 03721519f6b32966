from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def breakable(code: str) -> SafeString:
    """The code with a place for a line break after each underscore, so that a phone breaks it between words."""
    return format_html_join(SafeString("_<wbr>"), "{}", ((word,) for word in code.split("_")))
