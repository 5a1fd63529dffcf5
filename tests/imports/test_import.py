"""`import` of logs in the forms of other harnesses: formats by content, rows matched, differences listed.

The expected scores follow from the small tables in `originals` by hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval.imports.formats import formats
from cambrian_eval.running.records import Cell
from cambrian_eval.running.store import open_run
from tests.command import call, refused
from tests.imports import originals as o


def imported(files: Path | list[Path], benchmark: str, data: Path, out: Path, *words: str) -> dict[str, Any]:
    """The JSON that an import prints."""
    paths = files if isinstance(files, list) else [files]
    done = call("import", *paths, "--benchmark", benchmark, "--data-root", data, "--out", out, "--json", *words)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def scores(found: dict[str, Any], scorer: str = "official") -> list[float]:
    return [round(r["score"], 4) for r in found["results"] if r["scorer"] == scorer]


MIXED = ["Yes", "No", "Yes", "Yes", "No", "No", "Yes", "No"]
# OCR: 3 of 4 right, 1 of 2 pairs: 125. count (rows 4 to 7): No for Yes, then three right: 75 + 50.


def test_llava_answers_to_mme_are_matched_by_image_and_question(tmp_path: Path) -> None:
    data = o.root(tmp_path / "data", mme=o.MME)
    order = [3, 0, 6, 1, 7, 2, 4, 5]
    log = o.llava_mme(tmp_path / "llava.jsonl", MIXED)
    shuffled = tmp_path / "answers.jsonl"
    rows = log.read_text().splitlines()
    shuffled.write_text("\n".join(rows[i] for i in order) + "\n")
    found = imported(shuffled, "mme", data, tmp_path / "run")
    assert list(found["formats"].values()) == ["llava"] and scores(found, "fuzzy") == [250.0]
    assert found["findings"] == {"mme": []} and found["missing"] == {"mme": []}
    run = open_run(tmp_path / "run")
    assert run.info["model"]["name"] == "llava-v1.5-13b"
    records = run.responses(Cell("mme", "on"))
    assert [records[s.id].text for s in run.samples("mme")] == MIXED
    assert all(r.prompt.endswith(o.SHORT) and "Please" not in r.prompt for r in records.values())


def test_a_folder_of_the_mme_tool_is_scored_by_its_rule(tmp_path: Path) -> None:
    data = o.root(tmp_path / "data", mme=o.MME)
    said = {"Yes": "yes, it is", "No": "no, the image"}
    folder = o.mme_folder(tmp_path / "LaVIN", [said[word] for word in MIXED])
    found = imported(folder, "mme", data, tmp_path / "run")
    assert list(found["formats"].values()) == ["mme_tool"] and scores(found) == [250.0]
    assert "MME's own tool" in str(found["results"])
    strict = imported(folder, "mme", data, tmp_path / "other", "--set", "mme.rule=cambrian")
    assert scores(strict) == [0.0]


def test_a_vlmevalkit_table_is_scored_on_its_own_options(tmp_path: Path) -> None:
    """The questions of its RealWorldQA are without their options; those stand in columns."""
    data = o.root(tmp_path / "data", realworldqa=o.REAL)
    heading = ["index", "question", "A", "B", "C", "answer", "prediction", "hit", "log"]
    table = o.spreadsheet(
        tmp_path / "m_RealWorldQA.xlsx",
        heading,
        [
            [0, "Where is it?", "Left", "Right", None, "B", "B", 1, "x"],
            [1, "Is it wet?", "Yes", "No", None, "A", "B", 0, "x"],
        ],
    )
    found = imported(table, "realworldqa", data, tmp_path / "run")
    assert list(found["formats"].values()) == ["vlmevalkit"] and scores(found) == [50.0]
    assert found["findings"] == {"realworldqa": []}
    beside = [json.loads(line) for line in (tmp_path / "run/imports/realworldqa.on.jsonl").read_text().splitlines()]
    assert [one["verdict"]["hit"] for one in beside] == [1, 0] and beside[0]["options"] == {"A": "Left", "B": "Right"}

    other = tmp_path / "m_RealWorldQA.tsv"
    other.write_text(
        "\t".join(heading[:7]) + "\n0\tWhere is it?\tRight\tLeft\t\tA\tA\n1\tIs it wet?\tMaybe\tNo\tnan\tB\tB\n"
        "7\tUnheard of?\ta\tb\t\tA\tA\n"
    )
    changed = imported(other, "realworldqa", data, tmp_path / "other")
    kinds = {f["place"].rpartition(" ")[2]: f["kind"] for f in changed["findings"]["realworldqa"]}
    assert kinds == {"2": "changed", "3": "changed", "4": "unmatched"} and changed["missing"] == {"realworldqa": ["1"]}
    assert scores(changed) == [100.0] and changed["results"][0]["complete"] is False
    assert open_run(tmp_path / "other").samples("realworldqa")[0].answers == ("A",)


def test_grading_a_table_with_options_in_columns(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("question,A,B,answer,prediction\nWhere is it?,Left,Right,B,B\nIs it wet?,Yes,No,A,B\n")
    done = call("grade", file, "--benchmark", "realworldqa", "--scorer", "official")
    assert done.returncode == 0 and "50.0" in done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["xlsx", "json", "tsv"])
def test_numbers_nan_and_empty_cells_are_responses(tmp_path: Path, kind: str) -> None:
    rows = [
        {"type": "test_human", "question": f"How many {x}?", "answer": g} for x, g in zip("abcd", "3579", strict=True)
    ]
    data = o.root(tmp_path / "data", chartqa=rows)
    cells = [3.0, 5, None, float("nan")]
    heading = ["index", "question", "answer", "prediction"]
    table = [[i, r["question"], r["answer"], p] for i, (r, p) in enumerate(zip(rows, cells, strict=True))]
    path = tmp_path / f"m_ChartQA_TEST.{kind}"
    if kind == "xlsx":
        o.spreadsheet(path, heading, table)
    elif kind == "json":
        o.whole(path, [dict(zip(heading, row, strict=True)) for row in table])
    else:
        path.write_text(
            "\n".join("\t".join("" if c is None or c != c else str(c) for c in r) for r in [heading, *table])
        )
    found = imported(path, "chartqa", data, tmp_path / "run")
    stored = open_run(tmp_path / "run").responses(Cell("chartqa", "on"))
    expected = ["3.0", "5", "", ""] if kind == "tsv" else ["3", "5", "", ""]
    assert [stored[str(i)].text for i in range(4)] == expected and scores(found) == [50.0]


def test_lmms_eval_counts_rows_and_keeps_its_metrics(tmp_path: Path) -> None:
    data = o.root(tmp_path / "data", scienceqa=o.SCIENCE)
    log = o.lines(
        tmp_path / "20260218_234435_samples_scienceqa_img.jsonl",
        [
            {
                "doc_id": i,
                "target": "AB"[row["answer"]],
                "filtered_resps": ["B"],
                "doc_hash": "x",
                "exact_match": float(row["answer"]),
                "input": o.science_prompt(row),
            }
            for i, row in enumerate(o.SCIENCE)
        ],
    )
    found = imported(log, "scienceqa", data, tmp_path / "run")
    assert list(found["formats"].values()) == ["lmms_eval"] and scores(found) == [66.6667]
    explained = json.loads(
        call(
            "explain", tmp_path / "run", tmp_path / "run", "--scorer", "log", "--scorer-b", "official", "--json"
        ).stdout
    )["explanations"][0]
    assert explained["a"] == pytest.approx(200 / 3) and explained["difference"] == pytest.approx(0)


def test_lmms_eval_has_what_the_model_said_beside_what_a_filter_left(tmp_path: Path) -> None:
    """Its newest form: one response is no list; `resps` is there where a filter changed it, a list for each repeat."""
    data = o.root(tmp_path / "data", scienceqa=o.SCIENCE)
    shapes: list[dict[str, Any]] = [
        {"resps": ["B. Denver"], "filtered_resps": "B"},
        {"resps": "<think>Toads are no birds.</think>B", "filtered_resps": "B"},
        {"filtered_resps": "A"},
    ]
    more = {"token_counts": [None], "input_media": [], "exact_match": 1.0}
    lines = [{"doc_id": i, "target": "AB"[o.SCIENCE[i]["answer"]], **shape, **more} for i, shape in enumerate(shapes)]
    log = o.lines(tmp_path / "1_samples_scienceqa_img.jsonl", lines)
    assert scores(imported(log, "scienceqa", data, tmp_path / "run")) == [100.0]
    run = open_run(tmp_path / "run")
    texts = [run.responses(Cell("scienceqa", "on"))[str(i)].text for i in range(3)]
    assert texts == ["B. Denver", "<think>Toads are no birds.</think>B", "A"]
    beside = [json.loads(x)["verdict"] for x in (tmp_path / "run/imports/scienceqa.on.jsonl").read_text().splitlines()]
    assert beside == [{"filtered_resps": "B", "exact_match": 1.0}] * 2 + [{"exact_match": 1.0}]


def test_llava_scienceqa_has_problem_numbers_and_questions_without_an_image(tmp_path: Path) -> None:
    """Problem "1" is no row 1; the two capitals are told apart by the order of their options."""
    data = o.root(tmp_path / "data", scienceqa=o.SCIENCE)

    def one(number: str, row: dict[str, Any], said: str, pictured: bool = True) -> dict[str, Any]:
        mark = "<image>\n" if pictured else ""
        return {
            "question_id": number,
            "parsed_ans": said,
            "ground_truth": "AB"[row["answer"]],
            "question": mark + o.science_prompt(row),
            "pred": said,
            "is_multimodal": pictured,
        }

    text_only = {"question": "Which is a word?", "choices": ["x", "yes"], "answer": 1, "hint": ""}
    log = o.whole(
        tmp_path / "llava-v1.5-13b_output.jsonl",
        {
            "correct": [one("1", o.SCIENCE[2], "A"), one("4", text_only, "B", False), one("9", o.SCIENCE[1], "B")],
            "incorrect": [one("0", o.SCIENCE[0], "A")],
        },
    )
    found = imported(log, "scienceqa", data, tmp_path / "run")
    stored = open_run(tmp_path / "run").responses(Cell("scienceqa", "on"))
    assert [stored[str(i)].text for i in range(3)] == ["A", "B", "A"] and scores(found) == [66.6667]
    assert [f["kind"] for f in found["findings"]["scienceqa"]] == ["no image"]


def test_of_two_hints_in_a_prompt_the_longer_one_tells(tmp_path: Path) -> None:
    """The longer hint begins with the shorter one; two samples have each."""
    short, long = "Two magnets are shown.", "Two magnets are shown. Hint: opposite poles attract."
    rows = [
        {"question": "Do they attract?", "choices": ["yes", "no"], "answer": 1, "hint": hint}
        for hint in (short, short, long, long)
    ]
    data = o.root(tmp_path / "data", scienceqa=rows)
    listed = [
        {
            "question_id": f"{10 + i}",
            "ground_truth": "B",
            "question": f"<image>\n{o.science_prompt(rows[i])}",
            "pred": text,
        }
        for i, text in ((2, "A"), (3, "A"), (0, "B"), (1, "B"))
    ]
    log = o.whole(tmp_path / "m_output.jsonl", {"correct": listed[:2], "incorrect": listed[2:]})
    found = imported(log, "scienceqa", data, tmp_path / "run")
    stored = open_run(tmp_path / "run").responses(Cell("scienceqa", "on"))
    assert [stored[str(i)].text for i in range(4)] == ["B", "B", "A", "A"] and scores(found) == [50.0]
    assert found["findings"]["scienceqa"] == []


def test_textvqa_of_llava_names_images(tmp_path: Path) -> None:
    data = o.root(tmp_path / "data", textvqa=o.TEXT)
    said = ["dakota", "1998", "nous"]
    log = o.lines(
        tmp_path / "llava.jsonl",
        [
            {"question_id": r["image_id"], "prompt": f"{r['question']}\nReference OCR token: a{o.SHORT}", "text": t}
            for r, t in zip(o.TEXT, said, strict=True)
        ][::-1],
    )
    assert scores(imported(log, "textvqa", data, tmp_path / "run")) == [66.6667]


def test_mathvista_and_mmmu_results(tmp_path: Path) -> None:
    """Of two equal choices MathVista's authors take both letters as right."""
    math = [
        {"pid": "1", "question": "Choose", "query": "q", "choices": ["18", "2", "18"], "answer": "18"},
        {"pid": "2", "question": "Count", "query": "q", "choices": None, "answer": "4"},
    ]
    types = [("multi_choice", "text"), ("free_form", "integer")]
    rows = [
        {**m, "question_type": a, "answer_type": b, "precision": None} for m, (a, b) in zip(math, types, strict=True)
    ]
    subject = "validation_Art_"
    mmmu = [
        {
            "id": f"{subject}{i}",
            "question": "Q",
            "options": "['x', 'y']",
            "answer": "B",
            "question_type": "multiple-choice",
        }
        for i in (1, 2)
    ]
    data = o.root(tmp_path / "data", mathvista=rows, mmmu=mmmu)
    said = {"1": "A", "2": "5"}
    results = o.whole(
        tmp_path / "output_x.json",
        {r["pid"]: {**r, "response": said[r["pid"]], "extraction": "", "true_false": r["pid"] == "1"} for r in rows},
    )
    assert scores(imported(results, "mathvista", data, tmp_path / "math")) == [50.0]
    both = tmp_path / "total_val_output.json"
    both.write_text(json.dumps({f"{subject}1": "B", f"{subject}2": "A"}))
    assert scores(imported(both, "mmmu", data, tmp_path / "mmmu")) == [50.0]
    listed = o.whole(
        tmp_path / "Art/output.json",
        [{"id": f"{subject}{i}", "response": "B", "answer": "B", "index2ans": {"A": "x", "B": "y"}} for i in (1, 2)],
    )
    assert scores(imported(listed.parent, "mmmu", data, tmp_path / "list")) == [100.0]


def test_cambrian_answers_count_rows(tmp_path: Path) -> None:
    rows = [
        {"id": f"20{i}", "imageId": "n1", "question": "Is it big?", "answer": a} for i, a in enumerate(("yes", "no"))
    ]
    data = o.root(tmp_path / "data", gqa=rows)
    prompt = f"A chat. USER: <image>\nIs it big?{o.SHORT} ASSISTANT:"
    log = o.lines(
        tmp_path / "answers_gqa.jsonl",
        [
            {
                "question_id": i,
                "prompt": prompt,
                "answer": "no",
                "gt_answer": a,
                "category": {},
                "model_id": "cambrian-8b",
            }
            for i, a in ((1, "no"), (0, "yes"))
        ],
    )
    found = imported(log, "gqa", data, tmp_path / "run")
    assert list(found["formats"].values()) == ["cambrian"] and scores(found) == [50.0]


@pytest.mark.parametrize("kind", ["eval", "json"])
def test_inspect_logs_with_epochs(tmp_path: Path, kind: str) -> None:
    data = o.root(tmp_path / "data", scienceqa=o.SCIENCE[:2])
    samples = [
        o.inspect_sample(str(10 + i), epoch, o.science_prompt(row), "B", said)
        for i, row in enumerate(o.SCIENCE[:2])
        for epoch, said in ((1, "B"), (2, "B" if i else "A"))
    ]
    samples[3]["output"]["choices"][0]["stop_reason"] = "max_tokens"
    found = imported(o.inspect_log(tmp_path / f"log.{kind}", samples), "scienceqa", data, tmp_path / "run")
    run = open_run(tmp_path / "run")
    assert run.info["model"]["name"] == "openai/gpt-4o" and run.repeats == 2 and scores(found) == [75.0]
    records = run.all_responses(Cell("scienceqa", "on"))
    assert records["1", 1].finish == "length" and records["0", 1].text == "A"


def test_a_folder_with_logs_of_several_benchmarks(tmp_path: Path) -> None:
    data = o.root(tmp_path / "data", mme=o.MME, realworldqa=o.REAL, scienceqa=o.SCIENCE)
    folder = tmp_path / "logs"
    o.llava_mme(folder / "a.jsonl", MIXED)
    o.spreadsheet(
        folder / "m_RealWorldQA.xlsx",
        ["index", "question", "A", "B", "answer", "prediction"],
        [[0, "Where is it?", "Left", "Right", "B", "B"], [1, "Is it wet?", "Yes", "No", "A", "A"]],
    )
    (folder / "README.md").write_text("# Logs\n")
    found = imported(folder, "mme,realworldqa", data, tmp_path / "run", "--name", "m")
    assert {(r["benchmark"], r["scorer"]): r["score"] for r in found["results"]}["realworldqa", "official"] == 100.0
    assert open_run(tmp_path / "run").benchmarks() == ["mme", "realworldqa"]
    said = refused("import", folder, "--benchmark", "scienceqa", "--data-root", data, "--out", tmp_path / "x")
    assert "no row belongs to a sample of scienceqa" in said and not (tmp_path / "x").exists()


def test_duplicates_are_listed_and_the_first_counts(tmp_path: Path) -> None:
    data = o.root(tmp_path / "data", mme=o.MME)
    log = o.llava_mme(tmp_path / "a.jsonl", MIXED)
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    o.lines(log, [*rows, {**rows[0], "text": "No"}, rows[1]])
    done = call("import", log, "--benchmark", "mme", "--data-root", data, "--out", tmp_path / "run")
    assert done.returncode == 0 and "250.0" in done.stdout
    listed = [line for line in done.stdout.splitlines() if "duplicate:" in line]
    assert len(listed) == 2 and "line 9" in listed[0] and "which counts" in listed[0] and "the same" in listed[1]


def test_a_second_file_with_verdicts_is_kept_beside_the_first(tmp_path: Path) -> None:
    data = o.root(tmp_path / "data", realworldqa=o.REAL)
    heading = ["index", "question", "A", "B", "answer", "prediction"]
    rows = [[0, "Where is it?", "Left", "Right", "B", "B"], [1, "Is it wet?", "Yes", "No", "A", "B"]]
    first = o.spreadsheet(tmp_path / "m_RealWorldQA.xlsx", heading, rows)
    graded = [[*row, hit] for row, hit in zip(rows, (1, 0), strict=True)]
    second = o.spreadsheet(tmp_path / "m_RealWorldQA_result.xlsx", [*heading, "hit"], graded)
    found = imported([first, second], "realworldqa", data, tmp_path / "run")
    assert found["findings"] == {"realworldqa": []} and found["samples"] == 2
    words = ("explain", tmp_path / "run", tmp_path / "run", "--scorer", "log", "--scorer-b", "official", "--json")
    assert json.loads(call(*words).stdout)["explanations"][0]["a"] == 50.0


def test_a_row_that_could_be_several_samples_is_left_out(tmp_path: Path) -> None:
    rows = [
        {"id": str(i), "imageId": f"n{i}", "question": "Is it big?", "answer": a} for i, a in enumerate(("yes", "no"))
    ]
    data = o.root(tmp_path / "data", gqa=[*rows, {"id": "9", "imageId": "z", "question": "What?", "answer": "cat"}])
    log = o.lines(
        tmp_path / "a.jsonl",
        [{"question_id": "x", "prompt": q, "text": "yes"} for q in ("Is it big?" + o.SHORT, "What?" + o.SHORT)],
    )
    found = imported(log, "gqa", data, tmp_path / "run")
    assert [f["kind"] for f in found["findings"]["gqa"]] == ["ambiguous"] and found["samples"] == 1


def test_rows_of_another_split_are_no_part_and_rows_that_agree_come_first(tmp_path: Path) -> None:
    """The row of "dev" has the text of sample 0; the row with answer D contradicts sample 1, which a later row has."""
    rows = [
        {
            "id": f"validation_Art_{i}", "question": question, "question_type": "multiple-choice", "answer": "A",
            "options": "['red', 'blue', 'green', 'white']",
        }
        for i, question in enumerate(("Which color?", "Which paint?"))
    ]  # fmt: skip
    data = o.root(tmp_path / "data", mmmu=rows)
    options = ["red", "blue", "green", "white"]
    table = [
        [1, "Which color?", *options, "A", "dev", "B"],
        [2, "Which color?", *options, "A", "validation", "A"],
        [3, "Which paint?", *options, "D", "validation", "D"],
        [4, "Which paint?", *options, "A", "validation", "B"],
    ]
    log = o.spreadsheet(
        tmp_path / "m_MMMU_DEV_VAL.xlsx", ["index", "question", *"ABCD", "answer", "split", "prediction"], table
    )
    found = imported(log, "mmmu", data, tmp_path / "run")
    stored = open_run(tmp_path / "run").responses(Cell("mmmu", "on"))
    assert [stored[row["id"]].text for row in rows] == ["A", "B"] and scores(found) == [50.0]
    kinds = [(f["kind"], f["place"].split()[-1]) for f in found["findings"]["mmmu"]]
    assert kinds == [("other split", "2"), ("duplicate", "4")]


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("x.xlsx", b"PK\x03\x04 torn", "cannot be read"),
        ("x.eval", b"PK\x03\x04 torn", "cannot be read"),
        ("x.tsv", b"index\tprediction\n0\tA\tB\n", "line 2: more cells"),
        ("x.jsonl", b'{"question_id": 1, "text": "A"}\n{"question_id": 1, "te', "line 2"),
        ("x.jsonl", b'{"question_id": 1, "text": "A"}\n{"question_id": 2}\n', "line 2"),
        ("x.jsonl", b'{"question_id": "none", "prompt": "Unheard of?", "text": "A"}\n', "no sample has this question"),
        ("x.json", b'{"correct": [], "incorrect": ', "not valid JSON"),
        ("x.json", b'{"eval": {}, "samples": [{"output": 3}]}', "is not what the format inspect_ai has"),
        ("x.jsonl", b'{"doc_id": 0, "filtered_resps": [[-1.5, true], [-2.5, false]]}\n', "log-likelihoods"),
    ],
)
def test_broken_logs_are_refused_with_one_line(tmp_path: Path, name: str, content: bytes, word: str) -> None:
    data = o.root(tmp_path / "data", mme=o.MME)
    (tmp_path / name).write_bytes(content)
    said = refused("import", tmp_path / name, "--benchmark", "mme", "--data-root", data, "--out", tmp_path / "run")
    assert word in said and not (tmp_path / "run").exists()


def test_unknown_formats_and_runs_that_exist(tmp_path: Path) -> None:
    data = o.root(tmp_path / "data", mme=o.MME)
    log = o.llava_mme(tmp_path / "a.jsonl", MIXED)
    start = ("import", log, "--benchmark", "mme", "--data-root", data, "--out", tmp_path / "run")
    assert "unknown import format 'lava'; did you mean llava" in refused(*start, "--format", "lava")
    assert call(*start, "--format", "llava").returncode == 0
    assert "holds a run already" in refused(*start)
    listed = call("list", "formats").stdout
    assert all(name in listed for name in formats()) and len(formats()) == 10


def test_complete_copies_of_the_image_rows_are_complete(tmp_path: Path) -> None:
    """ScienceQA-Image has 2,017 rows; a copy that holds only them is not a part of the 4,241."""
    rows = [{**o.SCIENCE[0], "question": f"What is the capital of {i}?"} for i in range(2017)]
    data = o.root(tmp_path / "data", scienceqa=rows)
    log = o.lines(tmp_path / "p.jsonl", [{"id": str(i), "response": "B"} for i in range(2017)])
    found = imported(log, "scienceqa", data, tmp_path / "run", "--scorer", "official")
    assert found["results"][0]["complete"] is True and "partial" not in str(found["results"][0]["notes"])


def test_an_imported_run_is_verified(tmp_path: Path) -> None:
    """Its responses belong to their requests, and everything that it states can be recomputed."""
    data = o.root(tmp_path / "data", mme=o.MME)
    found = imported(o.llava_mme(tmp_path / "a.jsonl", MIXED), "mme", data, tmp_path / "run")
    assert not [note for r in found["results"] for note in r["notes"] if "requests" in note or "no image" in note]
    done = call("verify", tmp_path / "run")
    assert done.returncode == 0 and "16 verdicts" in done.stdout, done.stdout


def test_a_letter_in_brackets_is_the_same_answer(tmp_path: Path) -> None:
    """lmms-eval keeps CV-Bench's "(B)" as it is in the dataset."""
    row = {"idx": 0, "type": "3D", "task": "Depth", "choices": ["lamp", "chair"], "answer": "(B)", "source": "Omni3D"}
    data = o.root(
        tmp_path / "data", cvbench_3d=[{**row, "question": "Closer?", "prompt": "Closer?\n(A) lamp\n(B) chair"}]
    )
    line = {"doc_id": 0, "target": "(B)", "filtered_resps": "B", "input": "Only A, B.\nCloser?\n(A) lamp\n(B) chair"}
    found = imported(o.lines(tmp_path / "1_samples_cv_bench_3d.jsonl", [line]), "cvbench_3d", data, tmp_path / "run")
    assert found["findings"]["cvbench_3d"] == [] and scores(found) == [100.0]


def test_an_option_that_looks_like_a_letter_in_brackets_is_a_text(tmp_path: Path) -> None:
    types = {"question_type": "multi_choice", "answer_type": "text", "precision": None, "query": "q"}
    row = {"pid": "1", "question": "Which part?", "choices": ["(b)", "(a)"], "answer": "(b)", **types}
    data = o.root(tmp_path / "data", mathvista=[row])
    log = o.whole(tmp_path / "output_m.json", {"1": {**row, "response": "A"}})
    found = imported(log, "mathvista", data, tmp_path / "run")
    assert found["findings"]["mathvista"] == [] and scores(found) == [100.0]


@pytest.mark.parametrize("kind", ["xlsx", "tsv"])
def test_numbers_of_a_table_are_the_numbers_of_the_options(tmp_path: Path, kind: str) -> None:
    """Tables store 2.50 as 2.5 and 3 as 3.0; the responses are scored on the dataset's own options."""
    options = (["3", "7", "11", "12"], ["0.5", "1.0", "2.50", "None"], ["2.5", "1", "0.50", "no"])
    asked = zip(options, "021", strict=True)
    rows = [{"question": f"How much is {i}?", "options": o, "answer": gold} for i, (o, gold) in enumerate(asked)]
    data = o.root(tmp_path / "data", ai2d=rows)
    heading = ["index", "question", "A", "B", "C", "D", "answer", "prediction"]
    cells = ([3.0, 7.0, 11.0, 12.0], [0.5, 1.0, 2.5, "None"], [2.5, 1.0, 0.5, "no"])
    said = [("A", "A"), ("C", "B"), ("B", "B")]  # answer and prediction: 2 of 3 right
    table = [[i, rows[i]["question"], *cells[i], *said[i]] for i in range(3)]
    path = tmp_path / f"m_AI2D_TEST.{kind}"
    if kind == "xlsx":
        o.spreadsheet(path, heading, table)
    else:
        path.write_text("\n".join("\t".join(map(str, row)) for row in [heading, *table]))
    found = imported(path, "ai2d", data, tmp_path / "run")
    assert scores(found) == [66.6667] and found["missing"] == {"ai2d": []}
    assert not [f for f in found["findings"]["ai2d"] if f["kind"] == "changed"]
