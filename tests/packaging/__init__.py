"""Tests of what is built and published: archives, a wheel in an empty environment, tools, documents beside the code."""
