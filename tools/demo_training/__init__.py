"""How the demo checkpoint is made.

`corpus` draws exercises, `vocabulary` makes the tokenizer, `network` the random start and the finished folder,
`packing` turns exercises into batches, `seeing` trains the towers and the connector, `loop` the whole model,
`weights` holds what several processes train together, and `trial` measures the result.
"""
