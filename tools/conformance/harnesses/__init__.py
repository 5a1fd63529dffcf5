"""A module for each harness: `scorers(checkout)` gives a function for each benchmark that it scores by rules.

A function takes a question and a response, and returns whether the harness takes the response as right. Where it would
ask a judge it raises `NeedsJudge`, and where it would draw at random, `Drawn`.
"""
