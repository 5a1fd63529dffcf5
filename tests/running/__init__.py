"""Tests of runs: executing, resuming, storing; runs of older versions; plug-ins."""
