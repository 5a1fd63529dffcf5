"""The command line as a user types it: output, exit codes, one-line errors."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.command import call, refused
from tests.conftest import jsonl


def test_list_has_the_paper_s_sixteen_in_four_categories() -> None:
    found = json.loads(call("list", "--json").stdout)
    by_category: dict[str, list[str]] = {}
    for b in found["benchmarks"]:
        if "paper" not in b["suites"]:
            continue
        by_category.setdefault(b["category"], []).append(b["name"])
    assert by_category == {
        "General": ["mme", "mmbench", "seed", "gqa"],
        "Knowledge": ["scienceqa", "mmmu", "mathvista", "ai2d"],
        "OCR & Chart": ["chartqa", "ocrbench", "textvqa", "docvqa"],
        "Vision-Centric": ["mmvp", "realworldqa", "cvbench_2d", "cvbench_3d"],
    }
    assert "chance" in found["models"]
    text = call("list").stdout
    assert all(name in text for names in by_category.values() for name in names)


def test_show_prints_what_the_model_will_see(docvqa_root: Path, tmp_path: Path) -> None:
    done = call("show", "docvqa", "--n", 2, "--data-root", docvqa_root, "--images", tmp_path / "images")
    assert done.returncode == 0
    assert "What is number 1?\nGive the short answer directly." in done.stdout
    assert "gold: answer 1" in done.stdout and "64 x 64" in done.stdout
    assert len(list((tmp_path / "images").iterdir())) == 2


def test_run_score_compare(docvqa_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "a"
    done = call("run", "--model", "chance", "--benchmark", "docvqa", "--data-root", docvqa_root, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "docvqa" in done.stdout and str(out) in done.stdout
    (out / "verdicts" / "docvqa.on.fuzzy.jsonl").unlink()
    assert call("score", out, "--scorer", "fuzzy").returncode == 0
    assert (out / "verdicts" / "docvqa.on.fuzzy.jsonl").exists()
    lines = [{"id": str(i), "response": f"answer {i}" if i % 3 else "no"} for i in range(60)]
    file = jsonl(tmp_path / "mine.jsonl", lines)
    made = call("import", file, "--benchmark", "docvqa", "--data-root", docvqa_root, "--out", tmp_path / "b")
    assert made.returncode == 0 and "66.7" in made.stdout, made.stdout + made.stderr
    compared = json.loads(call("compare", out, tmp_path / "b", "--json").stdout)["comparisons"][0]
    assert compared["paired"]["difference"] == pytest.approx(200 / 3)
    assert compared["paired"]["p_value"] < 1e-6
    assert "66.7" in call("compare", out, tmp_path / "b").stdout


def test_json_ends_a_run_with_one_object(docvqa_root: Path, tmp_path: Path) -> None:
    done = call(
        *(
            "run",
            "--model",
            "chance",
            "--benchmark",
            "docvqa",
            "--data-root",
            docvqa_root,
            "--out",
            tmp_path / "a",
        ),
        *("--json", "--limit", 7),
    )
    found = json.loads(done.stdout)
    assert (found["samples"], found["failed"], found["exit_code"]) == (7, 0, 0)


def test_config_file_and_flags(docvqa_root: Path, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(
        f'model = "chance"\nbenchmark = ["docvqa"]\ndata-root = "{docvqa_root}"\nlimit = 5\nvision = ["on", "off"]\n'
        f'out = "{tmp_path / "a"}"\n[set.docvqa]\nsplit = "validation"\n'
    )
    done = call("run", "--config", config, "--limit", 9, "--json")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["results"]
    assert {(r["condition"], r["n"]) for r in results} == {("on", 9), ("off", 9)}
    config.write_text("benchmrk = 'docvqa'\n")
    assert "did you mean benchmark" in refused("run", "--config", config)
    config.write_text("= 1\n")
    assert "is not valid TOML" in refused("run", "--config", config)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("seed = 1.5", "seed must be a whole number"),
        ('quiet = "perhaps"', "quiet must be true or false"),
        ("json = 3", "json must be true or false"),
        ("max-failures = true", "max-failures must be a number"),
        ("vision = [1, 2]", "vision must be a list of texts"),
        ("out = false", "out must be a text"),
        ("[set]\ndocvqa = 3", "[set.textvqa]"),
    ],
)
def test_config_values_of_another_kind(tmp_path: Path, line: str, expected: str) -> None:
    config = tmp_path / "run.toml"
    config.write_text(line + "\n")
    assert expected in refused("run", "--config", config, "--model", "chance", "--benchmark", "docvqa", "--out", "x")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["show", "docvqaa"], "docvqa"),
        (["run", "--model", "chanse", "--benchmark", "docvqa", "--out", "x"], "chance"),
        (["run", "--model", "chance", "--benchmark", "doc_vqa", "--out", "x"], "docvqa"),
        (["run", "--model", "chance", "--benchmark", "docvqa", "--out", "x", "--vision", "of"], "off"),
        (["run", "--model", "chance", "--benchmark", "docvqa", "--out", "x", "--scorer", "fuzy"], "fuzzy"),
        (["run", "--model", "chance", "--benchmark", "docvqa", "--out", "x", "--prompts", "papre"], "paper"),
        (
            [
                "run",
                "--model",
                "chance",
                "--benchmark",
                "docvqa",
                "--out",
                "x",
                "--set",
                "docvqa.splitt=test",
            ],
            "split",
        ),
        (
            ["run", "--model", "chance", "--benchmark", "docvqa", "--out", "x", "--set", "split"],
            "benchmark.setting=value",
        ),
        (["run", "--model", "chance", "--benchmark", "docvqa", "--out", "x", "--data", "mini:0"], "positive"),
        (
            ["run", "--model", "chance", "--benchmark", "docvqa", "--out", "x", "--data-root", "/none"],
            "not a folder",
        ),
        (["run", "--benchmark", "docvqa", "--out", "x"], "--model"),
        (["score", "/none"], "run.json"),
        (["run", "--model", "", "--benchmark", "docvqa", "--out", "x"], "no model named"),
        (
            ["run", "--model", "chance", "--benchmark", "docvqa", "--data", "mini", "--out", "x", "--vision", ","],
            "on, off",
        ),
        (["run", "--model", "chance", "--limit", "0"], "run --help"),
        (["run", "--limitt", "3"], "--limit"),
        (["show"], "no benchmark named; give one"),
    ],
)
def test_wrong_names_get_the_nearest(
    words: list[str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert expected in refused(*words)
    assert list(tmp_path.iterdir()) == []  # nothing was written


@pytest.mark.parametrize(
    ("line", "place", "word"),
    [
        ('{"id": "3", "response": "x"', "line 4", "not valid JSON"),
        ('{"id": "2", "response": "x"}', "line 4", "line 3"),
        ('{"id": "nine", "response": "x"}', "line 4", "not in the dataset"),
        ('{"id": "3"}', "line 4", "response"),
        ('{"id": "3", "response": 5}', "line 4", "string"),
        ("", "line 4", "'3'"),
    ],
)
def test_predictions_that_are_wrong(docvqa_root: Path, tmp_path: Path, line: str, place: str, word: str) -> None:
    lines = [json.dumps({"id": str(i), "response": "x"}) for i in range(3)] + [line]
    lines += [json.dumps({"id": str(i), "response": "x"}) for i in range(4, 60)] if line else []
    file = tmp_path / "mine.jsonl"
    file.write_text("\n".join(lines) + "\n")
    said = refused("import", file, "--benchmark", "docvqa", "--data-root", docvqa_root, "--out", tmp_path / "b")
    assert (place in said or not line) and word in said
    assert not (tmp_path / "b").exists()


def test_missing_columns_and_row_counts(docvqa_root: Path, tmp_path: Path) -> None:
    jsonl(tmp_path / "docvqa.jsonl", [])
    folder = tmp_path / "other" / "docvqa"
    folder.mkdir(parents=True)
    jsonl(folder / "rows.jsonl", [{"questionId": "1", "frage": "?"}])
    said = refused("show", "docvqa", "--data-root", tmp_path / "other")
    assert "'question'" in said and "found: frage, questionId" in said
    assert "has no folder 'docvqa'" in refused("show", "docvqa", "--data-root", docvqa_root / "docvqa")
    (folder / "rows.jsonl").write_text('{"questionId": "1"}\n{oops\n')
    assert "line 2" in refused("show", "docvqa", "--data-root", tmp_path / "other")


def test_too_many_failures_exit_with_1(tmp_path: Path) -> None:
    from tests.conftest import docvqa_row, png, write_parquet

    rows = [docvqa_row(i, png(i) if i else b"no image", page=i) for i in range(20)]
    write_parquet(tmp_path / "data/docvqa/validation-0.parquet", rows)
    words = ["run", "--model", "chance", "--benchmark", "docvqa", "--data-root", str(tmp_path / "data")]
    strict = call(*words, "--out", tmp_path / "a")
    assert strict.returncode == 1 and "1 of 20 samples failed" in strict.stderr
    assert call(*words, "--out", tmp_path / "a", "--max-failures", "0.05").returncode == 0


def test_ctrl_c_stores_what_it_has_and_exits_130(docvqa_root: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom tests.conftest import Scripted, answer_number\nimport cambrian_eval.cli.run as cli\n"
        "import cambrian_eval.registry as registry\nfrom cambrian_eval.cli.main import main\n"
        "registry.resolve = lambda spec, options: Scripted(answer_number, delay=0.3)\nmain()"
    )
    words = [
        "run",
        "--model",
        "chance",
        "--benchmark",
        "docvqa",
        "--data-root",
        docvqa_root,
        "--out",
        tmp_path / "a",
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    file = tmp_path / "a" / "responses" / "docvqa.on.jsonl"
    deadline = time.monotonic() + 60
    while not (file.exists() and file.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err and "again to resume" in err
    answered = len(file.read_text().splitlines())
    assert 1 <= answered < 60


def test_no_space_left_is_one_line(docvqa_root: Path) -> None:
    assert (
        "not writable"
        in refused(
            *(
                "run",
                "--model",
                "chance",
                "--benchmark",
                "docvqa",
                "--data-root",
                docvqa_root,
                "--out",
                "/proc/run",
            )
        )
        or os.geteuid() == 0
    )


def test_doctor_says_what_is_missing() -> None:
    found = json.loads(call("doctor", "--json").stdout)
    assert {p["name"] for p in found["packages"]} >= {"torch", "transformers", "datasets", "openai"}
    assert any("cpu" in d for d in found["devices"])
    assert "missing:" in call("doctor").stdout


def test_grade_a_file(tmp_path: Path) -> None:
    rows = [
        {
            "questionId": "1",
            "question": "q",
            "question_types": [],
            "docId": 1,
            "answers": ["ITC Limited"],
            "prediction": p,
        }
        for p in ("itc limited", "nothing like it", "ITC Limited.")
    ]
    file = jsonl(tmp_path / "rows.jsonl", rows)
    for ending in ("csv", "jsonl"):
        done = call("grade", file, "--benchmark", "docvqa", "--out", tmp_path / f"v.{ending}")
        assert done.returncode == 0, done.stderr
    values = [json.loads(line)["value"] for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    assert values == pytest.approx([1.0, 0.0, 1 - 1 / 12])
    assert (tmp_path / "v.csv").read_text().count("\n") == 4
    assert "lacks" in (
        broken := refused("grade", jsonl(tmp_path / "x.jsonl", [{"a": 1}]), "--benchmark", "docvqa")
    ) or ("prediction" in broken)


def test_a_table_without_lists_is_graded_like_its_rows(tmp_path: Path) -> None:
    """CSV as JSON writes lists and as pandas writes them; predictions are never read as lists."""
    question = {"questionId": "1", "question": "q", "question_types": [], "docId": 1}
    rows = [
        {**question, "answers": ["[1, 2]", "x"], "prediction": p} for p in ("[1, 2]", "y\u2028y", "", "z" * 200_000)
    ]
    plain = jsonl(tmp_path / "rows.jsonl", rows)
    plain.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    expected = json.loads(call("grade", plain, "--benchmark", "docvqa", "--json").stdout)
    assert [v["value"] for v in expected["verdicts"]] == [1.0, 0.0, 0.0, 0.0]
    for name, write in (("json", json.dumps), ("python", repr)):
        file = tmp_path / f"{name}.csv"
        with file.open("w", encoding="utf-8", newline="") as lines:
            table = csv.DictWriter(lines, list(rows[0]))
            table.writeheader()
            for row in rows:
                table.writerow({k: write(v) if isinstance(v, list) else v for k, v in row.items()})
        found = json.loads(call("grade", file, "--benchmark", "docvqa", "--json").stdout)
        assert [v["value"] for v in found["verdicts"]] == [1.0, 0.0, 0.0, 0.0], name
        assert [v["prediction"] for v in found["verdicts"]] == [r["prediction"] for r in rows], name


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("question,options,answer,prediction\n", "no rows"),
        ("question,options,answer,prediction\nq,a,b,c,d\n", "line 2: more cells"),
        ("question,options,answer,prediction\nq,['a' 'b'],0,A\n", "line 2: \"['a' 'b']\" is an array without commas"),
    ],
)
def test_tables_that_cannot_be_graded(tmp_path: Path, content: str, expected: str) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(content)
    assert expected in refused("grade", file, "--benchmark", "ai2d")


def test_text_that_no_encoding_holds_is_printed_and_stored(tmp_path: Path) -> None:
    row = {"question": "q", "options": ["x", "y"], "answer": 0, "prediction": "\ud800 A"}
    file = jsonl(tmp_path / "rows.jsonl", [row])
    done = call("grade", file, "--benchmark", "ai2d", "--json", "--out", tmp_path / "v.csv")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdicts"][0]["prediction"] == "\ud800 A"


def test_predictions_with_line_separators_and_a_byte_order_mark(docvqa_root: Path, tmp_path: Path) -> None:
    """U+2028 and U+0085 are valid in JSON text; some editors begin a file with a byte order mark."""
    lines = [json.dumps({"id": i, "response": f"answer {i}\u2028\x85"}, ensure_ascii=False) for i in range(60)]
    file = tmp_path / "mine.jsonl"
    file.write_text("\ufeff" + "\r\n".join(lines), "utf-8", newline="")
    done = call(
        "import", file, "--benchmark", "docvqa", "--data-root", docvqa_root, "--out", tmp_path / "run", "--json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["samples"] == 60


def test_compare_leaves_withheld_answers_out_aloud(tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ["--model", "chance", "--data", "mini:6", "--set", "docvqa.split=test", "--quiet"]
    assert call("run", "--benchmark", "docvqa,ai2d", "--out", out, *words).returncode == 0
    done = call("compare", out, out)
    assert done.returncode == 0 and "withheld): docvqa" in done.stdout
    assert [c["benchmark"] for c in json.loads(call("compare", out, out, "--json").stdout)["comparisons"]] == ["ai2d"]
    assert "did you mean on" in refused("compare", out, out, "--vision", "onn")
    assert "--scorer is empty" in refused("score", out, "--scorer", "")
    paper = ["--model", "chance", "--data", "mini:6", "--prompts", "paper", "--quiet", "--out", tmp_path / "paper"]
    assert call("run", "--benchmark", "ai2d", *paper).returncode == 0
    assert "prompts official in a, paper in b" in call("compare", out, tmp_path / "paper").stdout
    assert call("run", "--benchmark", "docvqa", "--out", tmp_path / "b", *words).returncode == 0
    assert "withheld" in refused("compare", tmp_path / "b", tmp_path / "b")


def test_failures_are_said_with_their_reason(tmp_path: Path) -> None:
    folder = tmp_path / "ai2d"
    folder.mkdir()
    (folder / "bad.png").write_bytes(b"no image")
    row = {"question": "q", "options": ["x", "y"], "answer": 0, "image": "bad.png"}
    jsonl(folder / "rows.jsonl", [row, row])
    done = call("run", "--model", "chance", "--benchmark", "ai2d", "--data-root", tmp_path, "--out", tmp_path / "run")
    assert done.returncode == 1
    assert "2 samples failed and score 0; the first, 0: ValueError: 8 bytes that are not an image" in done.stdout


def test_folders_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    (tmp_path / "ai2d").mkdir()
    (tmp_path / "ai2d" / "rows.jsonl").write_bytes(b"\xff\xfe{}")
    assert "is not UTF-8" in refused("show", "ai2d", "--data-root", tmp_path)
    (tmp_path / "gqa").mkdir()
    (tmp_path / "gqa" / "state.json").write_text("{}")
    assert "save_to_disk" in refused("show", "gqa", "--data-root", tmp_path)
    said = refused("show", "ai2d", "--data", "mini:2", "--images", tmp_path / "ai2d" / "rows.jsonl")
    assert "--images" in said and "cannot be written" in said
