"""`export`: each form read back by the tool it is for, or by a naive reader, and compared with the run's files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cambrian_eval.reports.exports import exports
from tests.command import call, spawn

from .conftest import BENCHMARKS, ROWS


def results(run: Path) -> dict[tuple[str, str, str], float | None]:
    stored = json.loads((run / "results.json").read_text())["results"]
    return {(r["benchmark"], r["condition"], r["scorer"]): r["score"] for r in stored}


def test_without_a_form_all_are_listed(runs: tuple[Path, Path]) -> None:
    done = call("export")
    assert done.returncode == 0 and set(exports()) == {"csv", "hub-dataset", "lm-eval", "model-card", "wandb"}
    assert all(name in done.stdout for name in exports())
    assert call("export", runs[0]).returncode == 2
    for words in (("--to", "csw"), ("--to", ",")):
        done = call("export", runs[0], *words)
        assert done.returncode == 2 and "csv" in done.stderr.splitlines()[-1]


def test_csv_has_every_result_and_every_response(runs: tuple[Path, Path], tmp_path: Path) -> None:
    done = call("export", *runs, "--to", "CSV", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    found = list(csv.DictReader((tmp_path / "results.csv").open()))
    expected = results(runs[0])
    good = {
        (r["benchmark"], r["condition"], r["scorer"]): float(r["score"])
        for r in found
        if r["model"] == "good (synthetic data)"
    }
    assert good == expected and {r["synthetic"] for r in found} == {"yes"}
    samples = list(csv.DictReader((tmp_path / "samples.csv").open()))
    assert len(samples) == 2 * len(BENCHMARKS) * 3 * ROWS and {r["synthetic"] for r in samples} == {"True"}
    mine = [r for r in samples if r["model"].startswith("good") and (r["benchmark"], r["condition"]) == ("ai2d", "on")]
    assert 100 * sum(float(r["fuzzy"]) for r in mine) / len(mine) == pytest.approx(expected["ai2d", "on", "fuzzy"])
    assert json.loads(mine[0]["options"])[0].startswith("A. ")


def test_a_hub_dataset_is_what_the_hub_loads(runs: tuple[Path, Path], tmp_path: Path) -> None:
    import pandas as pd

    out = tmp_path / "my data"
    done = call("export", *runs, "--to", "hub-dataset", "--out", out)
    assert done.stdout.splitlines()[-1] == f"next: hf upload USER/NAME '{out}' --repo-type dataset"
    card = (out / "README.md").read_text()
    front = yaml.safe_load(card.split("---\n")[1])
    assert "synthetic" in front["tags"] and "**Synthetic data**" in card
    frames = {c["config_name"]: pd.read_parquet(out / c["data_files"]) for c in front["configs"]}
    assert set(frames) == {"results", *BENCHMARKS} and len(frames["mmvp"]) == 2 * 3 * ROWS
    assert frames["results"].synthetic.all() and frames["mmvp"].synthetic.all()
    one = frames["results"].query("model == 'poor (synthetic data)'")
    assert dict(zip(zip(one.benchmark, one.condition, one.scorer, strict=True), one.score, strict=True)) == results(
        runs[1]
    )


def test_a_model_card_is_read_by_the_hub(runs_on_files: tuple[Path, Path], tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    assert call("export", *runs_on_files, "--to", "model-card", "--out", tmp_path).returncode == 0
    card = ModelCard.load(tmp_path / "good" / "README.md")
    found = {r.metric_type: r for r in card.data.eval_results}
    expected = results(runs_on_files[0])
    assert {name: r.metric_value for name, r in found.items()} == {
        name: pytest.approx(expected[name, "on", "fuzzy"], abs=1e-4) for name in BENCHMARKS
    }
    totals = {"ai2d": "3,088", "docvqa": "5,349", "mmvp": "300", "textvqa": "5,000"}
    for name, total in totals.items():
        assert found[name].metric_name.endswith(f"(subset: {ROWS} of {total} rows)")
    assert f"| {ROWS} (subset) |" in card.text and "vision off" in card.text
    again = call("export", *runs_on_files, "--to", "model-card", "--out", tmp_path)
    assert again.returncode == 0, again.stderr
    (tmp_path / "good" / "README.md").write_text("# My model\n")
    refused = call("export", *runs_on_files, "--to", "model-card", "--out", tmp_path)
    assert refused.returncode == 2 and "was not written by this command" in refused.stderr
    assert (tmp_path / "good" / "README.md").read_text() == "# My model\n"
    missing = call("export", *runs_on_files, "--to", "model-card", "--scorer", "judge", "--out", tmp_path / "b")
    assert missing.returncode == 2 and "it has scorers fuzzy, official" in missing.stderr


def test_a_model_card_of_synthetic_data_is_refused(runs: tuple[Path, Path], tmp_path: Path) -> None:
    done = call("export", runs[0], "--to", "model-card", "--out", tmp_path / "out")
    assert done.returncode == 2 and "synthetic data" in done.stderr and not (tmp_path / "out").exists()


def test_several_forms_get_a_folder_each(runs: tuple[Path, Path], tmp_path: Path) -> None:
    assert call("export", *runs, "--to", "csv,lm-eval", "--out", tmp_path).returncode == 0
    assert (tmp_path / "csv" / "results.csv").is_file()
    found = [json.loads(p.read_text()) for p in sorted((tmp_path / "lm-eval").glob("*.json"))]
    assert [f["model_name"] for f in found] == ["good (synthetic data)", "poor (synthetic data)"]
    assert found[0]["results"]["mmvp"]["score,fuzzy"] == results(runs[0])["mmvp", "on", "fuzzy"] / 100  # type: ignore[operator]
    assert found[0]["config"]["synthetic_data"] is True


def test_wandb_that_is_not_installed_is_one_line(
    runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    done = call("export", runs[0], "--to", "wandb", "--out", tmp_path)
    assert done.returncode == 2 and "pip install 'cambrian-eval[wandb]'" in done.stderr


def logged(content: bytes) -> Iterator[bytes]:
    """The records of a wandb file: a head of 7 bytes, then LevelDB's log format in blocks of 32 KiB."""
    at, record = 7, b""
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        size, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        record += content[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # a whole record, or the end of one
            yield record
            record = b""


@pytest.mark.slow
def test_wandb_offline_keeps_the_scores(runs: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2 as records

    environment = {"WANDB_MODE": "offline", "WANDB_PROJECT": "mine", "WANDB_DIR": "", "WANDB_API_KEY": ""}
    done = spawn("export", runs[0], "--to", "wandb", "--out", tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    assert done.stdout.splitlines() == [str(folder), f"next: wandb sync {folder}"]
    summary: dict[str, object] = {}
    named = None
    for data in logged(next(folder.glob("*.wandb")).read_bytes()):
        record = records.Record()
        record.ParseFromString(data)
        if record.HasField("run"):
            named = record.run.project, record.run.display_name, list(record.run.tags)
        for update in record.summary.update:
            summary["/".join(update.nested_key) or update.key] = json.loads(update.value_json)
    assert named == ("mine", "good (synthetic data)", ["synthetic data"])
    expected = {"/".join(key): score for key, score in results(runs[0]).items()}
    assert {key: summary[key] for key in expected} == expected
