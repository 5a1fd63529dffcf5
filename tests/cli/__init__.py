"""Tests of the command line as it is typed, and of starting up."""
