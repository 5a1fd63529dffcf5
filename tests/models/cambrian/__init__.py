"""Tests of the Cambrian network and its text side, on tiny checkpoints in the official layout."""
