"""Adapters of the Vision-Centric category."""
