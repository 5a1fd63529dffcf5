"""`--to hub-dataset`: results and samples as a dataset folder, which `hf upload` puts on the Hub as it is."""

from __future__ import annotations

import io
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cambrian_eval.registry import benchmark_names, load_benchmark

from .. import style
from ..export import MARK, Export, Exported, write_readme
from ..runs import SYNTHETIC, NamedRun

if TYPE_CHECKING:
    import pandas as pd


class HubDataset(Export):
    """Parquet files, a config for the results and one for the samples of each benchmark, with a dataset card."""

    name = "hub-dataset"
    summary = "a dataset folder for the Hugging Face Hub: results and samples as Parquet, with a card"

    def write(self, runs: Sequence[NamedRun], out: Path, scorer: str) -> Exported:
        """Writes all scorers and conditions; synthetic data has a column, and the card says it."""
        import pandas as pd

        from cambrian_eval.results.frames import flat, results_frame, samples_frame

        tables = {"results": pd.concat([results_frame(n.name, n.results) for n in runs], ignore_index=True)}
        for benchmark in dict.fromkeys(b for named in runs for b in named.run.benchmarks()):
            mine = [n for n in runs if benchmark in n.run.benchmarks()]
            frames = [flat(samples_frame(n.run, [benchmark])).assign(model=n.name) for n in mine]
            tables[benchmark] = pd.concat(frames, ignore_index=True)
        files = [style.write(out / "data" / f"{name}.parquet", _parquet(frame)) for name, frame in tables.items()]
        files.append(write_readme(out / "README.md", _card(runs, list(tables))))
        return Exported(tuple(files), (f"hf upload USER/NAME {shlex.quote(str(out))} --repo-type dataset",))


def _parquet(frame: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    frame.to_parquet(content, index=False)
    return content.getvalue()


def _card(runs: Sequence[NamedRun], names: Sequence[str]) -> str:
    """The README of the dataset: the files of each config, and what the columns are."""
    from huggingface_hub import DatasetCardData

    configs = [{"config_name": n, "data_files": f"data/{n}.parquet"} for n in names]
    drawn = any(named.synthetic for named in runs)
    data = DatasetCardData(configs=configs, tags=["cambrian-eval", *(["synthetic"] if drawn else [])])
    known = set(benchmark_names())
    sources = [f"- `{n}`: {load_benchmark(n).source.repo}" for n in names if n in known]
    lines = ["# Evaluation with cambrian-eval", f"Models: {', '.join(f'`{_code(n.name)}`' for n in runs)}."]
    if drawn:
        lines.append(
            f"**{SYNTHETIC.capitalize()}**: a program drew the rows that are marked in the column `synthetic`. Their "
            "scores say nothing about the published benchmarks."
        )
    elif any(named.partial for named in runs):
        lines.append("**Subset**: rows of `results` whose column `complete` is false are scores on a part of the rows.")
    lines += [
        "`results` has a row for each model, benchmark, vision condition and scorer. Each other config has a row for "
        "each response to a benchmark: question, answers, prompt, response, and what each scorer read and decided.",
        "Questions and answers come from these datasets, whose licenses hold for them; images are not included:",
        "\n".join(sources) or "none of the published benchmarks.",
    ]
    return f"---\n{data.to_yaml()}\n---\n\n{MARK}\n\n" + "\n\n".join(lines) + "\n"


def _code(text: str) -> str:
    return "".join(c if c.isprintable() and c != "`" else " " for c in text)


EXPORT = HubDataset()
