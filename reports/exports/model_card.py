"""`--to model-card`: a README for a model on the Hub, whose metadata (`model-index`) the Hub shows as results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cambrian_eval.errors import UserError
from cambrian_eval.numbers import number, rounded, span
from cambrian_eval.registry import benchmark_names, load_benchmark
from cambrian_eval.results.rows import part_of
from cambrian_eval.sample import Result

from .. import style
from ..catalogue import entry
from ..export import MARK, Export, Exported, refuse_synthetic, stems, write_readme
from ..runs import NamedRun

if TYPE_CHECKING:
    from huggingface_hub import EvalResult


def model_index(named: NamedRun, scorer: str = "fuzzy") -> str:
    """The `model-index` block of a model card (YAML), with vision on.

    Empty where nothing can be published: scores on synthetic data never are.
    """
    from huggingface_hub import ModelCardData

    results = [_eval_result(named, r, scorer) for r in _published(named, scorer)]
    if not results:
        return ""
    return str(ModelCardData(model_name=named.name, eval_results=results).to_yaml()) + "\n"


def _published(named: NamedRun, scorer: str) -> list[Result]:
    """The results that a model card states."""
    return [
        r
        for r in named.results
        if r.condition == "on" and r.scorer == scorer and r.score is not None and not r.synthetic
    ]


def _eval_result(named: NamedRun, r: Result, scorer: str) -> EvalResult:
    from huggingface_hub import EvalResult

    title, repo, split, config, metric = r.benchmark, r.benchmark, "test", None, "score"
    if r.benchmark in benchmark_names():
        declared = load_benchmark(r.benchmark, **named.run.info["benchmarks"][r.benchmark]["settings"])
        source = declared.source
        title, repo, split, config = declared.title, source.repo, source.split, source.config
        metric = declared.metric
    partial = f" ({r.subset})" if r.subset else "" if r.complete else f" ({part_of(r.benchmark, r.n)})"
    return EvalResult(
        task_type="visual-question-answering",
        task_name="Visual question answering",
        dataset_type=repo,
        dataset_name=title,
        dataset_config=config,
        dataset_split=split,
        metric_type=r.benchmark,
        metric_value=rounded(r.score or 0.0, 4),
        metric_name=f"{metric}, {scorer} scorer{partial}",
        verified=False,
    )


def model_card(named: NamedRun, scorer: str = "fuzzy") -> str:
    """The README: metadata, then every benchmark with its interval, what guessing gets, and each condition."""
    if not (shown := _published(named, scorer)):
        raise UserError(
            f"{named.run.path} has no scores under scorer {scorer!r} with vision on; it has scorers "
            f"{', '.join(named.scorers)} and conditions {', '.join(named.conditions)}"
        )
    others = [c for c in named.conditions if c != "on"]
    heads = ["Benchmark", "Score", "95 % interval", *(f"vision {c}" for c in others), "Chance", "Samples"]
    lines = [f"| {' | '.join(heads)} |", f"| --- {'| ---: ' * (len(heads) - 1)}|"]
    for r in shown:
        beside = [named.result(r.benchmark, c, scorer) for c in others]
        counts = f"{r.n:,} ({_plain(r.subset)})" if r.subset else f"{r.n:,}{'' if r.complete else ' (subset)'}"
        cells = [number(r.score), span(r.interval), *(number(None if b is None else b.score) for b in beside)]
        lines.append(f"| {' | '.join([_plain(entry(r.benchmark).short), *cells, number(r.chance), counts])} |")
    notes = [f"- {_plain(entry(r.benchmark).short)}: {_plain(note)}" for r in shown for note in r.remarks]
    version = style.versions()["cambrian-eval"]
    about = (
        f"Measured with cambrian-eval {version}, scorer `{scorer}`. Each interval is a bootstrap over images; "
        "chance is the expected score of random guesses on the same samples."
    )
    body = [f"# {_plain(named.name)}", "## Evaluation", about, "\n".join(lines)]
    body += ["\n".join(dict.fromkeys(notes))] if notes else []
    return f"---\n{model_index(named, scorer)}---\n\n{MARK}\n\n" + "\n\n".join(body) + "\n"


def _plain(text: str) -> str:
    """Text that is no markup in Markdown."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c if c.isprintable() else " " for c in text)


class ModelCard(Export):
    """A README for each run, in a folder of the model's name."""

    name = "model-card"
    summary = "a README.md for each model, with the model-index that the Hugging Face Hub shows"

    def write(self, runs: Sequence[NamedRun], out: Path, scorer: str) -> Exported:
        """Writes one scorer's scores; refuses synthetic data."""
        refuse_synthetic(runs, "model card")
        cards = [model_card(named, scorer) for named in runs]
        made = zip(stems(runs), cards, strict=True)
        return Exported(tuple(write_readme(out / stem / "README.md", text) for stem, text in made))


EXPORT = ModelCard()
