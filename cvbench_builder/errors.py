"""The error that bad input causes. The command line prints it as one line and exits with 2."""


class BuilderError(Exception):
    """Bad input: the message names the file, the field and the remedy in one line."""
