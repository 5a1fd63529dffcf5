"""The documentation is true: its commands parse, its examples run, its links lead somewhere, its reference is whole."""
