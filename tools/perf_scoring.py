"""What scoring costs: full-size sets of all sixteen benchmarks, responses of realistic length, both scorers.

    python tools/perf_scoring.py [--benchmark NAME ...] [--scale 1.0] [--hostile] [--json]

Rows have the datasets' own columns without images and seeded random words, so that caches help no more than on real
data. CPU time of replies and verdicts, one after the other on one core; rows and samples are made before it starts.
`--hostile` times responses of one megabyte in shapes that are slow to read. `perf_reading.py` has the time of one
response by its kind and length.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from cambrian_eval.benchmark import Benchmark
from cambrian_eval.registry import benchmark_names, load_benchmark, load_scorer
from cambrian_eval.sample import Sample
from cambrian_eval.scoring.reply import Reply

SIZES = {
    "mme": 2374, "mmbench": 4377, "seed": 17990, "gqa": 12578, "scienceqa": 2017, "mmmu": 900,
    "mathvista": 1000, "ai2d": 3088, "chartqa": 2500, "ocrbench": 1000, "textvqa": 5000, "docvqa": 5349,
    "mmvp": 300, "realworldqa": 765, "cvbench_2d": 1438, "cvbench_3d": 1200,
}  # fmt: skip
"""Scored rows of the published sets."""

Row = dict[str, Any]
SYLLABLES = [
    "ba", "co", "di", "fu", "ga", "hel", "in", "jo", "ka", "lo", "mi", "no", "or", "pen", "qua", "ri", "su",
]  # fmt: skip
MME = [
    "existence",
    "count",
    "position",
    "color",
    "posters",
    "celebrity",
    "scene",
    "landmark",
    "artwork",
    "OCR",
]
OCR_KINDS = (
    "Regular Text Recognition",
    "Doc-oriented VQA",
    "Handwritten Mathematical Expression Recognition",
)


def word(rng: random.Random) -> str:
    """A made-up word of two to four syllables."""
    return "".join(rng.choices(SYLLABLES, k=rng.randint(2, 4)))


def phrase(rng: random.Random, most: int = 4) -> str:
    """One to `most` words."""
    return " ".join(word(rng) for _ in range(rng.randint(1, most)))


def question(rng: random.Random) -> str:
    """A made-up question of realistic length."""
    return f"What is the {phrase(rng, 8)} in the {word(rng)}?"


def options(rng: random.Random, n: int) -> list[str]:
    """The texts of `n` options."""
    return [phrase(rng) for _ in range(n)]


def lines(choices: Sequence[str], mark: str = "{}. {}") -> str:
    """Options as lines with their letters."""
    return "\n".join(mark.format(letter, text) for letter, text in zip("ABCDEFGHI", choices, strict=False))


def mme(rng: random.Random, i: int) -> Row:
    """Pairs with one image each, first yes, then no; categories in turn."""
    asked = f"{question(rng)} Please answer yes or no."
    category = MME[i // 2 % len(MME)]
    return {
        "question_id": f"{i // 2}.png",
        "question": asked,
        "answer": "Yes" if i % 2 == 0 else "No",
        "category": category,
    }


def mmbench(rng: random.Random, i: int) -> Row:
    """Indices repeat a million apart, as rotations of one question do."""
    texts = dict(zip("ABCD", options(rng, 4), strict=True))
    return {
        "index": i % 1200 + 1_000_000 * (i // 1200), "question": question(rng), "hint": "nan",
        **texts, "answer": rng.choice("ABCD"), "category": word(rng), "source": "made",
        "l2-category": "coarse_perception", "comment": "nan", "split": "dev",
    }  # fmt: skip


def seed(rng: random.Random, i: int) -> Row:
    """Four options, the nine question types in turn."""
    texts = dict(zip(("choice_a", "choice_b", "choice_c", "choice_d"), options(rng, 4), strict=True))
    return {
        **texts, "answer": rng.choice("ABCD"), "data_id": str(i), "data_type": "image",
        "question": question(rng), "question_id": str(i), "question_type_id": 1 + i % 9, "image": [],
    }  # fmt: skip


def gqa(rng: random.Random, i: int) -> Row:
    """398 images in turn; a third of the answers each yes, no and free."""
    types = {"structural": "query", "semantic": "attr", "detailed": "material"}
    answer = rng.choice(("yes", "no", phrase(rng, 2)))
    return {
        "id": str(i), "imageId": f"n{i % 398}", "question": question(rng), "answer": answer,
        "fullAnswer": answer, "isBalanced": True, "types": types,
    }  # fmt: skip


def scienceqa(rng: random.Random, i: int) -> Row:
    """Two to five options."""
    texts = options(rng, rng.randint(2, 5))
    return {
        "image": b"made", "question": question(rng), "choices": texts,
        "answer": rng.randrange(len(texts)), "hint": "", "task": "closed choice", "grade": "grade5",
        "subject": "natural science", "topic": "physics",
        "category": word(rng), "skill": word(rng), "lecture": "", "solution": "",
    }  # fmt: skip


def mmmu(rng: random.Random, i: int) -> Row:
    """One row in seventeen is open, with a number to find."""
    open_row = i % 17 == 0
    texts = [] if open_row else options(rng, 4)
    answer = str(rng.randint(1, 999)) if open_row else rng.choice("ABCD")
    return {
        "id": f"validation_Math_{i}", "question": f"{question(rng)} <image 1>", "options": repr(texts),
        "explanation": "", "image_1": None, "img_type": "['Figure']", "answer": answer,
        "topic_difficulty": "Easy", "subfield": word(rng),
        "question_type": "open" if open_row else "multiple-choice",
    }  # fmt: skip


def mathvista(rng: random.Random, i: int) -> Row:
    """Free integers and options, in turn."""
    free = i % 2 == 0
    texts = None if free else options(rng, 4)
    answer = str(rng.randint(1, 999)) if texts is None else rng.choice(texts)
    metadata = {
        "category": "math-targeted-vqa", "context": "geometry diagram", "grade": "high school",
        "language": "english", "skills": ["arithmetic reasoning"], "source": "made", "split": "testmini",
        "task": "figure question answering", "img_height": 64, "img_width": 64,
    }  # fmt: skip
    return {
        "pid": str(i), "question": question(rng), "image": f"images/{i}.jpg", "choices": texts, "unit": None,
        "precision": None, "answer": answer, "question_type": "free_form" if free else "multi_choice",
        "answer_type": "integer" if free else "text", "metadata": metadata, "query": question(rng),
    }  # fmt: skip


def ai2d(rng: random.Random, i: int) -> Row:
    """Four options, the answer by its number."""
    return {"question": question(rng), "options": options(rng, 4), "answer": str(rng.randrange(4))}


def chartqa(rng: random.Random, i: int) -> Row:
    """A quarter of the answers are words, the others numbers."""
    answer = phrase(rng, 2) if i % 4 == 0 else str(rng.choice((rng.randint(1, 3000), round(rng.random() * 90, 2))))
    return {"type": "human_test", "question": question(rng), "answer": answer}


def ocrbench(rng: random.Random, i: int) -> Row:
    """The question types in turn, one answer each."""
    kind = OCR_KINDS[i % len(OCR_KINDS)]
    return {"dataset": "made", "question": question(rng), "question_type": kind, "answer": [phrase(rng, 3)]}


def textvqa(rng: random.Random, i: int) -> Row:
    """Ten answers from three, one of them by far the most frequent."""
    said = options(rng, 3)
    return {
        "image_id": f"{i % 3000:08x}", "question_id": i, "question": question(rng),
        "answers": rng.choices(said, weights=(7, 2, 1), k=10), "ocr_tokens": options(rng, 6),
    }  # fmt: skip


def docvqa(rng: random.Random, i: int) -> Row:
    """One to three accepted answers."""
    return {
        "questionId": str(i), "question": question(rng), "question_types": ["form"], "docId": i,
        "ucsf_document_id": word(rng), "ucsf_document_page_no": "1",
        "answers": options(rng, rng.randint(1, 3)),
        "data_split": "val",
    }  # fmt: skip


def mmvp(rng: random.Random, i: int) -> Row:
    """Pairs: first (b), then (a)."""
    texts = f"(a) {phrase(rng)} (b) {phrase(rng)}"
    return {
        "Index": i + 1,
        "Question": question(rng),
        "Options": texts,
        "Correct Answer": "(a)" if i % 2 else "(b)",
    }


def realworldqa(rng: random.Random, i: int) -> Row:
    """Letters and short answers in turn, each with the sentence that asks for them."""
    last = "Please answer directly with only the letter of the correct option and nothing else."
    if i % 2:
        return {
            "question": f"{question(rng)}\n\n{lines(options(rng, 3))}\n{last}",
            "answer": rng.choice("ABC"),
        }
    answer = rng.choice(("Yes", "No", str(rng.randint(0, 9)), phrase(rng, 2)))
    return {
        "question": f"{question(rng)}\nPlease answer directly with a single word or number.",
        "answer": answer,
    }


def cvbench(kind: str, rng: random.Random, i: int) -> Row:
    """Two options in 3D; in 2D two and five in turn, with the sources in turn too."""
    texts = options(rng, 2) if kind == "3D" or i % 2 else [str(n) for n in rng.sample(range(12), 5)]
    asked = question(rng)
    return {
        "idx": i, "type": kind, "task": "Count", "question": asked, "choices": texts,
        "answer": f"({rng.choice('AB')})", "filename": f"img/{i}.png",
        "prompt": f"{asked} Select from the following choices.\n{lines(texts, '({}) {}')}",
        "source": "Omni3D" if kind == "3D" else ("ADE20K", "COCO")[i % 2],
    }  # fmt: skip


MAKERS: dict[str, Callable[[random.Random, int], Row]] = {
    "mme": mme, "mmbench": mmbench, "seed": seed, "gqa": gqa, "scienceqa": scienceqa, "mmmu": mmmu,
    "mathvista": mathvista, "ai2d": ai2d, "chartqa": chartqa, "ocrbench": ocrbench, "textvqa": textvqa,
    "docvqa": docvqa, "mmvp": mmvp, "realworldqa": realworldqa,
    "cvbench_2d": lambda rng, i: cvbench("2D", rng, i), "cvbench_3d": lambda rng, i: cvbench("3D", rng, i),
}  # fmt: skip


def response(rng: random.Random, sample: Sample) -> str:
    """Mostly short answers, right or wrong; some sentences; a few essays that end in a declared answer."""
    if sample.choices:
        letter = rng.choice(list(sample.options))
        text = sample.options[letter]
        forms = (letter, letter, letter, f"{letter}.", f"({letter}) {text}", text, f"The answer is {letter}.")
    else:
        letter = text = rng.choice((rng.choice(sample.answers), phrase(rng, 2)))
        forms = (text, text, text, f"{text}.", text.lower(), f"The answer is {text}.", text)
    dice = rng.random()
    if dice < 0.85:
        return rng.choice(forms)
    if dice < 0.97:
        return f"In this image the {phrase(rng, 6)} shows that it is {text}."
    essay = " ".join(f"Then {phrase(rng, 8)} follows from the {word(rng)}." for _ in range(rng.randint(8, 25)))
    return f"{essay}\nThe answer is {letter}."


def seconds(benchmark: Benchmark, scorer: str, work: Sequence[tuple[Sample, str]]) -> float:
    """How long one scorer takes over all responses."""
    decide = load_scorer(scorer, benchmark).score
    start = time.process_time()
    for sample, text in work:
        decide(benchmark, sample, Reply(text))
    return time.process_time() - start


SHAPES = {
    "nested tags": "<think><answer>", "backslashes": "\\", "brackets": "[]()", "digits": "7", "boxes": "\\boxed{",
    "blanks": " ", "letters": "A ", "answers": "the answer is ", "negations": "not A, ", "quotes": "\"'",
    "marks": "\u0301\u0316",
    "sentences": "It is so. ", "lines": "A. no\n", "equations": "= 3 ", "commas": "1,", "fractions": "\\frac{1}{2}",
    "bold": "**", "options": "option A ", "so": "so ", "channels": "<|channel|>analysis", "unclosed": "<think>no ",
}  # fmt: skip
"""What the hostile responses repeat."""


def hostile(names: Sequence[str]) -> list[tuple[float, str, str, str]]:
    """The slowest readings of a megabyte: milliseconds, benchmark, scorer, shape."""
    found = []
    for name in names:
        benchmark = load_benchmark(name)
        row = MAKERS[name](random.Random(name), 0)
        sample = benchmark.to_sample(row, 0)
        for shape, piece in SHAPES.items():
            text = piece * (1_000_000 // len(piece))
            for scorer in ("fuzzy", "official"):
                took = seconds(benchmark, scorer, [(sample, text)]) if sample else 0.0
                found.append((1000 * took, name, scorer, shape))
    return sorted(found, reverse=True)


def measure(name: str, scale: float) -> dict[str, Any]:
    """One benchmark at its size: responses, their mean length, seconds of both scorers."""
    benchmark, rng = load_benchmark(name), random.Random(name)
    count = max(2, round(SIZES[name] * scale))
    samples = [s for i in range(count) if (s := benchmark.to_sample(MAKERS[name](rng, i), i)) is not None]
    work = [(sample, response(rng, sample)) for sample in samples]
    took = {scorer: seconds(benchmark, scorer, work) for scorer in ("fuzzy", "official")}
    length = sum(len(text) for _, text in work) / len(work)
    return {"benchmark": name, "responses": len(work), "characters": round(length), **took}


def main() -> None:
    """Prints a line for each benchmark and one for all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--benchmark", action="append", choices=sorted(SIZES), help="only these")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the published sizes")
    parser.add_argument("--hostile", action="store_true", help="time one megabyte of hostile shapes instead")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    names = arguments.benchmark or [name for name in benchmark_names() if name in SIZES]
    if arguments.hostile:
        slowest = hostile(names)
        for took, name, scorer, shape in slowest if arguments.json else slowest[:20]:
            print(f"{took:8.1f} ms  {name:<12}{scorer:<10}{shape}")
        return
    found = [measure(name, arguments.scale) for name in names]
    total = {key: sum(row[key] for row in found) for key in ("responses", "fuzzy", "official")}
    found.append({"benchmark": "all", "characters": "", **total})
    if arguments.json:
        print(json.dumps(found, indent=1))
        return
    heads = ("responses", "mean chars", "fuzzy s", "official s", "fuzzy us each")
    print(f"{'benchmark':<12}" + "".join(f"{head:>14}" for head in heads))
    for row in found:
        each = 1e6 * row["fuzzy"] / row["responses"]
        print(
            f"{row['benchmark']:<12}{row['responses']:>14}{row['characters']:>14}"
            f"{row['fuzzy']:>14.3f}{row['official']:>14.3f}{each:>14.1f}"
        )


if __name__ == "__main__":
    main()
