"""LLaVA's results of ScienceQA, `*_output.jsonl`: one JSON object with the lists `correct` and `incorrect`.

All 4,241 questions are in it; those without an image are not part of ScienceQA-Image.
"""

from __future__ import annotations

from collections.abc import Iterator

from cambrian_eval.imports.log import Entry, Format, Source, text_of, texts_of


class LlavaScienceQA(Format):
    """Both lists with prompt, response and what was read."""

    name = "llava_scienceqa"
    summary = "LLaVA, *_output.jsonl of ScienceQA with correct and incorrect questions"

    def recognizes(self, source: Source) -> bool:
        """The two lists."""
        value = source.whole
        return isinstance(value, dict) and all(isinstance(value.get(k), list) for k in ("correct", "incorrect"))

    def read(self, source: Source) -> Iterator[Entry]:
        """Right questions first, as the file has them."""
        for name in ("correct", "incorrect"):
            for number, one in enumerate(source.whole[name], 1):
                if isinstance(one, dict):
                    prompt = text_of(one.get("question")) or None
                    pictured = one.get("is_multimodal", prompt is None or "<image>" in prompt)
                    yield Entry(
                        f"{source.path} {name} {number}",
                        text_of(one.get("pred")),
                        id=text_of(one.get("question_id")) or None,
                        prompt=prompt,
                        gold=texts_of(one.get("ground_truth")),
                        pictured=bool(pictured),
                        verdict={"list": name, "parsed_ans": one.get("parsed_ans")},
                    )


FORMAT = LlavaScienceQA()
