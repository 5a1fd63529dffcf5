"""Tests of batched and shared Cambrian inference: the same ids as one question at a time."""
