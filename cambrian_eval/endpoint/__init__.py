"""OpenAI-compatible chat endpoints, used by the LLM judge and by the `openai:` model.

`address` base URL and API key · `client` concurrent requests with retries and timeouts · `parameters` which request
parameters an endpoint accepts · `rate_limit` concurrency and backoff · `responses` parsing of response bodies ·
`budget` prices, token estimates and the budget.
"""
