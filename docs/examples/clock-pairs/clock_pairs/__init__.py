"""Clock pairs: an example of a benchmark in a package of its own."""
