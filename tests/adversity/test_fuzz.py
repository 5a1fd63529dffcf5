"""Every reader of a file or a reply under mutated and generated input: a result, or one line; never anything else."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import scipy.sparse.csgraph  # noqa: F401 - its import is not part of any reader's work
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cambrian_eval.benchmark import row_to_sample
from cambrian_eval.cli.config import defaults
from cambrian_eval.data.cells import image_cell
from cambrian_eval.data.rows import DataSpec, load_samples
from cambrian_eval.demo import miniature
from cambrian_eval.errors import CambrianEvalError, UserError
from cambrian_eval.image import LazyImage
from cambrian_eval.imports.writing import matched, read_logs
from cambrian_eval.json_input import MAX_DEPTH, parse
from cambrian_eval.registry import load_benchmark
from cambrian_eval.results.adjudication import read_marks
from cambrian_eval.results.grading import grade, score_run
from cambrian_eval.results.prediction_files import grade_file
from cambrian_eval.running.records import decode
from cambrian_eval.running.store import open_run
from cambrian_eval.sample import Sample
from cambrian_eval.scoring.judge.prompt import parse_verdict
from tests.adversity import predictions
from tests.adversity.mutations import at_most, of_bytes, of_value
from tests.adversity.run_folders import copied
from tests.adversity.situation import ask, gray, lines, page
from tests.conftest import write_parquet

pytestmark = pytest.mark.slow

CALLS = 300_000
"""Function calls that reading a small file may take."""
BRIEF = settings(max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck))


def one_line(call: Callable[..., Any], *arguments: Any) -> Any:
    """What the call returns, or None where it ends with one line."""
    try:
        with at_most(CALLS):
            return call(*arguments)
    except CambrianEvalError as error:
        text = str(error)
        assert text and "\n" not in text and len(text) < 10_000, text[:300]
        return None


def bare(name: str) -> dict[str, Any]:
    """A row of the miniature suite without its images."""
    return {k: v for k, v in miniature.rows(name, 2)[0].items() if "bytes" not in str(v)[:20]}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
json_text = st.text(alphabet='{}[]":,0123456789.eE+-truefalsn \\u\n', max_size=200)


# -- JSON


@BRIEF
@given(st.binary() | json_text | json_values.map(json.dumps))
def test_json_text(content: str | bytes) -> None:
    one_line(parse, content, "here")


@pytest.mark.parametrize("depth", [1, MAX_DEPTH, MAX_DEPTH + 1, 900, 1_100, 50_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_json_depth(depth: int, opening: str, closing: str) -> None:
    content = opening * depth + "1" + closing * depth
    if depth * (len(closing)) <= MAX_DEPTH:
        assert parse(content, "here")
    else:
        with pytest.raises(UserError, match="nested more than 100 levels deep"):
            parse(content, "here")


# -- rows and images


@pytest.mark.parametrize("name", miniature.NAMES)
def test_rows_of_every_benchmark(name: str) -> None:
    row = bare(name)
    benchmark = load_benchmark(name)
    for made in of_value(row, 150):
        if not isinstance(made, dict):
            continue
        sample = one_line(row_to_sample, benchmark, made, 0)
        if isinstance(sample, Sample):
            assert isinstance(sample.question, str) and sample.id
            one_line(benchmark.prompt, sample)


@BRIEF
@given(json_values | st.binary(max_size=50))
def test_image_cells(value: Any) -> None:
    found = one_line(image_cell, value, (Path("/nowhere"),))
    for image in found if isinstance(found, list) else [found]:
        if isinstance(image, LazyImage):
            with suppress(OSError, ValueError, UserError):
                image.data()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "TGA", "ICO", "JPEG2000", "PPM"])
def test_images(kind: str, tmp_path: Path) -> None:
    """Every mutated image is seen, or its sample fails; the run ends."""
    rows = []
    for i, content in enumerate(of_bytes(gray(1, kind), 40)):
        rows.append({**page(0, base64.b64encode(content).decode()), "questionId": str(i)})
        rows[-1]["image"] = {"bytes": rows[-1]["image"], "path": None}
    lines(tmp_path / "data/docvqa/rows.jsonl", rows)
    seen = ask(tmp_path / "data", tmp_path / "run", max_failures=1.0)
    assert seen.code == 0
    [cell] = open_run(tmp_path / "run").cells()
    assert len(open_run(tmp_path / "run").responses(cell)) == len(rows)


def rows_of(root: Path) -> Any:
    return load_samples(load_benchmark("docvqa"), DataSpec(root=root))


def test_jsonl_rows(tmp_path: Path) -> None:
    path = lines(tmp_path / "docvqa/rows.jsonl", [page(i, base64.b64encode(gray(i)).decode()) for i in range(3)])
    for content in of_bytes(path.read_bytes(), 150):
        path.write_bytes(content)
        one_line(rows_of, tmp_path)


@pytest.mark.parametrize(
    "image",
    [{"bytes": gray(1), "path": None}, gray(1), "1.png", [{"bytes": gray(1)}]],
    ids=["struct", "binary", "text", "list"],
)
def test_parquet_rows(image: Any, tmp_path: Path) -> None:
    path = tmp_path / "docvqa/validation-0.parquet"
    write_parquet(path, [page(i, image) for i in range(3)])
    content = path.read_bytes()
    for made in of_bytes(content, 60):
        path.write_bytes(made)
        found = one_line(rows_of, tmp_path)
        for sample in [] if found is None else found.samples:
            for shown in sample.images:
                with suppress(OSError, ValueError, UserError):
                    shown.load()


def test_saved_rows(tmp_path: Path) -> None:
    import datasets

    datasets.Dataset.from_list([page(i, {"bytes": gray(i), "path": None}) for i in range(3)]).save_to_disk(
        tmp_path / "docvqa"
    )
    for path in sorted((tmp_path / "docvqa").iterdir()):
        content = path.read_bytes()
        for made in of_bytes(content, 25):
            path.unlink()  # the mutated file must be another one: the old one may be mapped
            path.write_bytes(made)
            one_line(rows_of, tmp_path)
        path.unlink()
        path.write_bytes(content)


# -- run folders


FILES = ("run.json", "results.json", "progress.json", "samples/docvqa.jsonl", "responses/docvqa.on.jsonl")


def everything(folder: Path) -> None:
    """Reads all of a run."""
    run = open_run(folder)
    for name in run.benchmarks():
        run.samples(name)
    run.results()
    run.progress()
    for cell in run.cells():
        run.responses(cell)
        for scorer in run.scorers(cell):
            run.verdicts(cell, scorer)


def scored(folder: Path) -> None:
    """Reads all of a run and scores it."""
    everything(folder)
    score_run(open_run(folder), ["fuzzy"])


@pytest.mark.parametrize("file", [*FILES, "verdicts/docvqa.on.fuzzy.jsonl"])
def test_run_folders_with_flipped_bytes(file: str, tmp_path: Path) -> None:
    run = copied(tmp_path)
    content = (run / file).read_bytes()
    for number, made in enumerate(of_bytes(content, 40)):
        (run / file).write_bytes(made)
        one_line(scored if number % 8 == 0 else everything, run)


@pytest.mark.parametrize("file", ["run.json", "results.json", "progress.json"])
def test_run_folders_with_other_values(file: str, tmp_path: Path) -> None:
    run = copied(tmp_path)
    value = json.loads((run / file).read_text())
    for number, made in enumerate(of_value(value, 80)):
        (run / file).write_text(json.dumps(made))
        one_line(scored if number % 8 == 0 else everything, run)


@pytest.mark.parametrize("file", ["samples/docvqa.jsonl", "verdicts/docvqa.on.fuzzy.jsonl"])
def test_run_folders_with_other_lines(file: str, tmp_path: Path) -> None:
    run = copied(tmp_path)
    first, *rest = (run / file).read_text().splitlines(keepends=True)
    for number, made in enumerate(of_value(json.loads(first), 80)):
        (run / file).write_text("".join([json.dumps(made) + "\n", *rest]))
        one_line(scored if number % 4 == 0 else everything, run)


def test_response_lines(tmp_path: Path) -> None:
    line = (copied(tmp_path) / "responses/docvqa.on.jsonl").read_bytes().splitlines()[0]
    assert decode(line) is not None
    for made in of_bytes(line, 300):
        assert made == line or decode(made) is None


# -- predictions and configuration


def test_predictions_to_import(tmp_path: Path) -> None:
    loaded = {"mmvp": load_samples(load_benchmark("mmvp"), DataSpec(mini=4))}
    good = "".join(json.dumps(one) + "\n" for one in predictions.right()).encode()
    for made in of_bytes(good, 150):
        path = tmp_path / "predictions.jsonl"
        path.write_bytes(made)
        found = one_line(lambda path=path: matched(read_logs([path], None), loaded, {"mmvp": "train"}))
        assert found is None or [m.sample for m in found["mmvp"].matches] == loaded["mmvp"].samples


@pytest.mark.parametrize("kind", ["CSV", "JSONL"])
def test_predictions_to_grade(kind: str, tmp_path: Path) -> None:
    name, content, _ = predictions.grades()[kind]
    assert isinstance(content, str)
    for made in of_bytes(content.encode(), 150):
        (tmp_path / name).write_bytes(made)
        found = one_line(grade_file, tmp_path / name, load_benchmark("mmvp"), "fuzzy")
        assert found is None or 0 <= found[1].score <= 100


def test_values_to_grade(tmp_path: Path) -> None:
    for name in miniature.NAMES:
        row = bare(name)
        for made in of_value({**row, "prediction": "A"}, 25):
            if isinstance(made, dict):
                path = lines(tmp_path / "rows.jsonl", [made])
                found = one_line(grade_file, path, load_benchmark(name), "fuzzy")
                assert found is None or found[1].score is None or 0 <= found[1].score <= 2000


def test_configuration_files(tmp_path: Path) -> None:
    import typer

    from cambrian_eval.cli.run import run

    app = typer.Typer()
    app.command()(run)
    options = typer.main.get_command(app)
    good = b'benchmark = ["mmvp"]\nlimit = 2\nquiet = true\n[model]\nspec = "chance"\n[set.mmvp]\ncorrected = false\n'
    for made in of_bytes(good, 200):
        (tmp_path / "run.toml").write_bytes(made)
        one_line(defaults, tmp_path / "run.toml", options)


# -- responses and replies


@pytest.mark.parametrize("name", miniature.NAMES)
def test_responses_under_every_scorer(name: str) -> None:
    row = bare(name)
    pieces = ("A", "B", "yes", "No", "12", "3.5%", "**", "\\boxed{", "}", "<think>", "</think>", "answer is", "(", ")")
    pieces += (":", ".", "\n", "not", "or", "\ud800", "\0", "$", "1,000", "-", "\u00b2", "{", '"', "Option", "I cannot")
    texts = st.lists(st.sampled_from(pieces) | st.text(max_size=5), max_size=12).map(" ".join)

    @BRIEF
    @given(texts)
    def check(text: str) -> None:
        for scorer in ("fuzzy", "official"):
            verdict = one_line(grade, name, row, text, scorer)
            assert verdict is None or 0 <= verdict.value <= 1

    check()


@BRIEF
@given(st.text() | json_text | json_values.map(json.dumps))
def test_verdicts_of_a_judge(text: str) -> None:
    with at_most(CALLS):
        assert parse_verdict(text) in (True, False, None)


def test_marks_of_a_person(tmp_path: Path) -> None:
    good = b'{"scorers": ["fuzzy", "official"], "marks": {"docvqa.on.0": "fuzzy"}}'
    for made in of_bytes(good, 150):
        (tmp_path / "marks.json").write_bytes(made)
        one_line(read_marks, tmp_path / "marks.json", "fuzzy", "official")
