"""Public predictions of real models, scored: the table of docs/evidence.md, recomputed from downloaded files.

    python tools/evidence.py DIR             # the table; DIR holds the files as DIR/OWNER/NAME/PATH
    python tools/evidence.py DIR --list      # address and SHA-256 of every file, and whether DIR has it

Nothing is downloaded and no file is shipped: `evidence.json` beside this script names repository, path, commit and,
where it is known, the SHA-256 of every file, and the score that its owner published. A file with another checksum is
refused. Tables (.xlsx) need the package openpyxl. Entries whose files are missing are left out and named.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cambrian_eval import grade_all

MANIFEST = Path(__file__).with_suffix(".json")
Row = dict[str, Any]
Pair = tuple[Row, str]
"""A row in the dataset's own columns, and the prediction."""


def table(path: Path) -> Iterator[Row]:
    """The rows of an .xlsx table by column; empty cells are None."""
    try:
        import openpyxl
    except ImportError:
        sys.exit(f"{path.name} is an .xlsx table; install openpyxl to read it")
    rows = openpyxl.load_workbook(path, read_only=True).active.iter_rows(values_only=True)
    heads = next(rows)
    for cells in rows:
        yield dict(zip(heads, cells, strict=True))


def lines(path: Path) -> list[Row]:
    """The objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def text(value: Any) -> str:
    """A cell as text; a whole number keeps no decimals."""
    return "" if value is None else str(value)


def options(row: Row) -> list[str]:
    """The option columns A, B, C, ... that hold something."""
    return [text(row[letter]) for letter in "ABCDEFGHI" if row.get(letter) is not None]


def mathvista(files: Sequence[Path]) -> Iterator[Pair]:
    """The authors' own output: one object by problem id."""
    for row in json.loads(files[0].read_text("utf-8")).values():
        yield {**row, "query": row.get("query", row["question"])}, text(row.get("response"))


def chartqa(files: Sequence[Path]) -> Iterator[Pair]:
    """VLMEvalKit's table."""
    for row in table(files[0]):
        yield (
            {"type": row["split"], "question": row["question"], "answer": text(row["answer"])},
            text(row["prediction"]),
        )


def mme(files: Sequence[Path]) -> Iterator[Pair]:
    """VLMEvalKit's table; the image's path names the pair."""
    for row in table(files[0]):
        names = {name: row[name] for name in ("question", "answer", "category")}
        yield {**names, "question_id": row["image_path"]}, text(row["prediction"])


def ocrbench(files: Sequence[Path]) -> Iterator[Pair]:
    """VLMEvalKit's table."""
    for row in table(files[0]):
        own = {"dataset": "", "question": row["question"], "question_type": row["category"], "answer": row["answer"]}
        yield own, text(row["prediction"])


def realworldqa(files: Sequence[Path]) -> Iterator[Pair]:
    """VLMEvalKit's lettered edition, its options put back into the question."""
    for row in table(files[0]):
        listed = "\n".join(f"{letter}. {option}" for letter, option in zip("ABCD", options(row), strict=False))
        asked = f"{row['question']}\n\n{listed}\nPlease answer directly with only the letter of the correct option."
        yield {"question": asked if listed else row["question"], "answer": text(row["answer"])}, text(row["prediction"])


def scienceqa(files: Sequence[Path]) -> Iterator[Pair]:
    """VLMEvalKit's table."""
    for row in table(files[0]):
        own = {"question": row["question"], "hint": row["hint"] or "", "choices": options(row)}
        yield own | {"answer": "ABCDE".index(row["answer"])}, text(row["prediction"])


def seed(files: Sequence[Path]) -> Iterator[Pair]:
    """VLMEvalKit's table; with a second file, its predictions by question id."""
    said = {text(r["question_id"]): r["prediction"] for r in lines(files[1])} if len(files) > 1 else None
    for row in table(files[0]):
        own = {f"choice_{letter.lower()}": text(row[letter]) for letter in "ABCD"}
        own |= {"question": row["question"], "answer": row["answer"], "question_id": text(row["index"])}
        yield own, text(row["prediction"]) if said is None else said[text(row["index"])]


def textvqa(files: Sequence[Path]) -> Iterator[Pair]:
    """VLMEvalKit's table; with a second file, its predictions in the same order."""
    said = [r["text"] for r in lines(files[1])] if len(files) > 1 else None
    for i, row in enumerate(table(files[0])):
        own = {"question_id": text(row["index"]), "question": row["question"], "answers": row["answer"]}
        yield own, text(row["prediction"]) if said is None else said[i]


def mmbench(files: Sequence[Path]) -> Iterator[Pair]:
    """LLaVA's table for the challenge, which holds the answers of the dev set too."""
    for row in table(files[0]):
        own = {letter: "nan" if row[letter] is None else text(row[letter]) for letter in "ABCD"}
        yield own | {name: row[name] for name in ("index", "question", "answer")}, text(row["prediction"])


_CHOICE = re.compile(r"\n([A-E])\. ([^\n]*)")


def scienceqa_llava(files: Sequence[Path]) -> Iterator[Pair]:
    """LLaVA's answers by question id, with the questions and answers of its own test file; rows with an image."""
    said = {}
    stored = json.loads(files[0].read_text("utf-8"))
    for group in ("correct", "incorrect"):
        said |= {r["question_id"]: r["pred"] for r in stored[group]} if isinstance(stored.get(group), list) else {}
    said = said or {key: text(value) for key, value in stored["outputs"].items()}
    for item in json.loads(files[1].read_text("utf-8")):
        if "image" not in item:
            continue
        asked, gold = (turn["value"] for turn in item["conversations"])
        choices = _CHOICE.findall(asked)
        own = {"question": _CHOICE.sub("", asked).replace("<image>", "").strip(), "hint": ""}
        own |= {"choices": [choice for _, choice in choices], "answer": "ABCDE".index(gold.strip()[0])}
        yield own, said[item["id"]]


BLINK_OPTIONS = dict.fromkeys(("Counting", "IQ_Test", "Forensic_Detection"), 4) | {"Relative_Reflectance": 3}
BLINK_OPTIONS |= {f"{kind}_Correspondence": 4 for kind in ("Functional", "Semantic", "Visual")}


def blink(files: Sequence[Path]) -> Iterator[Pair]:
    """The authors' predictions and answers, both letters by question id; tasks have two options if not named above."""
    said = json.loads(files[1].read_text("utf-8"))
    for name, gold in json.loads(files[0].read_text("utf-8")).items():
        task = "_".join(name.split("_")[1:-1])
        own = {"idx": name, "sub_task": task, "choices": list("ABCD"[: BLINK_OPTIONS.get(task, 2)]), "prompt": ""}
        yield own | {"question": "", "answer": gold}, said[name]


def mmstar(files: Sequence[Path]) -> Iterator[Pair]:
    """The authors' submission; its questions hold their options on lines of their own."""
    for row in table(files[0]):
        yield {**row, "meta_info": None}, text(row["prediction"])


def mmmu_pro(files: Sequence[Path]) -> Iterator[Pair]:
    """The authors' responses, with question, options and answer in the same lines."""
    for row in lines(files[0]):
        own = {name: row.get(name) for name in ("id", "question", "options", "answer", "subject", "topic_difficulty")}
        yield own, row["response"] if isinstance(row["response"], str) else ""


CONVERTERS: dict[str, Callable[[Sequence[Path]], Iterator[Pair]]] = {
    one.__name__: one
    for one in (
        *(mathvista, chartqa, mme, ocrbench, realworldqa, scienceqa, seed, textvqa, mmbench, scienceqa_llava),
        *(blink, mmstar, mmmu_pro),
    )
}


def place(folder: Path, file: Row) -> Path:
    """Where a file of the manifest is expected."""
    return folder / str(file["repository"]) / str(file["path"])


def address(file: Row) -> str:
    """Where a file of the manifest can be downloaded."""
    return f"https://raw.githubusercontent.com/{file['repository']}/{file['commit']}/{file['path']}"


def checked(path: Path, file: Row) -> Path:
    """The path, where the file is the one that was measured."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if file.get("sha256") not in (None, found):
        sys.exit(f"{path} has SHA-256 {found}, not {file['sha256']}; download it again: {address(file)}")
    return path


def measured(folder: Path, entry: Row) -> Row | None:
    """Both scores of an entry, or None where a file is missing."""
    files = entry["files"]
    if not files or not all(place(folder, file).is_file() for file in files):
        return None
    pairs = list(CONVERTERS[entry["converter"]]([checked(place(folder, file), file) for file in files]))
    rows, said = [row for row, _ in pairs], [prediction for _, prediction in pairs]
    return {scorer: grade_all(entry["benchmark"], rows, said, scorer) for scorer in ("fuzzy", "official")}


def main() -> None:
    """Prints the table, or the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds the files as OWNER/NAME/PATH")
    parser.add_argument("--list", action="store_true", help="print the files instead of scoring them")
    arguments = parser.parse_args()
    entries = json.loads(MANIFEST.read_text("utf-8"))["entries"]
    if arguments.list:
        for file in {place(arguments.folder, f): f for entry in entries for f in entry["files"]}.values():
            have = "here" if place(arguments.folder, file).is_file() else "missing"
            print(f"{have:<8}{file.get('sha256') or 'not known':<66}{address(file)}")
        return
    missing = []
    print("| benchmark | model | published | official | fuzzy | unparsed | what explains the rest |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for entry in entries:
        found = measured(arguments.folder, entry) if entry["files"] else None
        if found is None:
            missing.append(f"{entry['benchmark']} {entry['model']}")
            continue
        fuzzy, official = found["fuzzy"], found["official"]
        shown = [entry["benchmark"], entry["model"], entry["published"], f"{official.score:.3f}", f"{fuzzy.score:.3f}"]
        print(f"| {' | '.join(shown)} | {fuzzy.n_unparsed} | {entry['explains']} |", flush=True)
    if missing:
        print(f"\nwithout files or converter: {', '.join(missing)}", file=sys.stderr)


if __name__ == "__main__":
    main()
