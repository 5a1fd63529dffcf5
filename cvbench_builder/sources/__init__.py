"""Readers of the three annotation formats; each returns a `Catalog` and nothing else."""
