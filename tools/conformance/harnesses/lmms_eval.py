"""lmms-eval: each task's own functions, on stripped responses, as its framework hands them over."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from importing import NeedsJudge, draw, load, prepare
from question import Question

from harnesses.ours import Scorer, row


def scorers(checkout: Path) -> dict[str, Callable[[], Scorer]]:
    """Benchmark to what imports its scorer."""
    prepare(checkout, ("lmms_eval", "lmms_eval.tasks", "lmms_eval.verifiers"))
    # The tasks import these two names from a package that imports clients of every provider.
    load("lmms_eval.verifiers").VerificationPipeline = object
    verifier = types.ModuleType("lmms_eval.verifiers.openai")
    verifier.OpenAIVerifier = object  # type: ignore[attr-defined]
    sys.modules["lmms_eval.verifiers.openai"] = verifier
    # MathVista's judge is made at import; it is never asked.
    os.environ.setdefault("OPENAI_API_KEY", "none")
    return {name: makes for name, makes in MAKERS.items()}


def _task(name: str) -> Any:
    return load(f"lmms_eval.tasks.{name}.utils")


def _processed(task: str, function: str, read: Callable[[dict[str, Any]], Any]) -> Callable[[], Scorer]:
    """A task with `process_results`; `read` takes what it returns."""

    def make() -> Scorer:
        run = getattr(_task(task), function)
        name = {"cv_bench": "cvbench", "seedbench": "seed"}.get(task, task)
        return lambda q, response: bool(read(run(row(name, q), [response.strip()])))

    return make


def _seed() -> Scorer:
    task = _task("seedbench")

    def score(q: Question, response: str) -> bool:
        found = task.seed_process_result(row("seed", q), [response.strip()])
        return bool(task.seed_aggregation_result([found["seed_all"]]) == 1)

    return score


def _exact_match() -> Callable[..., Any]:
    return load("lmms_eval.api.metrics").exact_match_hf_evaluate  # type: ignore[no-any-return]


def _ai2d() -> Scorer:
    task, match = _task("ai2d"), _exact_match()
    reader = task.MultiChoiceRegexFilter(group_select=0, ignore_case=True, ignore_punctuation=True)

    def score(q: Question, response: str) -> bool:
        doc = row("ai2d", q)
        found = reader.apply([[response]], [doc])[0]
        target = task.ai2d_doc_to_target(doc, "mcq")
        given = {"predictions": [found.strip()], "references": [target]}
        return bool(match(**given, ignore_case=True, ignore_punctuation=True)["exact_match"] == 1)

    return score


def _gqa() -> Scorer:
    match = _exact_match()

    def score(q: Question, response: str) -> bool:
        given = {"predictions": [response.strip()], "references": [q.gold]}
        return bool(match(**given, ignore_case=True, ignore_punctuation=True)["exact_match"] == 1)

    return score


def _docvqa() -> Scorer:
    anls = load("lmms_eval.api.metrics").anls
    return lambda q, response: anls(list(q.answers), [response.strip()])["anls"] >= 0.5


def _mmbench() -> Scorer:
    import pandas as pd

    evaluator = load("lmms_eval.tasks.mmbench.mmbench_evals").MMBench_Evaluator()
    evaluator.get_chat_response = _needs_judge

    def score(q: Question, response: str) -> bool:
        item = {**row("mmbench", q), **{c: q.lettered.get(c) for c in "ABCD"}, "prediction": response.strip()}
        return bool(evaluator.eval_sub_data(pd.DataFrame([item]), {1: q.gold}))

    return score


def _mmmu() -> Scorer:
    task = _task("mmmu")
    load("lmms_eval.tasks._task_utils.mmmu_mcq_utils").random = types.SimpleNamespace(choice=draw)

    def score(q: Question, response: str) -> bool:
        found = task.mmmu_process_results(row("mmmu", q), [response.strip()])["mmmu_acc"]
        return bool(task.evaluate_mmmu([found])[1]["acc"] == 1)

    return score


def _mathvista() -> Scorer:
    task = _task("mathvista")
    task.mathvista_evaluator.get_chat_response = _needs_judge

    def score(q: Question, response: str) -> bool:
        doc = {**row("mathvista", q), "precision": 0}
        return bool(task.mathvista_process_results(doc, [response.strip()])["submission"]["true_false"])

    return score


def _needs_judge(*_: Any, **__: Any) -> str:
    raise NeedsJudge


MAKERS: dict[str, Callable[[], Scorer]] = {
    "cvbench": _processed("cv_bench", "cv_bench_process_results", lambda found: found["cv_bench_acc"]["is_correct"]),
    "mmvp": _processed("mmvp", "mmvp_process_results", lambda found: found["mmvp_accuracy"]["is_correct"]),
    "realworldqa": _processed("realworldqa", "realworldqa_process_results", lambda found: found["exact_match"]),
    "mmbench": _mmbench,
    "seed": _seed,
    "ai2d": _ai2d,
    "scienceqa": _processed("scienceqa", "sqa_process_results", lambda found: found["exact_match"]),
    "mmmu": _mmmu,
    "mathvista": _mathvista,
    "mme": _processed("mme", "mme_process_results", lambda found: found["mme_perception_score"]["score"]),
    "pope": _processed("pope", "pope_process_results", lambda found: found["pope_accuracy"]["score"]),
    "chartqa": _processed("chartqa", "chartqa_process_results", lambda found: found["relaxed_overall"]),
    "textvqa": _processed("textvqa", "textvqa_process_results", lambda found: found["exact_match"] >= 0.5),
    "docvqa": _docvqa,
    "ocrbench": _processed("ocrbench", "ocrbench_process_results", lambda found: found["ocrbench_accuracy"]["score"]),
    "gqa": _gqa,
}
