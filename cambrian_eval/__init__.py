"""cambrian-eval: vision-centric evaluation of multimodal LLMs, after the Cambrian-1 paper (arXiv 2406.16860)."""

__version__ = "0.1.0"
