"""Logs of other harnesses as runs: formats (a file each), matching with the dataset's rows, and writing the run."""
