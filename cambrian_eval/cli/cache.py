"""`cambrian-eval cache`: what a response cache (`run --cache FILE`) holds, and removing from it."""

from __future__ import annotations

import time
from pathlib import Path

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def cache() -> None:
    """Response caches: what they hold, and removing from them."""


@app.command()
def stats(
    file: Path = typer.Argument(help="The file of --cache."),
    json: bool = typer.Option(False, "--json", help="One JSON object instead of text."),
) -> None:
    """Show how many responses of which models a cache holds."""
    from dataclasses import asdict

    from cambrian_eval.cli import output
    from cambrian_eval.running.cache import ResponseCache

    found = ResponseCache(file, create=False)
    shares, size = found.shares(), found.n_bytes
    found.close()
    if json:
        total = sum(share.responses for share in shares)
        print(output.as_json({"responses": total, "bytes": size, "models": [asdict(share) for share in shares]}))
        return
    rows = [[s.model, f"{s.responses:,}", _size(s.bytes), _day(s.last_used)] for s in shares]
    print(output.table([["model", "responses", "size", "last used"], *rows]))
    print(f"{sum(share.responses for share in shares):,} responses, {_size(size)}")


@app.command()
def prune(
    file: Path = typer.Argument(help="The file of --cache."),
    unused_days: float = typer.Option(None, min=0, help="Remove what was not used for so many days."),
    model: str = typer.Option(None, help="Remove responses of this model only."),
) -> None:
    """Remove responses from a cache and make the file smaller."""
    from cambrian_eval.errors import UserError
    from cambrian_eval.running.cache import ResponseCache

    if unused_days is None and model is None:
        raise UserError("nothing chosen to remove; give --unused-days DAYS, --model NAME, or both")
    found = ResponseCache(file, create=False)
    known = [share.model for share in found.shares()]
    if model is not None and model not in known:
        found.close()
        raise UserError(f"{file} holds no responses of {model!r}; it has: {', '.join(known) or 'none'}")
    n = found.prune(unused_days, model)
    size = found.n_bytes
    found.close()
    print(f"{n:,} responses removed; {_size(size)} left")


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds))


def _size(n: int) -> str:
    return f"{n / 1e6:,.1f} MB" if n >= 1e6 else f"{n / 1e3:.1f} kB"
