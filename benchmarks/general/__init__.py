"""Adapters of the General category."""
