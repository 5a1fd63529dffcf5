"""cambrian-eval: vision-centric evaluation of multimodal LLMs, after the Cambrian-1 paper (arXiv 2406.16860).

The public Python interface is what this module names; each is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cambrian_eval.version import __version__ as __version__

if TYPE_CHECKING:
    from cambrian_eval.benchmark import Benchmark, HubSource
    from cambrian_eval.errors import ContractError, UserError
    from cambrian_eval.interface.analyzing import analyze
    from cambrian_eval.interface.comparing import compare
    from cambrian_eval.interface.drawing import plot
    from cambrian_eval.interface.runs import Outcome, Run, open_run, run, score
    from cambrian_eval.interface.tables import table
    from cambrian_eval.model import Adapter, Model, option
    from cambrian_eval.registry import load_benchmark as load
    from cambrian_eval.results.grading import grade, grade_all
    from cambrian_eval.results.published_scores import published
    from cambrian_eval.running.stopping import Until
    from cambrian_eval.sample import Request, Response, Result, Sample, Verdict

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
    "Outcome": "interface.runs",
    "Run": "interface.runs",
    "open_run": "interface.runs",
    "run": "interface.runs",
    "score": "interface.runs",
    "compare": "interface.comparing",
    "table": "interface.tables",
    "plot": "interface.drawing",
    "analyze": "interface.analyzing",
    "Request": "sample",
    "Response": "sample",
    "Result": "sample",
    "Sample": "sample",
    "Verdict": "sample",
    "Until": "running.stopping",
}

__all__ = [
    "Adapter",
    "Benchmark",
    "ContractError",
    "HubSource",
    "Model",
    "Outcome",
    "Request",
    "Response",
    "Result",
    "Run",
    "Sample",
    "Until",
    "UserError",
    "Verdict",
    "analyze",
    "compare",
    "grade",
    "grade_all",
    "load",
    "open_run",
    "option",
    "plot",
    "published",
    "run",
    "score",
    "table",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _WHERE[name].partition(":")
    value = getattr(import_module(f"{__name__}.{module}"), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, for completion."""
    return [*__all__, "__version__"]
