"""The options of `hf`, without the libraries that loading needs."""

from __future__ import annotations

from dataclasses import dataclass

from cambrian_eval.model import option
from cambrian_eval.models.local import LocalOptions


@dataclass(frozen=True)
class TransformersOptions(LocalOptions):
    """Options of `hf`."""

    template: str | None = option(None, help="File with a Jinja chat template instead of the checkpoint's own.")
    processor: str | None = option(
        None, help="Settings of the image processor, name=value separated by commas; -P sets them one by one."
    )
    trust_remote_code: bool = option(False, help="Let the checkpoint run Python code of its own.")
    offline: bool = option(False, help="Load from the local cache only; the run's own (--offline) unless set.")
