"""Tests of how two scorers' agreement is counted and how a person's marks are taken in."""
