"""The LLM judge: what it is asked, how its reply is read, which answers need none, and where replies are kept.

Asking itself is `cambrian_eval.endpoint`'s; applying verdicts to a run is `cambrian_eval.results.judging`'s.
"""
