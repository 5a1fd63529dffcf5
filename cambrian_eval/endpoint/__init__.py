"""OpenAI-compatible chat endpoints, used by the LLM judge and by the `openai:` model.

`address` base URL and API key · `client` concurrent requests with retries and timeouts · `event_loop` the thread they
run in · `outage` the pause while an endpoint is down · `rate_limit` concurrency and backoff · `failures` kinds of
errors · `parameters` which request parameters an endpoint accepts · `transport` connections, bounded bodies and
redirects · `responses` parsing of bodies · `budget` prices, token estimates and the budget · `cost_log` costs on disk ·
`batch` the batch API, with `batch_provider` its calls and `batch_log` what a run has there.
"""
