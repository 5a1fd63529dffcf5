"""A small model: of the options in the prompt, it names the one whose remembered image is nearest to the one shown.

`python -m nearest_clock ROWS.jsonl WEIGHTS.npz` makes the weights: the mean grey image of every right answer.
`cambrian-eval run --model nearest:WEIGHTS.npz ...` answers with them.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cambrian_eval.errors import UserError
from cambrian_eval.model import Model, ModelOptions
from cambrian_eval.sample import Request, Response

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

SIDE = 48
BATCH = 32
_OPTION = re.compile(r"^([A-Z])\. (.+)$", re.MULTILINE)


class Nearest:
    """What `--model nearest:WEIGHTS.npz` makes."""

    max_images: int | None = 1

    def __init__(self, weights: Path, batch_size: int) -> None:
        import numpy as np

        try:
            content = weights.read_bytes()
            with np.load(weights, allow_pickle=False) as stored:
                self._labels = [str(label) for label in stored["labels"]]
                self._means: npt.NDArray[np.float32] = stored["means"]
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"nearest: {weights} holds no weights ({error}); make them with nearest_clock") from error
        self.name = f"nearest-{weights.stem}"
        self.fingerprint = f"nearest-1-{hashlib.sha256(content).hexdigest()[:24]}"
        self._batch_size = batch_size

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        """Pulls as many requests as it computes at a time; every one gets exactly one response."""
        while batch := list(islice(requests, self._batch_size)):
            distances = self._distances([r for r in batch if r.images])
            for request in batch:
                yield self._answer(request, distances.get(request.id))

    def _distances(self, requests: list[Request]) -> dict[str, dict[str, float]]:
        """Request id -> label -> distance, all images against all labels at once."""
        import numpy as np

        if not requests:
            return {}
        shown = np.stack([_grey(r.images[0].load()) for r in requests])
        found = ((shown[:, None, :] - self._means[None, :, :]) ** 2).mean(axis=2)
        return {
            r.id: dict(zip(self._labels, map(float, row), strict=True)) for r, row in zip(requests, found, strict=True)
        }

    def _answer(self, request: Request, distances: dict[str, float] | None) -> Response:
        options = {letter: text.strip() for letter, text in _OPTION.findall(request.prompt)}
        if not options:
            return Response(request.id, "", finish="failed", error="the prompt lists no options")
        if distances is None:  # no image, as under `--vision off`
            return Response(request.id, min(options), notes={"guessed": True})
        letter = min(options, key=lambda option: distances.get(options[option], float("inf")))
        return Response(request.id, letter)

    def describe(self) -> Mapping[str, Any]:
        """Goes into run.json; plain JSON values."""
        return {"kind": "nearest mean image", "labels": len(self._labels), "side": SIDE, "batch": self._batch_size}


def create(rest: str, options: ModelOptions) -> Model:
    """`nearest:WEIGHTS.npz`; `rest` is what follows the colon."""
    if not rest:
        raise UserError("nearest: names no weights; write nearest:WEIGHTS.npz")
    for flag, value in (("--dtype", options.dtype), ("--device", options.device), ("--quantize", options.quantize)):
        if value is not None:
            raise UserError(f"{flag} {value} does not apply to nearest:{rest}; leave it out")
    if options.batch_size != "auto" and not options.batch_size.isdigit():
        raise UserError(f"--batch-size {options.batch_size} is not auto or a whole number")
    return Nearest(Path(rest), BATCH if options.batch_size == "auto" else max(1, int(options.batch_size)))


def fit(rows: Path, weights: Path) -> None:
    """Remembers the mean image of every right answer among the rows."""
    import numpy as np
    from PIL import Image

    seen = defaultdict(list)
    for line in rows.read_text("utf-8").splitlines():
        row = json.loads(line)
        seen[row["answer"]].append(_grey(Image.open(rows.parent / row["image"])))
    labels = sorted(seen)
    np.savez(weights, labels=np.array(labels), means=np.stack([np.mean(seen[label], axis=0) for label in labels]))


def _grey(image: Image) -> npt.NDArray[np.float32]:
    """An image as numbers around 0 whatever its colours: small, grey, centred."""
    import numpy as np

    values = np.asarray(image.convert("L").resize((SIDE, SIDE)), dtype=np.float32).reshape(-1) / 255
    centred: npt.NDArray[np.float32] = values - values.mean()
    return centred


if __name__ == "__main__":
    fit(Path(sys.argv[1]), Path(sys.argv[2]))
