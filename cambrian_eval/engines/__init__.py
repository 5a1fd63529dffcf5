"""Engines run a model over a stream of requests and check that every request gets exactly one response.

`local` one model in this process · `ray` replicas on many GPUs and machines. Parts of the latter: `cluster` (connecting
to Ray), `replica` (a model in its own process), `remote` (its representative in the driver), `messages` (what is sent
between driver and replica), `prefetch` (reading images ahead), `dispatch` (which replica gets which request).
"""
