"""Tests of what must never happen: code from data, secrets on disk, paths out of the data root."""
