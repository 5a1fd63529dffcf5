"""The command line: one file per verb, the only room that imports all others, and only when the verb runs."""
