"""The documentation is correct: commands parse, examples run, links have targets, the reference is complete."""
