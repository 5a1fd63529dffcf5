"""The one error a user can cause. The command line turns it into a single line and exit code 2."""


class BuilderError(Exception):
    """Bad input: the message names the file, the field and the remedy in one line."""
