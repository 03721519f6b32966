"""Services that the library apprise speaks to: https://github.com/caronc/apprise. It runs in child processes."""
