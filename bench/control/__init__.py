"""The control: a small Django project that does the hub's work as REST framework and the ORM suggest doing it.

Nothing in it is slow on purpose, and it commits what the hub commits before a provider is called.
"""
