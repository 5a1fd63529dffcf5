"""Tests of the Ray engine, its bookkeeping, shards and `status`, with the models they share."""
