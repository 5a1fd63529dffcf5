"""The benchmark adapters, a file each, imported as `cambrian_eval.benchmarks`."""
