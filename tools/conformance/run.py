"""How harnesses read the same responses: one set with careful verdicts, through the scoring functions of each.

    python tools/conformance/run.py [--lmms-eval DIR] [--vlmevalkit DIR] [--cambrian DIR] [--python EXE] [--json FILE]

DIR is a checkout of yours. Each harness runs in a process of its own, with its own files; of its dependencies only
those are needed that its scoring functions call, and what could not be imported is listed. No request is sent: where a
harness would ask a judge or draw an option at random, that is the outcome. `cases.jsonl` has the responses, each with
the verdict of a careful reader and why; `questions.json` has their questions.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from question import Case, cases, questions

KINDS = ("agree", "false accept", "false reject", "judge", "random", "stops")
EXAMPLES = 4


@dataclass(frozen=True)
class Conformance:
    """What one harness made of the set."""

    name: str
    commit: str
    counts: Mapping[str, Counter[str]]
    """Benchmark to kind of outcome to responses."""
    absent: Mapping[str, str]
    """Benchmark to why its function could not be imported or run."""
    examples: Mapping[str, Mapping[int, list[str]]] = field(default_factory=dict)
    """Kind to number of the case to benchmarks."""

    @property
    def total(self) -> Counter[str]:
        """Over all benchmarks."""
        return sum(self.counts.values(), Counter())


def kind(outcome: str, case: Case) -> str:
    """An outcome against the careful verdict."""
    if outcome == "right":
        return "agree" if case.right else "false accept"
    if outcome == "wrong":
        return "false reject" if case.right else "agree"
    return outcome if outcome in ("judge", "random") else "stops"


def conformance(name: str, module: str, checkout: Path | None, python: str, given: Sequence[Case]) -> Conformance:
    """Runs one harness over all cases."""
    command = [python, str(Path(__file__).with_name("worker.py")), module, *([str(checkout)] if checkout else [])]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it printed nothing"]
        return Conformance(name, _commit(checkout), {}, {"all": last[0]})
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    absent: dict[str, str] = {}
    examples: dict[str, dict[int, list[str]]] = {k: defaultdict(list) for k in KINDS}
    for line in map(json.loads, done.stdout.splitlines()):
        benchmark = line["benchmark"]
        if "import" in line:
            absent[benchmark] = line["import"]
        elif line["outcome"].startswith("error: needs "):
            absent[benchmark] = f"{line['outcome'].removeprefix('error: ')} for some responses"
        else:
            found = kind(line["outcome"], given[line["case"]])
            counts[benchmark][found] += 1
            examples[found][line["case"]].append(benchmark)
    return Conformance(name, _commit(checkout), counts, absent, examples)


def _commit(checkout: Path | None) -> str:
    if checkout is None:
        return f"cambrian-eval {version('cambrian-eval')}"
    done = subprocess.run(["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip()[:12] or "unknown"


def markdown(all_of_them: Sequence[Conformance], given: Sequence[Case]) -> str:
    """The tables of the page."""
    heading = ["harness", "version", "scored", "agree, of decided", "false accepts", "false rejects", "undecided"]
    lines = [_row(heading), _row(["---"] * len(heading))]
    for one in all_of_them:
        total = one.total
        decided = sum(total[k] for k in KINDS[:3])
        agree = f"{total['agree']} ({100 * total['agree'] / decided:.1f} %)" if decided else "-"
        undecided = ", ".join(f"{total[k]} {k}" for k in KINDS[3:] if total[k]) or "-"
        lines.append(
            _row([one.name, one.commit, total.total(), agree, total["false accept"], total["false reject"], undecided])
        )
    lines += ["", _row(["benchmark", *(one.name for one in all_of_them)]), _row(["---"] * (1 + len(all_of_them)))]
    for benchmark in dict.fromkeys(b for q in questions().values() for b in q.benchmarks):
        lines.append(_row([benchmark, *(_cell(one, benchmark) for one in all_of_them)]))
    for one in all_of_them:
        for wanted in ("false accept", "false reject"):
            found = sorted(one.examples.get(wanted, {}).items(), key=lambda item: (-len(item[1]), item[0]))
            if found:
                lines += ["", f"{one.name}, {wanted}s, those in most benchmarks first:", ""]
                lines += [_example(given[n], benchmarks) for n, benchmarks in found[:EXAMPLES]]
        lines += ["", *(f"{one.name}, {b}: not scored, {why}" for b, why in one.absent.items())] if one.absent else []
    return "\n".join(lines) + "\n"


def _cell(one: Conformance, benchmark: str) -> str:
    counts = one.counts.get(benchmark)
    if not counts:
        return "-"
    asked = sum(counts[k] for k in KINDS[3:])
    return f"{counts['agree']}, +{counts['false accept']}, -{counts['false reject']}" + (f", ?{asked}" if asked else "")


def _example(case: Case, benchmarks: Sequence[str]) -> str:
    said = case.response.replace("\n", "\\n").replace("`", "'")
    return f"- {f'`{said}`' if said else 'an empty response'} ({case.why}): {', '.join(benchmarks)}"


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lmms-eval", type=Path, metavar="DIR", help="a checkout of EvolvingLMMs-Lab/lmms-eval")
    parser.add_argument("--vlmevalkit", type=Path, metavar="DIR", help="a checkout of open-compass/VLMEvalKit")
    parser.add_argument("--cambrian", type=Path, metavar="DIR", help="a checkout of cambrian-mllm/cambrian")
    parser.add_argument("--python", default=sys.executable, metavar="EXE", help="the Python that runs their functions")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all counts here")
    args = parser.parse_args()
    given = cases()
    plan = [
        ("lmms-eval", "lmms_eval", args.lmms_eval, "lmms_eval/tasks"),
        ("VLMEvalKit", "vlmevalkit", args.vlmevalkit, "vlmeval/dataset"),
        ("authors' scripts", "authors", args.cambrian, "eval/eval"),
    ]
    for name, _, checkout, inside in plan:
        if checkout is not None and not (checkout / inside).is_dir():
            sys.exit(f"{checkout} is no checkout of {name}: it has no folder {inside}")
    ours = [("ours, official", "ours_official"), ("ours, fuzzy", "ours")]
    found = [conformance(name, module, at, args.python, given) for name, module, at, _ in plan if at is not None]
    found += [conformance(name, module, None, sys.executable, given) for name, module in ours]
    if args.json:
        values = [vars(one) for one in found]
        args.json.write_text(json.dumps({"cases": len(given), "harnesses": values}, indent=1) + "\n")
    right = sum(case.right for case in given)
    print(f"{len(given)} responses, {right} of them right, to {len(questions())} questions\n")
    print(markdown(found, given), end="")


if __name__ == "__main__":
    main()
