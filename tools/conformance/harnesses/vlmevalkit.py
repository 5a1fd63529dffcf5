"""VLMEvalKit: its own matching, with a judge where it would ask one.

RealWorldQA is a remake with lettered options there, so questions without options do not occur in it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from importing import Judge, NotAsked, load, prepare
from question import Question

from harnesses.ours import Scorer

UTILS = "vlmeval.dataset.utils"


def scorers(checkout: Path) -> dict[str, Callable[[], Scorer]]:
    """Benchmark to what imports its scorer."""
    prepare(checkout, ("vlmeval", "vlmeval.dataset", UTILS))
    choices = {
        "cvbench": "CV-Bench-2D", "mmvp": "MMVP", "realworldqa": "RealWorldQA", "seed": "SEEDBench_IMG",
        "ai2d": "AI2D_TEST", "scienceqa": "ScienceQA_TEST", "mmmu": "MMMU_DEV_VAL",
    }  # fmt: skip
    vqa = {"chartqa": ("ChartQA_TEST", "relaxed_accuracy"), "textvqa": ("TextVQA_VAL", "vqa_score"),
           "docvqa": ("DocVQA_VAL", "anls"), "gqa": ("GQA_TestDev_Balanced", "accuracy")}  # fmt: skip
    return {
        **{name: (lambda d=dataset: _choice(d)) for name, dataset in choices.items()},
        "mmbench": _circular,
        "mathvista": _mathvista,
        "mme": _yes_or_no,
        "pope": _yes_or_no,
        **{name: (lambda d=dataset, m=method: _vqa(d, m)) for name, (dataset, method) in vqa.items()},
        "ocrbench": _ocrbench,
    }


def _item(q: Question, response: str) -> dict[str, Any]:
    return {"index": 1, "question": q.question, "answer": q.gold, "GT": q.gold, "prediction": response, **q.lettered}


def _choice(dataset: str) -> Scorer:
    import pandas as pd

    module = load(f"{UTILS}.multiple_choice")

    def score(q: Question, response: str) -> bool:
        item = _item(q, response)
        if not q.options and dataset == "RealWorldQA":
            raise NotAsked
        if not q.options:  # MMMU's open questions become choices between the answer and "Other Answers"
            frame = module.MMMU_preproc(pd.DataFrame([{**item, "A": None, "B": None}]))
            item = {**frame.iloc[0].to_dict(), "GT": "A"}
        return bool(module.eval_vanilla(Judge(), pd.Series(item), dataset)["hit"])

    return score


def _circular() -> Scorer:
    import pandas as pd

    module = load(f"{UTILS}.multiple_choice")
    return lambda q, response: bool(
        module.eval_circular_group(Judge(), pd.DataFrame([_item(q, response)]), "MMBench_DEV_EN")["hit"]
    )


def _mathvista() -> Scorer:
    module = load(f"{UTILS}.mathvista")

    def score(q: Question, response: str) -> bool:
        line = {
            "question": q.question, "query": q.question, "prediction": response, "choices": str(list(q.options)),
            "question_type": "multi_choice" if q.options else "free_form", "answer": q.gold, "answer_option": q.gold,
            "answer_type": "text" if q.options else "integer",
        }  # fmt: skip
        return bool(module.post_check({**line, "res": module.MathVista_auxeval(Judge(), line)["res"]}))

    return score


def _yes_or_no() -> Scorer:
    module = load(f"{UTILS}.yorn")

    def score(q: Question, response: str) -> bool:
        found = module.YOrN_Extraction(response)
        if found == "Unknown":
            found = module.YOrN_auxeval(Judge(), {"question": q.question, "prediction": response})
        return bool(found == q.gold)

    return score


def _vqa(dataset: str, method: str) -> Scorer:
    module = load(f"{UTILS}.vqa_eval")

    def score(q: Question, response: str) -> bool:
        answers = [q.gold] * 10 if method == "vqa_score" else list(q.answers)
        text = str(answers) if len(answers) > 1 else answers[0]
        found = module.process_line({"answer": text, "prediction": response}, method=method)
        return bool(module.hit_calculate([found], dataset)[0] >= 0.5)

    return score


def _ocrbench() -> Scorer:
    import pandas as pd

    module = load(f"{UTILS}.ocrbench")
    kept: dict[str, Any] = {}
    module.tqdm = iter
    module.dump = lambda scores, _: kept.update(scores)
    module.get_intermediate_file_path = lambda *_, **__: ""

    def score(q: Question, response: str) -> bool:
        category = "Regular Text Recognition" if q.name == "word" else "Key Information Extraction"
        frame = pd.DataFrame([{"prediction": response, "answer": str(list(q.answers)), "category": category}])
        module.load = lambda _: frame
        module.OCRBench_eval("responses.xlsx")
        return bool(kept["Final Score"] == 1)

    return score
