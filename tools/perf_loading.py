"""Measures the host memory that loading a checkpoint takes, compared with the size of its weights.

    python tools/perf_loading.py                     a random checkpoint, made large enough to measure
    python tools/perf_loading.py --model FOLDER      an existing one

Loads in a new process per type and prints the peak resident memory above that of the imports, divided by the bytes of
the loaded weights. A loader that holds a second copy has a ratio of about 2, or 3 from float32 to half precision.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))


def make_large(out: Path, hidden_size: int) -> Path:
    """A checkpoint whose weights are much larger than everything else in the process, in shards of 300 MB."""
    from make_tiny_checkpoint import make_checkpoint

    shape = {"intermediate_size": 4 * hidden_size, "num_hidden_layers": 8, "vocab_size": 32000}
    return make_checkpoint(out, "sva", hidden_size=hidden_size, overrides=shape, shard_size="300MB")


def measure(folder: str, dtype: str) -> dict[str, Any]:
    """Loads once in this process; memory is the peak that the system records."""
    from cambrian_eval.models.cambrian import CambrianForConditionalGeneration
    from cambrian_eval.models.cambrian.tokens import load_tokenizer

    load_tokenizer(Path(folder))
    before = peak_bytes()
    start = time.perf_counter()
    model = CambrianForConditionalGeneration.from_pretrained(folder, dtype=dtype)
    seconds = time.perf_counter() - start
    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    return {
        "dtype": dtype,
        "weights_bytes": weights,
        "peak_above_imports_bytes": peak_bytes() - before,
        "ratio": (peak_bytes() - before) / weights,
        "seconds": seconds,
    }


def peak_bytes() -> int:
    """The process's highest resident memory so far."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Unlike getrusage, this peak is reset in a new process instead of starting at its parent's size.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Starts one new process for each type; `--measure` is that process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", help="a checkpoint's folder; without it a random one is made")
    parser.add_argument("--hidden-size", type=int, default=2048, help="width of the random checkpoint")
    parser.add_argument("--dtype", nargs="*", default=["bfloat16", "float32"])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    found = []
    if chosen.measure:
        print(json.dumps(measure(chosen.measure, chosen.dtype[0])))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.model or str(make_large(Path(scratch), chosen.hidden_size))
        for dtype in chosen.dtype:
            command = [sys.executable, "-W", "ignore", __file__, "--measure", folder, "--dtype", dtype]
            child = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
            measured = json.loads(child.stdout.splitlines()[-1])
            found.append(measured)
            if chosen.json:
                continue
            print(
                f"{dtype:9} weights {measured['weights_bytes'] / 2**30:6.2f} GiB   "
                f"peak {measured['peak_above_imports_bytes'] / 2**30:6.2f} GiB   "
                f"ratio {measured['ratio']:.3f}   {measured['seconds']:.1f} s"
            )
    if chosen.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
