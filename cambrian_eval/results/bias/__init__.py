"""How much of a benchmark can be solved from its text alone, sample by sample, and a subset that cannot.

`texts` is what a predictor sees, `predictors` are the ways of answering, `measure` compares them with chance,
`prune` finds the subset, `study` puts them together.
"""
