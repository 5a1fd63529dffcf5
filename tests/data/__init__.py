"""Tests of data: rows from every kind of folder."""
