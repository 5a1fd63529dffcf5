"""Tests of `cvbench_builder`: hand-made sources, a brute-force oracle, and pages in a real browser."""
