"""Hostile and unlucky situations: a table of what is done and what must come of it, and fuzzers over every reader."""
