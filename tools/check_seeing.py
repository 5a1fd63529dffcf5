"""Checks the estimates of `cambrian-eval seeing`: on simulated verdicts, and on released verdicts of many models.

    python tools/check_seeing.py simulate --repetitions 200
    python tools/check_seeing.py released FOLDER

`simulate` draws models, samples (two on each image, which share a part of their easiness and of the factor) and
verdicts from known parameters and counts how often the 95 % intervals contain them. `released` reads a folder with
`normal_NAME.csv` or `.csv.gz` from CyberAgentAILab/M3IRT (one row a model, one column a sample and condition), holds a
tenth of the verdicts out (single ones, or all four of a model on a sample), and compares the log-loss of the prediction
with that of main-effects logistic regressions, whose penalty is chosen in hindsight, in their favor.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import time
from pathlib import Path

import numpy as np

from cambrian_eval.results import seeing_estimates, seeing_model

CONDITIONS = ("on", "off", "no_question", "nothing")
PREFIXES = {"": "on", "<no_image>": "off", "<no_question>": "no_question", "<no_info>": "nothing"}
EASINESS = np.array([[2.8, 1.6, 1.6, 0.9], [1.6, 2.6, 1.0, 1.2], [1.6, 1.0, 2.6, 1.3], [0.9, 1.2, 1.3, 1.8]])
"""Covariance of the easiness of simulated samples between conditions."""
ABILITY = np.array([[0.5, 0.2, 0.3, 0.1], [0.2, 0.3, 0.1, 0.1], [0.3, 0.1, 0.3, 0.1], [0.1, 0.1, 0.1, 0.2]])
MEAN = np.array([0.3, -0.8, -0.9, -1.4])
SLOPE = 0.5
"""Standard deviation of simulated discriminations."""


def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


# -- simulation


def population(rng, n_images, per_image):
    """Easiness and discrimination of the samples of so many images; half of the variance is the image's."""
    n = n_images * per_image
    root = np.linalg.cholesky(EASINESS)
    shared = np.repeat(rng.standard_normal((n_images, 5)), per_image, axis=0)
    drawn = np.sqrt(0.5) * shared + np.sqrt(0.5) * rng.standard_normal((n, 5))
    return MEAN + drawn[:, :4] @ root.T, SLOPE * drawn[:, 4]


def truth(a, z, b, s, floor):
    """The shares of a population, by their definitions."""
    known = sigmoid(a[:, None, :2] + b[None, :, :2] + (s[None, :] * z[:, None])[..., None])
    better = a[:, 0] >= 0
    needed = (known[better, :, 0] * (1 - known[better, :, 1])).mean()
    p = sigmoid(b[:, 0])
    weight = ((1 - floor) * p * (1 - p)) ** 2 / ((floor + (1 - floor) * p) * (1 - floor) * (1 - p))
    seeing = (a[:, 0] - a[:, 1]).var(ddof=1)
    rest = (a[:, None, 1] + s[None, :] * z[:, None]).var(axis=0, ddof=1)
    return needed, seeing / (seeing + (weight * rest).sum() / weight.sum())


def simulate(repetitions, n_models, n_images, floor, seed):
    """Prints how often the intervals contain the parameters that verdicts were drawn from."""
    hits: dict[str, list[bool]] = {}
    stated, true = [], []
    for repetition in range(repetitions):
        rng = np.random.default_rng([seed, repetition])
        a = rng.multivariate_normal(np.zeros(4), ABILITY, n_models)
        z = rng.standard_normal(n_models)
        a, z = a - a.mean(axis=0), (z - z.mean()) / z.std()
        b, s = population(rng, n_images, 2)
        p = sigmoid(a[:, None] + b[None] + (s[None] * z[:, None])[..., None])
        known = rng.random(p.shape) < p
        right = np.where(known, 1.0, rng.random(known.shape) < floor)
        floors = np.full(len(b), floor)
        found = seeing_estimates.estimate(right, floors, np.repeat(np.arange(n_images), 2), CONDITIONS)
        true_needed, true_visual = truth(a, z, *population(rng, 20_000, 1), floor)
        better = a[:, 0] >= 0
        stated.append(found.needed)
        true.append((p[better, :, 0] * (1 - p[better, :, 1])).mean(axis=0))
        for name, interval, value in (
            ("share of samples that need the image", found.needed_share, true_needed),
            ("visual information", found.visual, true_visual),
        ):
            hits.setdefault(name, []).append(interval.low <= value <= interval.high)
        for m, mine in enumerate(found.abilities):
            for part, contrast in seeing_estimates.parts(CONDITIONS).items():
                value = float(a[m] @ contrast)
                hits.setdefault(f"ability: {part}", []).append(mine[part].low <= value <= mine[part].high)
    print(f"\n{repetitions} repetitions, {n_models} models, {2 * n_images} samples, chance {floor:.0%}")
    for name, row in hits.items():
        print(f"  {name:38} covered {np.mean(row):6.1%} of {len(row):,}")
    _calibration(np.concatenate(stated), np.concatenate(true))


def _calibration(predicted, happened):
    print("  probability that the image is needed: stated, and how often it was")
    for low in np.arange(0, 1, 0.2):
        inside = (predicted >= low) & (predicted < low + 0.2)
        if inside.any():
            print(f"    {predicted[inside].mean():.3f}  {happened[inside].mean():.3f}  ({inside.sum():,} samples)")


# -- released verdicts


def read(path):
    """verdicts[model, sample, condition] of one file."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    head, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig")))
    samples: dict[str, int] = {}
    places = []
    for name in head[1:]:
        prefix = name[: name.index(">") + 1] if name.startswith("<") else ""
        number = samples.setdefault(name[len(prefix) :], len(samples))
        places.append((number, CONDITIONS.index(PREFIXES[prefix])))
    found = np.full((len(rows), len(samples), 4), np.nan)
    for m, row in enumerate(rows):
        for (i, c), value in zip(places, row[1:], strict=True):
            found[m, i, c] = float(value)
    return found


def log_loss(right, p):
    """Mean of -log p of what happened."""
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return float(-(right * np.log(p) + (1 - right) * np.log(1 - p)).mean())


def main_effects(verdicts, penalty, by_condition):
    """Logistic regression of a verdict on its model and its sample, or on both under its condition."""
    seen, right = ~np.isnan(verdicts), np.nan_to_num(verdicts)
    a, b = np.zeros((len(verdicts), 1, 4)), np.zeros((1, verdicts.shape[1], 4))
    mean = np.zeros(4)
    for _ in range(60):
        for effect, axis, strength in ((mean, (0, 1), 1e-6), (a, 1, 1.0), (b, 0, penalty)):
            p = sigmoid(mean + a + b)
            pull, weight = seen * (right - p), seen * p * (1 - p)
            kept = effect is not mean
            up, down = pull.sum(axis=axis, keepdims=kept), weight.sum(axis=axis, keepdims=kept)
            if kept and not by_condition:
                up, down = up.sum(axis=2, keepdims=True), down.sum(axis=2, keepdims=True)
            effect += 0.9 * (up - strength * effect) / (down + strength)
    return sigmoid(mean + a + b)


def released(folder, repetitions):
    """Prints losses, calibration and estimates of the files in a folder."""
    for path in sorted(Path(folder).glob("normal_*.csv*")):
        verdicts = read(path)
        n_models, n_samples, _ = verdicts.shape
        print(f"\n{path.name}: {n_models} models, {n_samples:,} samples; log-loss of held-out verdicts")
        for held in ("single verdicts", "all of a model on a sample"):
            losses: dict[str, list[float]] = {}
            stated, was = [], []
            for repetition in range(repetitions):
                rng = np.random.default_rng(repetition)
                shape = verdicts.shape if held == "single verdicts" else (n_models, n_samples, 1)
                out = np.broadcast_to(rng.random(shape) < 0.1, verdicts.shape)
                known = np.where(out, np.nan, verdicts)
                p = seeing_model.predicted(seeing_model.fit(known, np.zeros(n_samples)))[out]
                losses.setdefault("seeing", []).append(log_loss(verdicts[out], p))
                stated.append(p)
                was.append(verdicts[out])
                for name, by_condition in (("model + sample", False), ("model + sample, by condition", True)):
                    tried = [main_effects(known, x, by_condition)[out] for x in (0.1, 0.2, 0.3, 0.45, 0.6, 1.0)]
                    losses.setdefault(name, []).append(min(log_loss(verdicts[out], t) for t in tried))
            print(f"  {held}: " + "; ".join(f"{name} {np.mean(row):.4f}" for name, row in losses.items()))
            p, y = np.concatenate(stated), np.concatenate(was)
            bins = np.minimum((p * 10).astype(int), 9)
            error = sum(abs(p[bins == k].sum() - y[bins == k].sum()) for k in range(10)) / len(p)
            print("    stated " + " ".join(f"{p[bins == k].mean():5.2f}" for k in range(10) if (bins == k).any()))
            print("    right  " + " ".join(f"{y[bins == k].mean():5.2f}" for k in range(10) if (bins == k).any()))
            print(f"    calibration error {error:.4f}")
        start = time.process_time()
        found = seeing_estimates.estimate(verdicts, np.zeros(n_samples), list(range(n_samples)), CONDITIONS)
        seconds = time.process_time() - start
        share, visual = found.needed_share, found.visual
        print(f"  needs the image {share.value:.1%} ({share.low:.1%} to {share.high:.1%})")
        print(f"  visual information {visual.value:.1%} ({visual.low:.1%} to {visual.high:.1%}); {seconds:.0f} s")
        _unseen_models(verdicts)


def _unseen_models(verdicts):
    """Whether the models left out of the fit, every third of the better ones, needed the images as it says."""
    share = verdicts[..., 0].mean(axis=1)
    better = [m for m in np.argsort(-share) if share[m] >= share.mean()]
    out = better[1::3]
    kept = np.delete(verdicts, out, axis=0)
    fitted = seeing_model.fit(kept, np.zeros(kept.shape[1]))
    happened = (verdicts[out, :, 0] * (1 - verdicts[out, :, 1])).mean(axis=0)
    print(f"  {len(out)} models that the fit has not seen:")
    _calibration(seeing_estimates.needed(fitted, kept), happened)


def main():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    simulated = commands.add_parser("simulate")
    simulated.add_argument("--repetitions", type=int, default=100)
    simulated.add_argument("--models", type=int, default=12)
    simulated.add_argument("--images", type=int, default=150)
    simulated.add_argument("--chance", type=float, default=0.0)
    simulated.add_argument("--seed", type=int, default=0)
    real = commands.add_parser("released")
    real.add_argument("folder", type=Path)
    real.add_argument("--repetitions", type=int, default=3)
    given = parser.parse_args()
    if given.command == "simulate":
        simulate(given.repetitions, given.models, given.images, given.chance, given.seed)
    else:
        released(given.folder, given.repetitions)


if __name__ == "__main__":
    main()
