"""Tests of the way from rows to results: reading, running, storing, chance and intervals."""
