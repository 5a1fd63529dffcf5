"""The dataset card: README.md of a build."""

from __future__ import annotations

from typing import Any

from cvbench_builder.catalog import SYNTHETIC
from cvbench_builder.dataset import PARQUET

_TERMS = {
    "COCO": "annotations CC BY 4.0; images under the terms of Flickr and their authors",
    "ADE20K": "research and education only (MIT Scene Parsing terms)",
    "Omni3D": "annotations CC BY-NC 4.0",
    "Hypersim": "CC BY-SA 3.0",
    "nuScenes": "CC BY-NC-SA 4.0",
    "SUNRGBD": "non-commercial research use",
    "KITTI": "CC BY-NC-SA 3.0, non-commercial",
    "Objectron": "C-UDA 1.0; used through Omni3D, non-commercial",
    "ARKitScenes": "CC BY-NC-SA 4.0, non-commercial",
}
_CITE = {
    "COCO": "Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014",
    "ADE20K": "Zhou et al., Scene Parsing through ADE20K Dataset, CVPR 2017",
    "Omni3D": "Brazil et al., Omni3D: A Large Benchmark and Model for 3D Object Detection in the Wild, CVPR 2023",
    "Hypersim": "Roberts et al., Hypersim: A Photorealistic Synthetic Dataset, ICCV 2021",
    "nuScenes": "Caesar et al., nuScenes: A Multimodal Dataset for Autonomous Driving, CVPR 2020",
    "SUNRGBD": "Song et al., SUN RGB-D: A RGB-D Scene Understanding Benchmark Suite, CVPR 2015",
    "KITTI": "Geiger et al., Are we ready for Autonomous Driving?, CVPR 2012",
    "Objectron": "Ahmadyan et al., Objectron, CVPR 2021",
    "ARKitScenes": "Baruch et al., ARKitScenes, NeurIPS 2021 Datasets and Benchmarks",
}
_LIMITS = [
    "ADE20K class names are the first synonyms of the classes or the annotators' words, which are sometimes unusual.",
    "COCO annotators miss background instances and use crowd regions above about ten objects; objects on posters and "
    "in mirrors may be annotated.",
    "Cuboids of SUN RGB-D and ARKitScenes are imprecise; the offsets compensate for this only in part.",
    "The shares of ADE20K and COCO in the published 2D rows and the published offsets are not documented; this build "
    "uses its own settings (see above).",
    "Depth is determined by cuboids, not by visible surfaces.",
    "Where the annotations do not state the visibility of a cuboid, the share that other cuboids hide is estimated.",
]


def text(stats: dict[str, Any], build: dict[str, Any], funnel: dict[str, Any]) -> str:
    """README.md of a build, from its statistics, its record and its funnel."""
    parts = [
        _front_matter(stats),
        "# CV-Bench, rebuilt\n",
        f"Multiple-choice questions of the tasks {', '.join(stats['tasks'])}, made from source annotations by "
        f"cvbench_builder {build['builder_version']} (preset `{build['settings']['preset']}`, seed {build['seed']}, "
        f"settings {build['settings_sha256'][:12]}).\n",
        _synthetic(build),
        _status(stats),
        "## Rows\n",
        _table(
            ["task", "source", "component", "rows"],
            [[c[k] for k in ("task", "source", "component", "rows")] for c in stats["cells"]],
        ),
        _task_table(stats),
        _missing(build),
        _guessing(build),
        "## How to score\n",
        "2D = (accuracy on all ADE20K rows + accuracy on all COCO rows) / 2; 3D = accuracy on all Omni3D rows; "
        "overall = (2D + 3D) / 2. Rows of the type `extra` are not part of CV-Bench and are scored apart. The "
        "`prompt` column is the whole question; `answer` is a letter in parentheses, or a number.\n",
        "## Columns\n",
        "The 15 published columns (`idx` to `bbox`), then `key`, `classes` (in the order of the question), "
        "`boxes` (in the same order, each with colour, role, xyxy and object id), `margins`, `flags`, `review` and "
        "`provenance`. Boxes without a colour are not drawn.\n",
        "## Funnel\n",
        *[_funnel(task, cells) for task, cells in funnel.items() if task not in ("images", "review")],
        _plain("Images", funnel.get("images")),
        _plain("Review", funnel.get("review")),
        "## Statistics\n",
        *[_task_statistics(task, t) for task, t in stats["tasks"].items()],
        *_images(stats),
        "## Settings\n",
        _table(["setting", "value"], [[k, _short(v)] for k, v in sorted(build["settings"].items())]),
        _sources(build),
        "## Known limits\n",
        "\n".join(f"- {line}" for line in _LIMITS) + "\n",
        _terms(stats),
    ]
    return "\n".join(p for p in parts if p)


def _front_matter(stats: dict[str, Any]) -> str:
    have = {c["type"] for c in stats["cells"]}
    lines = ["---", "pretty_name: CV-Bench, rebuilt", "task_categories:", "- visual-question-answering", "configs:"]
    lines += ["- config_name: default", "  data_files:", "  - split: test", "    path:"]
    lines += [f"    - {PARQUET[k]}/*.parquet" for k in sorted(have)]
    for kind in sorted(have):
        lines += [f"- config_name: {kind}", "  data_files:", "  - split: test", f"    path: {PARQUET[kind]}/*.parquet"]
    return "\n".join([*lines, "---\n"])


def _synthetic(build: dict[str, Any]) -> str:
    """A paragraph where a program drew images of the build."""
    drawn = [s["component"] for s in build["sources"] if s.get(SYNTHETIC)]
    if not drawn:
        return ""
    return (
        f"**Synthetic data.** A program drew the images of {', '.join(drawn)}; they are not from the datasets whose "
        "form they have, and no score on them is a score of CV-Bench. Their rows have the flag `synthetic`.\n"
    )


def _status(stats: dict[str, Any]) -> str:
    counts: dict[str, int] = {}
    for task in stats["tasks"].values():
        for status, n in task["review"].items():
            counts[status] = counts.get(status, 0) + n
    if set(counts) <= {"unreviewed"}:
        return "**No person has reviewed these rows.** Every row is marked `unreviewed`.\n"
    return "Review status of the rows: " + ", ".join(f"{n} {s}" for s, n in sorted(counts.items())) + ".\n"


def _task_table(stats: dict[str, Any]) -> str:
    head = ["task", "rows", "images", "distinct questions", "options", "chance"]
    rows = [
        [task, t["rows"], t["images"], t["distinct_questions"], t["options"], f"{t['chance']:.1f}"]
        for task, t in stats["tasks"].items()
    ]
    return _table(head, rows)


def _missing(build: dict[str, Any]) -> str:
    lines = [f"- {line}" for line in build["unbuildable"]]
    for task, cells in build["shortfalls"].items():
        lines += [f"- {task}, {cell}: {got} of {wanted} rows" for cell, (wanted, got) in cells.items()]
    return "### Missing rows\n\n" + "\n".join(lines) + "\n" if lines else ""


def _guessing(build: dict[str, Any]) -> str:
    lines = [f"- {line}" for line in build.get("guessing") or []]
    return "### What can be guessed, as built\n\n" + "\n".join(lines) + "\n" if lines else ""


def _funnel(task: str, cells: dict[str, dict[str, int]]) -> str:
    names = sorted(cells)
    reasons = list(dict.fromkeys(k for cell in cells.values() for k in cell))
    if not names:
        return ""
    return f"### {task}\n\n" + _table(["", *names], [[r, *(cells[n].get(r, 0) for n in names)] for r in reasons])


def _plain(title: str, counts: Any) -> str:
    if not counts:
        return ""
    return f"### {title}\n\n" + _table(["", "number"], [[k, _short(v)] for k, v in counts.items()])


def _task_statistics(task: str, t: dict[str, Any]) -> str:
    rows = [
        ["letters", _counts(t["letters"])],
        ["answers", _counts(t["answers"])],
        ["options per row", _counts(t["options_per_row"])],
        [f"classes ({t['class_count']}, {t['class_entropy_bits']:.2f} bits)", _counts(t["classes"])],
    ]
    if t["pairs"]:
        rows.append([f"pairs ({t['pair_entropy_bits']:.2f} bits)", _counts(t["pairs"])])
    if t["flags"]:
        rows.append(["flags", _counts(t["flags"])])
    for name, q in (("margin over threshold", t["tightness"]), *t["margins"].items()):
        if q:
            rows.append([name, ", ".join(f"{k} {v:.3g}" for k, v in q.items())])
    return f"### {task}\n\n" + _table(["", ""], rows)


def _images(stats: dict[str, Any]) -> list[str]:
    parts = ["## Figures\n"]
    parts += [f"![Examples of {task}](figures/examples_{task.lower()}.png)\n" for task in stats["tasks"]]
    parts += ["![Distribution of the answers](figures/answers.png)\n", "![Margins](figures/margins.png)\n"]
    return parts


def _sources(build: dict[str, Any]) -> str:
    head = ["source", "component", "split", "annotation file", "sha256", "images", "missing"]
    rows = [
        [
            s["source"],
            s["component"],
            s["split"],
            s["annotation_file"],
            s["annotation_sha256"][:16],
            s["images"],
            len(s["images_missing"]),
        ]
        for s in build["sources"]
    ]
    splits = sorted({s["split"] for s in build["sources"]})
    note = ""
    if any("train" in s for s in splits) and len(splits) > 1:
        note = "Splits differ between sources; `provenance.split` distinguishes training and validation rows.\n"
    return "## Sources\n\n" + _table(head, rows) + note


def _terms(stats: dict[str, Any]) -> str:
    used = list(dict.fromkeys(n for c in stats["cells"] for n in (c["source"], c["component"])))
    terms = "\n".join(f"- {n}: {_TERMS[n]}" for n in used if n in _TERMS)
    cite = "\n".join(f"- {_CITE[n]}" for n in used if n in _CITE)
    own = "- Tong et al., Cambrian-1: A Fully Open, Vision-Centric Exploration of Multimodal LLMs, NeurIPS 2024\n"
    head = "## Terms\n\nThe terms of the images and annotations apply to the questions made from them."
    return f"{head}\n\n{terms}\n\n## Cite\n\n{own}{cite}\n"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{k}: {v}" for k, v in counts.items())


def _short(value: Any) -> str:
    return str(value)


def _table(head: list[Any], rows: list[list[Any]]) -> str:
    def line(cells: list[Any]) -> str:
        return "| " + " | ".join(str(c).replace("|", "\\|") for c in cells) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *(line(r) for r in rows)]) + "\n"
