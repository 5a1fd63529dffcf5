"""Tests of results: statistics, chance scores, averages, published scores."""
