"""Django's PostgreSQL backend with a pool that finds out by itself which of its connections the server has ended."""
