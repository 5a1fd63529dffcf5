"""A small model: of the options in the prompt, it names the one whose remembered image is nearest to the one shown.

`python -m nearest_clock ROWS.jsonl WEIGHTS.npz` writes the weights: the mean gray image of every correct answer.
`cambrian-eval run --model nearest:WEIGHTS.npz ...` runs the model with them.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cambrian_eval.errors import UserError
from cambrian_eval.model import Adapter, Model, option
from cambrian_eval.sample import Request, Response

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

SIDE = 48
_OPTION = re.compile(r"^([A-Z])\. (.+)$", re.MULTILINE)


class Nearest:
    """The model that `--model nearest:WEIGHTS.npz` names."""

    max_images: int | None = 1

    def __init__(self, weights: Path, batch_size: int) -> None:
        import numpy as np

        try:
            content = weights.read_bytes()
            with np.load(weights, allow_pickle=False) as stored:
                self._labels = [str(label) for label in stored["labels"]]
                self._means: npt.NDArray[np.float32] = stored["means"]
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"nearest: {weights} has no weights ({error}); write them with nearest_clock") from error
        self.name = f"nearest-{weights.stem}"
        self.fingerprint = f"nearest-1-{hashlib.sha256(content).hexdigest()[:24]}"
        self._batch_size = batch_size

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        """Pulls as many requests as it computes at once; every request gets exactly one response."""
        while batch := list(islice(requests, self._batch_size)):
            distances = self._distances([r for r in batch if r.images])
            for request in batch:
                yield self._answer(request, distances.get(request.id))

    def _distances(self, requests: list[Request]) -> dict[str, dict[str, float]]:
        """Request id -> label -> distance, all images against all labels at once."""
        import numpy as np

        if not requests:
            return {}
        shown = np.stack([_gray(r.images[0].load()) for r in requests])
        found = ((shown[:, None, :] - self._means[None, :, :]) ** 2).mean(axis=2)
        return {
            r.id: dict(zip(self._labels, map(float, row), strict=True)) for r, row in zip(requests, found, strict=True)
        }

    def _answer(self, request: Request, distances: dict[str, float] | None) -> Response:
        options = {letter: text.strip() for letter, text in _OPTION.findall(request.prompt)}
        if not options:
            return Response(request.id, "", finish="failed", error="the prompt lists no options")
        if distances is None:  # no image, as with `--vision off`
            return Response(request.id, min(options), notes={"guessed": True})
        letter = min(options, key=lambda option: distances.get(options[option], float("inf")))
        return Response(request.id, letter)

    def describe(self) -> Mapping[str, Any]:
        """Facts for run.json; plain JSON values."""
        return {"kind": "nearest mean image", "labels": len(self._labels), "side": SIDE, "batch": self._batch_size}


@dataclass(frozen=True)
class NearestOptions:
    """What `-M name=value` can set; `--batch-size` is the short form of `-M batch_size=...`."""

    batch_size: int = option(32, minimum=1, help="Images compared at once.")


class NearestAdapter(Adapter):
    """`nearest:WEIGHTS.npz`."""

    name = "nearest"
    summary = "names the option whose mean image is nearest: nearest:WEIGHTS.npz"
    Options = NearestOptions

    def create(self, rest: str, options: NearestOptions) -> Model:
        """The model for what follows the colon; the options are checked already."""
        if not rest:
            raise UserError("nearest: no weights named; write nearest:WEIGHTS.npz")
        return Nearest(Path(rest), options.batch_size)


def fit(rows: Path, weights: Path) -> None:
    """Stores the mean image of every correct answer among the rows."""
    import numpy as np
    from PIL import Image

    seen = defaultdict(list)
    for line in rows.read_text("utf-8").splitlines():
        row = json.loads(line)
        seen[row["answer"]].append(_gray(Image.open(rows.parent / row["image"])))
    labels = sorted(seen)
    np.savez(weights, labels=np.array(labels), means=np.stack([np.mean(seen[label], axis=0) for label in labels]))


def _gray(image: Image) -> npt.NDArray[np.float32]:
    """An image as numbers around 0 whatever its colors: small, gray, centered."""
    import numpy as np

    values = np.asarray(image.convert("L").resize((SIDE, SIDE)), dtype=np.float32).reshape(-1) / 255
    centered: npt.NDArray[np.float32] = values - values.mean()
    return centered


if __name__ == "__main__":
    fit(Path(sys.argv[1]), Path(sys.argv[2]))
