"""Tests of the engines, of shards and of `status`, with the models they share."""
