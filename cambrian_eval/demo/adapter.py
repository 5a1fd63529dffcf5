"""The adapter `demo`: the demo checkpoint, loaded like any Cambrian checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cambrian_eval.demo import checkpoint
from cambrian_eval.errors import UserError
from cambrian_eval.model import Claim, Model
from cambrian_eval.models.cambrian_adapter import CambrianAdapter, CambrianOptions
from cambrian_eval.sample import Request


class DemoAdapter(CambrianAdapter):
    """`demo`, with the options of `cambrian`."""

    name = "demo"
    summary = "the small Cambrian checkpoint that comes with the package"

    def create(self, rest: str, options: CambrianOptions) -> Model:
        """The demo checkpoint on the device the options name."""
        if rest:
            raise UserError(f"demo:{rest}: write demo alone")
        return super().create(str(checkpoint()), options)

    def written(self, rest: str, options: CambrianOptions, request: Request) -> str:
        """The prompt in the demo checkpoint's conversation template."""
        return super().written(str(checkpoint()), options, request)

    def recognizes(self, name: str, config: Mapping[str, Any] | None) -> Claim:
        """Nothing: the checkpoint's folder is a Cambrian checkpoint like others."""
        return Claim.NONE

    def fetch(self, rest: str) -> list[str]:
        """Nothing to do."""
        return ["demo: the checkpoint comes with the package"]
