"""The bare view: Django with nothing in it, which makes the provider's call with a `requests` Session and answers."""
