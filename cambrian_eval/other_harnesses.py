"""Options and model names of lmms-eval, lm-eval and VLMEvalKit, and what is written instead of them here.

They are what people type first who come from there; `docs/migrating.md` has the whole table.
"""

from __future__ import annotations

import re

GUIDE = "docs/migrating.md"
"""The page that compares the commands."""

OPTIONS = {
    "--tasks": "--benchmark NAME,NAME (cambrian-eval list prints the names)",
    "--model_args": "--model cambrian:ID or hf:ID for pretrained=ID, and -M NAME=VALUE for other values",
    "--gen_kwargs": "-G NAME=VALUE, for example -G temperature=0.7 -G max_new_tokens=16",
    "--output_path": "--out FOLDER",
    "--log_samples": "not needed: every response is always stored in the run folder",
    "--use_cache": "--out FOLDER to resume, or --cache FILE to share responses between runs",
    "--cache_requests": "--cache FILE",
    "--predict_only": "not needed: cambrian-eval score scores stored responses again at any time",
    "--write_out": "cambrian-eval show NAME",
    "--system_instruction": "--system-prompt TEXT",
    "--num_fewshot": "not needed: prompts have no examples",
    "--apply_chat_template": "not needed: the chat template of the model is used",
    "--include_path": "an entry point of your package (docs/add-a-benchmark.md)",
    "--wandb_args": "cambrian-eval export RUN --to wandb, after the run",
    "--work-dir": "--out FOLDER",
    "--reuse": "not needed: the same command resumes a run",
    "--api-nproc": "--concurrency N",
    "--nproc": "--concurrency N",
    "--judge": "cambrian-eval score RUN --scorer judge --judge-model NAME",
    "--judge-args": "cambrian-eval score RUN --scorer judge --judge-model NAME",
    "--mode": "not needed: run scores too, and cambrian-eval score scores stored responses again",
}
"""An option elsewhere, and what to use instead."""

_SERVED = re.compile(r"(gpt|chatgpt|o[1-9]|claude|gemini|grok|mistral|deepseek)([-.\d_].*)?", re.I)
_LOCAL = re.compile(
    r"hf|hf[-_]\w+|\w+_hf|(llava|qwen|internvl|phi|idefics|instructblip|minicpm|paligemma|mllama|smolvlm)[\w.-]*", re.I
)
_SERVERS = re.compile(r"(async_)?(openai|vllm|sglang|openrouter|litellm|local)[-_]?\w*", re.I)


def instead_of_option(option: str) -> str | None:
    """What to use instead of an option of another harness; None where it is none."""
    written = option.partition("=")[0]
    found = OPTIONS.get(written) or OPTIONS.get(written.replace("-", "_").replace("__", "--", 1))
    if found is None:
        return None
    return f"{found if found.startswith('not needed') else f'use {found}'}; see {GUIDE}"


def instead_of_model(spec: str) -> str | None:
    """How a model is named here whose name elsewhere is `spec`; None where nothing is known about it."""
    name = spec.partition(":")[0]
    if _SERVED.fullmatch(name):
        base = "" if name.lower().startswith(("gpt", "chatgpt", "o")) else " with --base-url URL"
        return f"use openai:{spec}{base} for a model behind an OpenAI-compatible endpoint; see {GUIDE}"
    if _SERVERS.fullmatch(name):
        return f"start the server, then use openai:NAME --base-url URL, or --serve COMMAND; see {GUIDE}"
    if _LOCAL.fullmatch(name):
        return f"use hf:ID with an id of the Hub or a folder, for example hf:llava-hf/llava-1.5-7b-hf; see {GUIDE}"
    return None
