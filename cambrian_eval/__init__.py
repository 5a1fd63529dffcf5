"""cambrian-eval: vision-centric evaluation of multimodal LLMs, after the Cambrian-1 paper (arXiv 2406.16860).

The public Python interface is what this module names; each is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cambrian_eval.benchmark import Benchmark, HubSource
    from cambrian_eval.errors import ContractError, UserError
    from cambrian_eval.model import Adapter, Model, option
    from cambrian_eval.registry import load_benchmark as load
    from cambrian_eval.results.evaluation import run
    from cambrian_eval.results.grading import grade, grade_all
    from cambrian_eval.results.published_scores import published
    from cambrian_eval.running.stopping import Until
    from cambrian_eval.running.store import Run, open_run
    from cambrian_eval.sample import Request, Response, Result, Sample, Verdict

__version__ = "0.1.0"

_WHERE = {
    "Benchmark": "benchmark",
    "HubSource": "benchmark",
    "UserError": "errors",
    "ContractError": "errors",
    "grade": "results.grading",
    "grade_all": "results.grading",
    "Model": "model",
    "Adapter": "model",
    "option": "model",
    "published": "results.published_scores",
    "load": "registry:load_benchmark",
    "run": "results.evaluation",
    "Request": "sample",
    "Response": "sample",
    "Result": "sample",
    "Sample": "sample",
    "Verdict": "sample",
    "Until": "running.stopping",
    "Run": "running.store",
    "open_run": "running.store",
}

__all__ = [
    "Adapter",
    "Benchmark",
    "ContractError",
    "HubSource",
    "Model",
    "Request",
    "Response",
    "Result",
    "Run",
    "Sample",
    "Until",
    "UserError",
    "Verdict",
    "grade",
    "grade_all",
    "load",
    "open_run",
    "option",
    "published",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _WHERE[name].partition(":")
    value = getattr(import_module(f"{__name__}.{module}"), attribute or name)
    globals()[name] = value
    return value
