"""A small language model as a predictor: fine-tuned by LoRA on questions about other images, without images.

It knows what the others cannot: what words mean. For every fold, the released weights get a new adapter. Answers from a
list are compared by their likelihood after the prompt; free answers are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cambrian_eval.errors import UserError, describe, one_line
from cambrian_eval.models.transformers_vlm.checkpoint import find_folder
from cambrian_eval.models.transformers_vlm.options import TransformersOptions
from cambrian_eval.results.bias.predictors import Predictor
from cambrian_eval.results.bias.texts import Texts

if TYPE_CHECKING:
    from cambrian_eval.results.bias.texts import Array, Places

_NEW_TOKENS = 16
"""The longest free answer."""


@dataclass(frozen=True, slots=True)
class Training:
    """How the adapter is trained."""

    epochs: int = 3
    rate: float = 5e-4
    rank: int = 8
    batch: int = 16
    tokens: int = 512
    """Longer prompts lose their beginning."""
    seed: int = 0


def language_model(spec: str, offline: bool = False, training: Training | None = None) -> Predictor:
    """The predictor for `hf:FOLDER` or `hf:HUB_ID`; loads the weights."""
    kind, _, name = spec.partition(":")
    if kind != "hf" or not name:
        raise UserError(f"--lm {spec}: name a language model as hf:HUB_ID or hf:FOLDER")
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise UserError("--lm needs peft; install cambrian-eval[peft]") from error
    model = _LanguageModel(name, offline, training or Training())
    return Predictor(
        spec, "a language model fine-tuned by LoRA", model.closed, model.free, tier=2, settings=model.settings
    )


class _LanguageModel:
    """The weights, and one adapter at a time."""

    def __init__(self, name: str, offline: bool, training: Training) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        folder = find_folder(name, TransformersOptions(offline=offline))
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self._words = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._base = AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
            ).to(self._device)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise UserError(f"--lm hf:{name} is not a language model: {one_line(describe(error), 300)}") from error
        if self._words.pad_token_id is None:
            self._words.pad_token = self._words.eos_token
        self._training = training
        fields = ("epochs", "rate", "rank", "batch", "tokens", "seed")
        self.settings = {"weights": folder.name, **{name: getattr(training, name) for name in fields}}

    def closed(self, texts: Texts, train: Places, test: Places) -> Array:
        """The log-likelihood of every answer that a test sample allows."""
        import numpy as np
        import torch

        model = self._adapted(texts, train)
        cases = [(self._prompt(texts, int(i)), self._answer(a)) for i in test for a in texts.legal[i]]
        found = np.zeros(len(cases))
        with torch.inference_mode():
            for places in _batches(len(cases), self._training.batch):
                found[places] = (-self._losses(model, [cases[p] for p in places])).float().cpu().numpy()
        model.unload()
        return found

    def free(self, texts: Texts, train: Places, test: Places) -> list[str]:
        """Greedy answers."""
        import torch

        model = self._adapted(texts, train)
        found = []
        with torch.inference_mode():
            for i in test:
                prompt = torch.tensor([self._prompt(texts, int(i))], device=self._device)
                made = model.generate(
                    input_ids=prompt,
                    attention_mask=torch.ones_like(prompt),
                    max_new_tokens=_NEW_TOKENS,
                    do_sample=False,
                    pad_token_id=self._words.pad_token_id,
                )
                found.append(self._words.decode(made[0, prompt.shape[1] :], skip_special_tokens=True).strip())
        model.unload()
        return found

    def _adapted(self, texts: Texts, train: Places) -> Any:
        """The released weights with an adapter trained on the right answers of some samples."""
        import torch
        from peft import LoraConfig, get_peft_model

        own = self._training
        torch.manual_seed(own.seed)
        settings = LoraConfig(r=own.rank, lora_alpha=2 * own.rank, target_modules="all-linear", task_type="CAUSAL_LM")
        model = get_peft_model(self._base, settings)
        cases = [(self._prompt(texts, int(i)), self._answer(_taught(texts, int(i)))) for i in train]
        adapter = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(adapter, lr=own.rate)
        order = torch.Generator().manual_seed(own.seed)
        model.train()
        for _ in range(own.epochs if cases else 0):
            shuffled = torch.randperm(len(cases), generator=order).tolist()
            for places in _batches(len(cases), own.batch):
                loss = self._losses(model, [cases[shuffled[p]] for p in places]).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        model.eval()
        return model

    def _losses(self, model: Any, cases: Sequence[tuple[list[int], list[int]]]) -> Any:
        """The negative log-likelihood of each answer after its prompt."""
        import torch

        longest = max(len(prompt) + len(answer) for prompt, answer in cases)
        ids = torch.full((len(cases), longest), int(self._words.pad_token_id))
        asked, counted = torch.zeros_like(ids), torch.zeros(ids.shape)
        for row, (prompt, answer) in enumerate(cases):
            end = len(prompt) + len(answer)
            ids[row, :end] = torch.tensor([*prompt, *answer])
            asked[row, :end] = 1
            counted[row, len(prompt) : end] = 1.0
        ids, asked, counted = (t.to(self._device) for t in (ids, asked, counted))
        logits = model(input_ids=ids, attention_mask=asked).logits[:, :-1]
        each = torch.nn.functional.cross_entropy(logits.float().transpose(1, 2), ids[:, 1:], reduction="none")
        return (each * counted[:, 1:]).sum(dim=1)

    def _prompt(self, texts: Texts, i: int) -> list[int]:
        """The tokens that ask sample i, in the model's chat template where it has one."""
        text = texts.benchmark.prompt(texts.samples[i])
        if self._words.chat_template:
            text = self._words.apply_chat_template(
                [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
            )
            return list(self._words(text, add_special_tokens=False)["input_ids"])[-self._training.tokens :]
        return list(self._words(f"{text}\nAnswer: ")["input_ids"])[-self._training.tokens :]

    def _answer(self, text: str) -> list[int]:
        ids = list(self._words(text, add_special_tokens=False)["input_ids"])
        return [*ids, self._words.eos_token_id] if self._words.eos_token_id is not None else ids


def _taught(texts: Texts, i: int) -> str:
    """The answer that scores best, the first of equals."""
    offered = texts.answers(i)
    return max(offered, key=lambda text: offered[text])


def _batches(n: int, size: int) -> Iterator[list[int]]:
    for start in range(0, n, size):
        yield list(range(start, min(start + size, n)))
