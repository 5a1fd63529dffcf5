"""`cambrian-eval doctor`: what is installed on this machine, and what is missing for which feature."""

from __future__ import annotations

from typing import Any

import typer

NEEDS = (
    ("torch", "local models"),
    ("transformers", "local models"),
    ("accelerate", "device maps and quantization"),
    ("datasets", "datasets from the Hub"),
    ("pyarrow", "Parquet data"),
    ("PIL", "images"),
    ("rapidfuzz", "fuzzy scoring"),
    ("openai", "API models and the LLM judge"),
    ("aiohttp", "API models and the LLM judge"),
    ("matplotlib", "figures"),
    ("sklearn", "benchmark analysis"),
    ("pycocotools", "building CV-Bench"),
    ("ray", "many GPUs: pip install 'cambrian-eval[ray]'"),
    ("fastapi", "--serve 'transformers serve': pip install 'cambrian-eval[serve]'"),
    ("bitsandbytes", "--quantize: pip install bitsandbytes"),
    ("peft", "--adapter: pip install 'cambrian-eval[peft]'"),
    ("flash_attn", "--attention flash_attention_2"),
)


def doctor(
    data: bool = typer.Option(False, help="Say for each benchmark where its rows would come from."),
    benchmark: str = typer.Option("everything", help="With --data: only these benchmarks or suites."),
    offline: bool = typer.Option(False, help="With --data: look at caches only."),
    json: bool = typer.Option(False, "--json", help="One JSON object instead of text."),
) -> None:
    """Show versions, devices and cache folders, and what is missing for which feature."""
    from cambrian_eval.cli import output

    if data:
        _data(benchmark, offline, json)
        return
    found = examine()
    if json:
        print(output.as_json(found))
        return
    print(f"cambrian-eval {found['version']}, Python {found['python']}, {found['system']}")
    rows = [["package", "version", "needed for"]]
    rows += [[p["name"], p["version"] or "missing", p["for"]] for p in found["packages"]]
    print(output.table(rows))
    print(f"devices: {', '.join(found['devices'])}")
    for name, value in found["caches"].items():
        print(f"{name}: {value}")
    for name, present in found["keys"].items():
        print(f"{name}: {'set' if present else 'not set (needed for API models and the judge)'}")
    for name, value in found["proxies"].items():
        print(f"proxy for {name}: {value}")
    missing = [f"{p['name']} ({p['for']})" for p in found["packages"] if not p["version"]]
    output.sentences([f"missing: {'; '.join(missing) or 'nothing'}"])


def _data(benchmark: str, offline: bool, json: bool) -> None:
    """The first address of each benchmark that has its rows, and what was recorded when they were first seen."""
    from dataclasses import asdict

    from cambrian_eval.cli import output
    from cambrian_eval.data.places import places
    from cambrian_eval.data.seen import seen_file
    from cambrian_eval.registry import load_benchmark

    found = places([load_benchmark(name) for name in output.benchmarks(benchmark)], offline)
    if json:
        print(output.as_json({"data": [asdict(place) for place in found], "seen": str(seen_file())}))
        return
    rows = [["benchmark", "rows", "state", "address", "revision", "seen before"]]
    for p in found:
        expected = f"{p.rows:,}" if p.rows else "-"
        rows.append([p.benchmark, expected, p.state, p.address, p.revision[:12], p.seen or "-"])
    print(output.table(rows, right=(1,)))
    for place in found:
        if place.reason:
            print(f"{place.benchmark}: {place.reason}")


def examine() -> dict[str, Any]:
    """The facts that are printed. Imports torch only to list devices."""
    import os
    import platform
    from importlib.metadata import PackageNotFoundError, packages_distributions, version
    from importlib.util import find_spec

    from cambrian_eval import __version__

    distributions = packages_distributions()

    def installed(name: str) -> str | None:
        if find_spec(name) is None:
            return None
        try:
            return version(distributions.get(name, [name])[0])
        except PackageNotFoundError:
            return "unknown"

    devices = [f"cpu ({os.cpu_count()} cores)"]
    if find_spec("torch") is not None:
        import torch

        devices += [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        if torch.backends.mps.is_available():
            devices.append("mps")
    caches = {}
    if find_spec("huggingface_hub") is not None:
        from huggingface_hub.constants import HF_HOME, HF_HUB_CACHE

        caches = {"hub cache": HF_HUB_CACHE, "hub home": HF_HOME}
    caches["offline"] = "yes" if os.environ.get("HF_HUB_OFFLINE") in ("1", "true", "True") else "no"
    return {
        "version": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": [{"name": n, "version": installed(n), "for": why} for n, why in NEEDS],
        "devices": devices,
        "caches": caches,
        "proxies": proxies(),
        "keys": {"OPENAI_API_KEY": bool(os.environ.get("OPENAI_API_KEY"))},
    }


def proxies() -> dict[str, str]:
    """The proxies that connections to endpoints and to the Hub use, without user and password; `no` lists exceptions.

    They come from HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in capital or small letters.
    """
    from urllib.request import getproxies

    def bare(url: str) -> str:
        scheme, separator, rest = url.rpartition("//")
        return scheme + separator + rest.rpartition("@")[2]

    return {name: value if name == "no" else bare(value) for name, value in sorted(getproxies().items())}
