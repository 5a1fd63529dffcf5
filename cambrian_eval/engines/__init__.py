"""Engines drive a model over a stream of requests and see to it that every request is answered exactly once."""
