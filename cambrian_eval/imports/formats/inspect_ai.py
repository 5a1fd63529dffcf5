"""Inspect logs: `.eval` (a zip with one JSON file for each sample) and `.json`.

Epochs are repeats. The response is the text of the first choice of `output`, without its reasoning parts; the prompt is
the text of the last user message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cambrian_eval.imports.log import Entry, Format, Source, text_of, texts_of
from cambrian_eval.sample import LETTERS, Finish

ENDED: Mapping[str, Finish] = {"max_tokens": "length", "model_length": "length", "content_filter": "filtered"}


class InspectAi(Format):
    """A log with samples, messages and scores."""

    name = "inspect_ai"
    summary = "Inspect, .eval and .json logs"

    def recognizes(self, source: Source) -> bool:
        """A header beside samples in a zip file, or both in one JSON object."""
        if "header.json" in source.members or "_journal/start.json" in source.members:
            return True
        value = source.whole
        parts = [value.get(name) for name in ("eval", "samples")] if isinstance(value, dict) else [None, None]
        return isinstance(parts[0], dict) and isinstance(parts[1], list)

    def read(self, source: Source) -> Iterator[Entry]:
        """A response for each sample and epoch."""
        if source.members:
            names = sorted(n for n in source.members if n.startswith("samples/") and n.endswith(".json"))
            samples = ((f"{source.path}: {name}", source.member(name)) for name in names)
        else:
            samples = ((f"{source.path} sample {i}", one) for i, one in enumerate(source.whole["samples"], 1))
        for place, sample in samples:
            if isinstance(sample, dict):
                yield _entry(place, sample)

    def model(self, source: Source) -> str | None:
        """The model of the header."""
        if source.members:
            name = "header.json" if "header.json" in source.members else "_journal/start.json"
            header = source.member(name)
        else:
            header = source.whole
        about = header.get("eval") if isinstance(header, dict) else None
        return about.get("model") if isinstance(about, dict) and isinstance(about.get("model"), str) else None


def _entry(place: str, sample: Mapping[str, Any]) -> Entry:
    output = sample.get("output") or {}
    choices = output.get("choices") or [{}]
    message = choices[0].get("message") or {}
    scores = sample.get("scores") or {}
    error = sample.get("error")
    options = sample.get("choices") or []
    return Entry(
        place,
        _words(message.get("content")) if message else text_of(output.get("completion")),
        id=text_of(sample.get("id")) or None,
        prompt=_prompt(sample),
        options={LETTERS[i]: text_of(text) for i, text in enumerate(options[: len(LETTERS)])},
        gold=texts_of(sample.get("target")),
        verdict={name: one.get("value") if isinstance(one, dict) else one for name, one in scores.items()},
        finish="failed" if error else ENDED.get(str(choices[0].get("stop_reason")), "stop"),
        error=text_of(error.get("message")) if isinstance(error, dict) else None,
        repeat=epoch - 1 if isinstance(epoch := sample.get("epoch"), int) and epoch > 0 else 0,
    )


def _prompt(sample: Mapping[str, Any]) -> str | None:
    for messages in (sample.get("messages"), sample.get("input")):
        if isinstance(messages, list):
            asked = [m for m in messages if isinstance(m, dict) and m.get("role") == "user"]
            if asked:
                return _words(asked[-1].get("content"))
    stored = sample.get("input")
    return stored if isinstance(stored, str) else None


def _words(content: Any) -> str:
    """The text parts of a message."""
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return "\n".join(text_of(part.get("text")) for part in parts)
    return text_of(content)


FORMAT = InspectAi()
