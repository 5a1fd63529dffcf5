"""Adapters of the Knowledge category."""
