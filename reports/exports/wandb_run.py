"""`--to wandb`: a run of Weights & Biases for each run, written offline unless WANDB_MODE says otherwise."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError, one_line

from ..export import Export, Exported
from ..runs import SYNTHETIC, NamedRun


class WandbRun(Export):
    """Scores as the summary, results as a table, settings as the configuration."""

    name = "wandb"
    summary = "a run of Weights & Biases for each run, offline unless WANDB_MODE=online"

    def write(self, runs: Sequence[NamedRun], out: Path, scorer: str) -> Exported:
        """Writes all scorers and conditions; `wandb sync` uploads what is written offline."""
        try:
            import wandb
        except ImportError as error:
            raise UserError("--to wandb needs the package wandb: pip install 'cambrian-eval[wandb]'") from error
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{out} cannot be written ({error.strerror}); choose another --out") from error
        mode = os.environ.get("WANDB_MODE", "offline")
        folders = []
        for named in runs:
            try:
                folders.append(_log(wandb, named, out, mode))
            except wandb.errors.Error as error:
                raise UserError(f"wandb: {one_line(str(error), 300)}") from error
        then = () if mode == "online" else (f"wandb sync {' '.join(shlex.quote(str(f)) for f in folders)}",)
        return Exported(tuple(folders), then)


def _log(wandb: Any, named: NamedRun, out: Path, mode: str) -> Path:
    """One run; returns the folder that wandb keeps of it."""
    from cambrian_eval.results.frames import results_frame

    info = named.run.info
    made = wandb.init(
        project=os.environ.get("WANDB_PROJECT", "cambrian-eval"),
        name=named.name,
        dir=str(out),
        mode=mode,
        job_type="evaluation",
        tags=[SYNTHETIC] if named.synthetic else ["subset"] if named.partial else [],
        config={
            "model": info["model"]["name"],
            "benchmarks": list(info["benchmarks"]),
            "conditions": info["conditions"],
            "settings": info["responses_depend_on"],
            "synthetic_data": named.synthetic,
        },
        settings=wandb.Settings(silent=True, console="off"),
    )
    folder = Path(made.dir).parent
    try:
        frame = results_frame(named.name, named.results)
        rows = frame.astype(object).where(frame.notna(), None).values.tolist()
        made.log({"results": wandb.Table(columns=list(frame.columns), data=rows)})
        for r in named.results:
            if r.score is not None:
                made.summary[f"{r.benchmark}/{r.condition}/{r.scorer}"] = r.score
    finally:
        made.finish()
    return folder


EXPORT = WandbRun()
