"""The LLM judge: its prompt, its requests, the cache of its responses, the cost log, and what needs no judge.

Requests are sent with `cambrian_eval.endpoint`; verdicts are applied to a run in `cambrian_eval.results.judging`.
"""
