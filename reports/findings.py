"""The findings of an analysis in sentences, each with its uncertainty (Markdown)."""

from __future__ import annotations

import math

import numpy as np

from cambrian_eval.numbers import number, p_equals, probability
from cambrian_eval.results.statistics import holm, wilson

from . import assignment, missing
from .analysis import GROUPS, Analysis
from .catalogue import OTHER, entry
from .correlation import RESAMPLES, percentiles
from .dendrogram import Tree
from .partial import Partial
from .positions import Positions
from .redundancy import FEWEST, Redundancy
from .resampling import sparse

LISTED = 3
"""Pairs and nodes that a sentence names."""
WANTED = 0.95
"""Held-out rank correlation from which a choice of benchmarks is said to keep the ranking."""


def summary(found: Analysis) -> list[str]:
    """The findings in sentences and short lists."""
    c = found.correlations
    models = "" if found.table is None else f" over {len(found.table.models)} models"
    lines = [
        f"# Analysis of {len(c.benchmarks)} benchmarks{models}",
        f"Source: {c.source}. Correlation: {c.kind.capitalize()}.",
        *(f"- {note}" for note in c.notes),
    ]
    if found.table is not None:
        lines.append(f"Brackets contain 95 % of {RESAMPLES} resamples of the models, unless stated otherwise.")
    lines += ["## Correlation", lowest(found)]
    for partial in found.partials:
        lines += partial_sentences(partial)
    lines += ["## Principal components", *components(found)]
    lines += ["## Clusters", *_clusters(found), *tree_sentences(found.tree)]
    if found.table is not None:
        lines += ["## Redundancy", *redundancy_sentences(found.redundancy)]
        lines += ["## Missing scores", *missing_sentences(found.completion)]
    lines.append("## Categories by data")
    differ = assignment.disagreements(found.assignments)
    agree = sum(a.agrees for a in found.assignments)
    known = sum(a.paper != OTHER for a in found.assignments)
    if not known:
        return [*lines, "No benchmark is in a category of the paper."]
    lines.append(f"The data and the paper's manual categories agree for {agree} of {known} benchmarks.")
    return [*lines, *([f"- {line}" for line in differ] or ["- They agree everywhere."])]


def between(low: float, high: float, digits: int = 2) -> str:
    """An interval in brackets."""
    return f"[{low + 0.0:.{digits}f}, {high + 0.0:.{digits}f}]"


def between_shares(low: float, high: float, digits: int = 0) -> str:
    """An interval of shares in brackets."""
    return f"[{low:.{digits}%}, {high:.{digits}%}]"


def lowest(found: Analysis) -> str:
    """The benchmark with the lowest mean correlation."""
    means = found.correlations.mean_with_others()
    name = min(means, key=lambda b: means[b])
    text = f"Least correlated with the others: {entry(name).short} (mean r {number(means[name], 2)}"
    if found.draws is not None:
        others = np.where(np.eye(len(means), dtype=bool), np.nan, found.draws)
        drawn = np.ma.masked_invalid(others).mean(axis=2).filled(np.inf)
        at = found.correlations.benchmarks.index(name)
        low, high = percentiles(drawn[:, at])
        share = float(np.mean(drawn.argmin(axis=1) == at))
        text += f" {between(float(low), float(high))}; the lowest in {share:.0%} of resamples"
    return text + ")."


def partial_sentences(partial: Partial) -> list[str]:
    """Which pairs remain correlated when something is taken out."""
    pairs = partial.pairs
    models = ""
    if partial.models is not None:
        fewest, most = partial.models
        models = f" over {most} models" if fewest == most else f" over {fewest} to {most} models"
    lines = [f"With {partial.control} taken out{models}:"]
    if not pairs:
        return [*lines, "- No pair has enough models."]
    if partial.low is None or partial.high is None:
        named = _pairs(partial, pairs[:LISTED])
        return [*lines, f"- The highest of {len(pairs)} pairs: {named}. No intervals: only a matrix is known."]
    above = [p for p in pairs if partial.low[p] > 0]
    below = [p for p in reversed(pairs) if partial.high[p] < 0]
    for word, members in (("above", above), ("below", below)):
        named = f": {_pairs(partial, members[:LISTED])}" if members else ""
        more = " and others" if len(members) > LISTED else ""
        lines.append(f"- The interval is {word} 0 for {len(members)} of {len(pairs)} pairs{named}{more}.")
    chance = 0.025 * len(pairs)
    lines.append(f"- If nothing else related them, about {number(chance, 0)} on each side would be expected by chance.")
    return ["\n".join(lines)]


def _pairs(partial: Partial, members: list[tuple[int, int]]) -> str:
    named = []
    for i, j in members:
        a, b = (entry(partial.benchmarks[x]).short for x in (i, j))
        text = f"{a} and {b} {number(partial.matrix[i, j], 2)}"
        if partial.low is not None and partial.high is not None:
            text += f" {between(partial.low[i, j], partial.high[i, j])}"
        named.append(text)
    return ", ".join(named)


def components(found: Analysis) -> list[str]:
    """What the components explain, how many there are, and which position is least certain."""
    parts = found.components
    recipe = (
        "rows of the correlation matrix, centered (the paper's recipe)"
        if parts.method == "paper"
        else "standardized scores, benchmarks as points"
    )
    shares = []
    for k, value in enumerate(parts.explained[:4]):
        text = f"PC{k + 1} {value:.1%}"
        if found.positions is not None:
            text += " " + between_shares(found.positions.explained_low[k], found.positions.explained_high[k])
        shares.append(text)
    lines = [f"Of {recipe}. Explained variance: {', '.join(shares)}."]
    if found.parallel is not None:
        lines.append(parallel_sentence(found))
    if found.positions is not None:
        lines.append(position_sentence(found.positions))
    elif found.table is not None:
        lines.append(f"No regions: {sparse(found.table)}.")
    return lines


def parallel_sentence(found: Analysis) -> str:
    """The number of components of the scores."""
    p = found.parallel
    assert p is not None
    first = f"{number(p.eigenvalues[0], 1)} {between(p.low[0], p.high[0], 1)}"
    components = "1 component is" if p.count == 1 else f"{p.count or 'no'} components are"
    return (
        f"Number of components (parallel analysis of the correlation matrix): {components} larger than chance, also in "
        f"{p.share:.0%} of resamples. The first eigenvalue is {first} of {len(p.eigenvalues)}; chance gives "
        f"{number(p.threshold[0], 1)}."
    )


def position_sentence(found: Positions) -> str:
    """The most and the least certain position of the plane."""
    lengths = [e.width for e in found.ellipses]
    names = [entry(b).short for b in found.components.benchmarks]
    least, most = int(np.argmax(lengths)), int(np.argmin(lengths))
    span = float(np.ptp(found.components.xy, axis=0).max())
    return (
        f"Least certain position: {names[least]}, whose region (95 % of {found.resamples} resamples, rotated onto the "
        f"plane) is {number(lengths[least])} long; most certain: {names[most]}, {number(lengths[most])}. All positions "
        f"lie within {number(span)}."
    )


def _clusters(found: Analysis) -> list[str]:
    if not found.clusterings:
        return [f"Too few benchmarks ({len(found.clustered)}) for {GROUPS} groups: not clustered."]
    lines = []
    if "mmmu" in found.correlations.benchmarks and "mmmu" not in found.clustered:
        lines.append("MMMU is left out: the paper assigned it manually, by question type (--mmmu by-data clusters it).")
    rows = [
        "| method | purity | matched | adjusted Rand | 95 % of resamples | p | silhouette | stability |",
        "| :-- | --: | --: | --: | :-: | --: | --: | --: |",
    ]
    for c in found.clusterings:
        drawn = "–" if math.isnan(c.rand_low) else between(c.rand_low, c.rand_high)
        cells = [
            *(f"{number(x, 2)}" for x in (c.purity, c.matched, c.rand)),
            drawn,
            probability(c.p),
            *("–" if math.isnan(x) else f"{number(x, 2)}" for x in (c.silhouette, c.stability)),
        ]
        rows.append(f"| {c.method} | " + " | ".join(cells) + " |")
    for c in found.clusterings:
        groups = [
            ", ".join(entry(b).short for b, g in zip(found.clustered, c.labels, strict=True) if g == group)
            for group in sorted(set(c.labels))
        ]
        rows.append(f"- {c.method}: " + " · ".join(f"{{{g}}}" for g in groups))
    lines.append("\n".join(rows))
    adjusted = holm([c.p for c in found.clusterings])
    beyond = [
        f"{c.method} (adjusted Rand {number(c.rand, 2)}, {p_equals(p)})"
        for c, p in zip(found.clusterings, adjusted, strict=True)
        if p < 0.05
    ]
    verdict = f"agree with the four categories more than chance for {', '.join(beyond)}"
    if not beyond:
        verdict = "do not agree with the four categories more than chance for any method"
    lines.append(
        f"The groups {verdict} (permutation of the categories; p adjusted for {len(adjusted)} methods after Holm)."
    )
    return lines


def tree_sentences(tree: Tree) -> list[str]:
    """Which nodes of the dendrogram are stable."""
    nodes = [n for n in tree.nodes[:-1] if not math.isnan(n.support)]
    if not nodes:
        return []
    stable = sorted((n for n in nodes if n.support >= 0.8), key=lambda n: -n.support)
    named = ", ".join(f"{{{', '.join(entry(b).short for b in n.members)}}} {n.support:.0%}" for n in stable[:LISTED])
    rare = sum(n.support < 0.5 for n in nodes)
    text = f"Groups of the dendrogram that return in at least 80 % of {tree.resamples} resamples: {named or 'none'}"
    more = f", and {len(stable) - LISTED} more" if len(stable) > LISTED else ""
    return [f"{text}{more}. {rare} of {len(nodes)} return in less than half."]


def redundancy_sentences(found: Redundancy | None) -> list[str]:
    """What each benchmark adds, and the fewest that keep the ranking."""
    if found is None:
        return [f"Not computed: at least {FEWEST} models with scores on all benchmarks are needed."]
    most, least = found.added[0], found.added[-1]
    lines = [
        f"Over {found.models} models with all scores, predicted by the other benchmarks for models left out: "
        f"{entry(most.benchmark).short} adds most ({most.share:.0%} {between_shares(most.low, most.high)} of its "
        f"variance is not predicted), {entry(least.benchmark).short} least ({least.share:.0%} "
        f"{between_shares(least.low, least.high)})."
    ]
    chosen = found.smallest(WANTED)
    judged = (
        f"on models that did not choose them (rank correlation at least {number(WANTED, 2)} on average over halves)"
    )
    if chosen is None:
        lines.append(f"No choice of up to {len(found.choices)} benchmarks keeps the ranking {judged}.")
        chosen = max(found.choices, key=lambda c: c.held_out)
        lines[-1] += " The best is"
    else:
        lines.append(f"The fewest benchmarks that keep the ranking {judged}:")
    names = ", ".join(entry(b).short for b in chosen.benchmarks)
    lines[-1] += (
        f" {len(chosen.benchmarks)} ({names}): {number(chosen.held_out, 2)} {between(chosen.low, chosen.high)} (95 % "
        f"of halves); as many at random: {number(chosen.at_random, 2)}."
    )
    return lines


def missing_sentences(found: missing.Completion | None) -> list[str]:
    """How many scores were predicted and how good such predictions are."""
    if found is None:
        return [f"Not predicted: {missing.NEEDED}."]
    count = len(found.missing)
    lines = [
        f"{count} missing scores are predicted, with 90 % intervals, in predicted_scores.csv."
        if count
        else "No score is missing that could be predicted."
    ]
    checked = len(found.checked)
    inside = sum(c.inside for c in found.checked)
    low, high = wilson(inside, checked) or (math.nan, math.nan)
    lines.append(
        f"Check: of {checked} known scores, each predicted without itself, {found.coverage:.0%} "
        f"{between_shares(low, high)} are in their 90 % interval. The error is {number(found.error, 2)} standard "
        f"deviations of a benchmark; that of a row-plus-column table is {number(found.baseline, 2)} (ratio "
        f"{number(found.error / found.baseline, 2)} {between(*found.ratio)})."
    )
    return lines
