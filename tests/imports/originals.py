"""Small logs in exactly the forms in which other harnesses write them, and rows of the datasets they belong to."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SHORT = "\nAnswer the question using a single word or phrase."
LETTER = "\nAnswer with the option's letter from the given choices directly."

MME = [
    {"question_id": f"{c}/{i:04}.jpg", "category": c, "question": f"Is it {w}? Please answer yes or no.", "answer": a}
    for c in ("OCR", "count")
    for i in range(2)
    for w, a in (("red", "Yes"), ("blue", "No"))
]
"""Equal questions about four images."""
REAL = [
    {"question": "Where is it?\n\nA. Left\nB. Right\nPlease answer directly with only the letter.", "answer": "B"},
    {"question": "Is it wet?\n\nA. Yes\nB. No\nPlease answer directly with only the letter.", "answer": "A"},
]
SCIENCE = [
    {"question": "What is the capital?", "choices": ["Boulder", "Denver"], "answer": 1, "hint": ""},
    {"question": "Which is a bird?", "choices": ["a toad", "an ostrich"], "answer": 1, "hint": "Birds have feathers."},
    {"question": "What is the capital?", "choices": ["Denver", "Boulder"], "answer": 0, "hint": ""},
]
TEXT = [
    {"question_id": 34602 + i, "image_id": image, "question": q, "answers": [gold] * 10, "ocr_tokens": ["a"]}
    for i, (image, q, gold) in enumerate(
        [("003a", "what brand?", "dakota"), ("003a", "what year?", "1999"), ("004b", "what brand?", "nous")]
    )
]


def root(folder: Path, **rows: Sequence[dict[str, Any]]) -> Path:
    """A data root with these rows, without images."""
    for name, mine in rows.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in mine))
    return folder


def lines(path: Path, values: Sequence[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


def whole(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2))
    return path


def spreadsheet(path: Path, heading: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (heading, *rows):
        book.active.append(list(row))
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


def llava_mme(path: Path, responses: Sequence[str]) -> Path:
    """LLaVA's prompts lack the sentence that ends the dataset's questions."""
    return lines(
        path,
        [
            {
                "question_id": row["question_id"],
                "prompt": row["question"].removesuffix(" Please answer yes or no.") + SHORT,
                "text": text,
                "answer_id": "Ka52",
                "model_id": "llava-v1.5-13b",
                "metadata": {},
            }
            for row, text in zip(MME, responses, strict=True)
        ],
    )


def mme_folder(folder: Path, responses: Sequence[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for category in ("OCR", "count"):
        mine = [(r, t) for r, t in zip(MME, responses, strict=True) if r["category"] == category]
        text = "\n".join("\t".join([r["question_id"].split("/")[1], r["question"], r["answer"], t]) for r, t in mine)
        (folder / f"{category}.txt").write_text(text)
    return folder


def science_prompt(row: dict[str, Any]) -> str:
    listed = "".join(f"\n{letter}. {text}" for letter, text in zip("AB", row["choices"], strict=True))
    return (f"Context: {row['hint']}\n" if row["hint"] else "") + row["question"] + listed + LETTER


def inspect_log(path: Path, samples: Sequence[dict[str, Any]], model: str = "openai/gpt-4o") -> Path:
    header = {"version": 2, "status": "success", "eval": {"task": "t", "model": model}}
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        return whole(path, {**header, "samples": list(samples)})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps(header))
        for one in samples:
            archive.writestr(f"samples/{one['id']}_epoch_{one['epoch']}.json", json.dumps(one))
    return path


def inspect_sample(identity: str, epoch: int, prompt: str, target: str, text: str, **more: Any) -> dict[str, Any]:
    content = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": text}]
    return {
        "id": identity,
        "epoch": epoch,
        "input": [{"role": "user", "content": [{"type": "image", "image": "x"}, {"type": "text", "text": prompt}]}],
        "target": target,
        "output": {
            "model": "openai/gpt-4o",
            "choices": [{"message": {"role": "assistant", "content": content}, "stop_reason": "stop"}],
        },
        "scores": {"choice": {"value": "C" if text == target else "I", "answer": text}},
        **more,
    }
