"""From text to verdict: pure functions, no randomness, every verdict says which rule fired."""
