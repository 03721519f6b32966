"""The Integration Hub: one API between an application and the outside services it uses."""

# Without this import a task sent from the web process would look for a broker at Celery's default address.
from integrationhub.celery import app as celery_app

__all__ = ["celery_app"]
