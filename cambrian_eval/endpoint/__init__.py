"""OpenAI-compatible chat endpoints, as the judge and the API model both use them.

`address` where an endpoint is and its key · `asking` many requests at a time, retries and time-outs · `manner` what a
request must look like for the model at hand · `pace` how fast · `replies` what came back · `spending` what it costs.
"""
