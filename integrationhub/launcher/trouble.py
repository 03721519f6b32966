"""What stops a command, told to people in a sentence."""


class Trouble(Exception):
    """The command cannot go on; the message names the cause and the way out."""
