"""run.json: what is needed to repeat a run, and what must be equal when it is resumed or merged."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

from cambrian_eval import decoding
from cambrian_eval.benchmark import Benchmark
from cambrian_eval.data.rows import Loaded
from cambrian_eval.errors import UserError
from cambrian_eval.model import Model
from cambrian_eval.registry import load_benchmark
from cambrian_eval.running.changes import OnChange
from cambrian_eval.running.settings import Settings
from cambrian_eval.running.store import Run
from cambrian_eval.safe_text import name_line
from cambrian_eval.sample import Sample

PACKAGES = (
    *("cambrian-eval", "torch", "transformers", "tokenizers", "datasets", "pyarrow", "pillow"),
    *("numpy", "scipy", "rapidfuzz", "openai", "ray"),
)


def describe(
    spec: str | Model,
    model: Model,
    settings: Settings,
    plan: Sequence[Benchmark],
    loaded: Mapping[str, Loaded],
    options: Mapping[str, Any] | None,
    engine: Mapping[str, Any],
) -> dict[str, Any]:
    """What is needed to repeat the run. `responses_depend_on` must be equal when a run is resumed."""
    return {
        "model": {
            "name": name_line(model.name),
            "spec": _spec(spec, model),
            "fingerprint": model.fingerprint,
            "max_images": model.max_images,
            "details": dict(model.describe()),
            "options": {k: v for k, v in (options or {}).items() if v is not None},
        },
        "responses_depend_on": {
            "model fingerprint": model.fingerprint,
            "prompts": settings.prompts,
            "seed": settings.seed,
            "limit": settings.limit,
            "max_new_tokens": settings.own_limit,
            "max_pixels": settings.max_pixels,
            "shard": None if settings.shard is None else settings.shard.text,
            **decoding.facts(settings.decoding, settings.system, settings.thinking, settings.order),
            **({"templates": {n: t.as_dict() for n, t in settings.templates.items()}} if settings.templates else {}),
        },
        **({} if settings.repeats == 1 else {"repeats": settings.repeats}),
        **({} if settings.recipe is None else {"recipe": dict(settings.recipe)}),
        "conditions": list(settings.conditions),
        "scorers": list(settings.scorers),
        "official_raw": settings.official_raw,
        "data": {
            "kind": settings.data.text,
            "root": None if settings.data.root is None else str(settings.data.root),
        },
        "benchmarks": {b.name: _describe_benchmark(b, settings, loaded[b.name]) for b in plan},
        "passes": [
            {
                "start": now(),
                "end": None,
                "interrupted": None,
                "benchmarks": [b.name for b in plan],
                "conditions": list(settings.conditions),
                **({} if settings.repeats == 1 else {"repeats": settings.repeats}),
                **({} if settings.until is None else {"until": settings.until.text}),
                "engine": dict(engine),
                **surroundings(),
            }
        ],
    }


def _spec(spec: str | Model, model: Model) -> str:
    """The `--model` spec, completed by the model's name where it names none (`openai:` with `--serve`)."""
    if not isinstance(spec, str):
        return model.name
    return f"{spec}{model.name}" if spec.endswith(":") else spec


def _describe_benchmark(benchmark: Benchmark, settings: Settings, loaded: Loaded) -> dict[str, Any]:
    template = _template(benchmark, loaded.samples[0], settings)
    prompts = sha256()
    for sample in loaded.samples:
        prompts.update(settings.prompt(benchmark, sample).encode("utf-8", "surrogatepass") + b"\0")
    return {
        "title": benchmark.title,
        "category": benchmark.category,
        "data": loaded.provenance,
        "samples": len(loaded.samples),
        "complete": loaded.complete,
        **({} if loaded.subset is None else {"subset": loaded.subset}),
        "settings": benchmark.settings,
        "max_new_tokens": settings.answer_limit(benchmark),
        **({"places_images": True} if benchmark.places_images(settings.prompts) else {}),
        "prompt_template": template,
        "prompt_template_sha256": sha256(template.encode("utf-8", "surrogatepass")).hexdigest(),
        "prompts_sha256": prompts.hexdigest(),
        "warnings": list(loaded.warnings),
    }


def _template(benchmark: Benchmark, sample: Sample, settings: Settings) -> str:
    """The prompt of the first sample with its question and options replaced by their names."""
    names = tuple(f"{{option {label}}}" for label in sample.options)
    return settings.prompt(benchmark, replace(sample, question="{question}", choices=names))


RESPONSES_DEPEND_ON_VERSIONS = ("cambrian-eval", "torch", "transformers", "tokenizers", "pillow", "numpy")
"""Packages whose version can change a response."""


def versions_used(info: Mapping[str, Any]) -> dict[str, list[str]]:
    """The versions of those packages over all starts of a run; packages of which none is stored are left out."""
    found: dict[str, list[str]] = {}
    for one in info["passes"]:
        stored = one.get("versions")
        for name in RESPONSES_DEPEND_ON_VERSIONS if isinstance(stored, dict) else ():
            if isinstance(stored.get(name), str) and stored[name] not in found.setdefault(name, []):
                found[name].append(stored[name])
    return {name: sorted(versions) for name, versions in found.items() if versions}


MAY_BE_ABSENT = ("decoding", "system", "thinking", "order", "templates")
"""Settings that are stored only where they differ from the default."""
FINGERPRINT = "model fingerprint"
"""The setting that identifies the model: its weights, its options, and the code that runs it."""
FIXED = (FINGERPRINT, "limit", "shard")
"""Settings that one run can have only once, whatever `--on-change` says."""
STATED = ("decoding", "system", "thinking", "order")
"""Settings that results state for all responses: `--on-change reuse` cannot keep responses made under others."""


def continued(old: dict[str, Any], new: dict[str, Any], path: Path, on_change: OnChange) -> dict[str, Any]:
    """run.json of a resumed run: refuses other settings, adds benchmarks, conditions and the new start.

    Rows and prompts are not compared here: the request keys of the stored responses are (`running.changes`).
    """
    then, now = old["responses_depend_on"], new["responses_depend_on"]
    differences: list[str] = []
    hashes: list[str] = []
    for name in dict.fromkeys([*now, *(n for n in then if n in MAY_BE_ABSENT)]):
        if then.get(name) == now.get(name):
            continue
        if not (name in FIXED or on_change == "refuse" or (on_change == "reuse" and name in STATED)):
            continue
        if name == FINGERPRINT:
            differences += _models(old["model"], new["model"])
            hashes.append(_changed(name, then.get(name), now.get(name)))
        else:
            differences.append(_changed(name, then.get(name), now.get(name)))
    if old.get("repeats", 1) > new.get("repeats", 1):
        raise UserError(
            f"{path} has {old['repeats']} repeats; give --repeats {old['repeats']} or more, or another --out"
        )
    for name, now in new["benchmarks"].items():
        then = {**old["benchmarks"].get(name, now)}
        then["settings"] = settings_of(name, then)
        if then.get("subset") != now.get("subset"):
            left, right = ((about.get("subset") or {}).get("name", "all samples") for about in (then, now))
            differences.append(f"{name} subset: {left} -> {right if right != left else 'other samples'}")
        before, after = ({**about["settings"], "max_new_tokens": about["max_new_tokens"]} for about in (then, now))
        if on_change == "refuse":
            changed = [key for key in {**after, **before} if before.get(key) != after.get(key)]
            differences += [_changed(f"{name}.{key}", before.get(key), after.get(key)) for key in changed]
    if differences:
        differences += data_changes(old, new)
        error = UserError(
            f"{path} was made with other settings ({'; '.join(differences)}); use the same settings or another --out"
        )
        for line in hashes:
            error.add_note(line)  # shown with --debug
        raise error
    merged = {**old, **{k: new[k] for k in ("model", "scorers", "official_raw", "data", "responses_depend_on")}}
    merged |= {k: new[k] for k in ("repeats", "recipe") if k in new}
    if "recipe" not in new:
        merged.pop("recipe", None)
    merged["conditions"] = list(dict.fromkeys([*old["conditions"], *new["conditions"]]))
    merged["benchmarks"] = {**old["benchmarks"], **new["benchmarks"]}
    merged["passes"] = [*old["passes"], *new["passes"]]
    return merged


def data_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """How the `--data` and `--data-root` of two commands differ, in words."""
    parts = (("kind", "data"), ("root", "data root"))
    return [
        _changed(title, old["data"].get(part), new["data"].get(part))
        for part, title in parts
        if old["data"].get(part) != new["data"].get(part)
    ]


def _models(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """How two models differ, in words: their specs and options; with one spec its content may have changed as well."""
    left, right = ({"model": m["spec"], **(m.get("options") or {})} for m in (old, new))
    found = [
        _changed(name if name == "model" else f"option {name}", left.get(name), right.get(name))
        for name in dict.fromkeys([*left, *right])
        if left.get(name) != right.get(name)
    ]
    if left["model"] != right["model"]:
        return found
    content = "its files, version or server are no longer the same"
    return [f"model {new['spec']}: {', '.join(found)}{', or ' if found else ''}{content}"]


def _changed(name: str, then: Any, now: Any) -> str:
    """`limit: 8 -> none`."""
    left, right = (
        "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        for value in (then, now)
    )
    return f"{name}: {left} -> {right}"


def settings_of(benchmark: str, about: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a benchmark in run.json; one that is newer than the run has its default."""
    return {**load_benchmark(benchmark).settings, **about.get("settings", {})}


def close_pass(store: Run, interrupted: bool, cached: int | None = None) -> None:
    """Writes down when and how this start of the run ended."""
    info = store.info
    info["passes"][-1].update(end=now(), interrupted=interrupted)
    if cached is not None:
        info["passes"][-1]["cached"] = cached
    store.save_info(info)


def now() -> str:
    """Local time to the second with its offset from UTC, as run.json stores it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def surroundings() -> dict[str, Any]:
    """Versions, hardware and git state of this process."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = _version(name)
        except PackageNotFoundError:
            versions[name] = None
    hardware: dict[str, Any] = {
        "host": platform.node(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        hardware["gpus"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"versions": versions, "hardware": hardware, "git": _git()}


def _version(package: str) -> str:
    """The version of an installed package; `importlib.metadata.version` parses its whole description for it."""
    found = re.search(r"^Version: (\S+)$", distribution(package).read_text("METADATA") or "", re.MULTILINE)
    return found[1] if found else version(package)


def _git() -> dict[str, Any] | None:
    """Commit and cleanliness of the checkout this package runs from; None when it is installed elsewhere."""
    here = Path(__file__).resolve().parent

    def ask(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(here), *words], capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if ask("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    return {"commit": ask("rev-parse", "HEAD"), "changed": bool(ask("status", "--porcelain"))}
