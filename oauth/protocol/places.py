"""The addresses of the table, with what is the tenant's own filled in."""

from urllib.parse import quote

from oauth.application import Application


def filled_in(url: str, application: Application) -> str:
    """`{directory}` and `{client_id}` as one segment of the path each, whatever they hold."""
    directory, client_id = quote(application.directory, safe=""), quote(application.client_id, safe="")
    return url.replace("{directory}", directory).replace("{client_id}", client_id)
