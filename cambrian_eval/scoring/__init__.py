"""From a response to a verdict: readers, metrics and released rules. Pure functions, no randomness."""
