"""`./hub` inside its virtual environment: servers, the hub's processes, tests and checks, each a child process.

It imports nothing else of this project: Django runs in the children only.
"""
