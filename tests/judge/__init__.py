"""Tests of the LLM judge and its endpoint, against a real HTTP server that breaks as asked."""
