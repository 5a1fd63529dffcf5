"""Clock pairs: an example of a benchmark that lives outside cambrian-eval."""
