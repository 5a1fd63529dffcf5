"""The demo checkpoint's tokenizer: byte-level BPE with one token per word, and one token for each fixed phrase.

Seventy tokens of system text and instructions before every answer are too many for a small network on few cores. What
prompts repeat literally (the conversation's frame, the benchmarks' final instructions, the labels of options) is
therefore one token each. Any other text is encoded in bytes where no merge exists.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from cambrian_eval.models.cambrian import prompts

TEMPLATE = prompts.template("vicuna_v1")
FRAME = TEMPLATE.system.join(TEMPLATE.system_parts) + TEMPLATE.question_parts[0]
OPENS_ANSWER = TEMPLATE.question_parts[1] + TEMPLATE.opens_answer
END = "</s>"
SPECIAL = ("<unk>", "<s>", END)

_WORDS = r" ?[A-Za-z']+| ?[0-9]+(?:\.[0-9]+)?[%°]?| ?[^\sA-Za-z0-9]|\s"
PHRASES = (
    "\nAnswer with the option's letter from the given choices directly.",
    "\nPlease answer directly with only the letter of the correct option and nothing else.",
    "\nPlease answer directly with a single word or number.",
    "\nAnswer the question using a single word or phrase.",
    "\nAnswer the question using a single number or phrase.",
    "\nGive the short answer directly.",
    " Please answer yes or no.",
    " Answer this question using the text in the image directly.",
    "\nFirst show your reasoning process and then give the final answer.",
    " Select from the following choices.",
    " Options:",
    "\nChoices:",
    "\nReference OCR tokens:",
    "Hint: Please answer the question and provide the correct option letter, e.g., A, B, C, D, at the end.\nQuestion:",
    "Hint: Please answer the question requiring an integer answer and provide the final value, e.g., 1, 2, 3, "
    "at the end.\nQuestion:",
    "Hint: Please answer the question requiring a floating-point number with one decimal place and provide the "
    "final value, e.g., 1.2, 1.3, 1.4, at the end.\nQuestion:",
    "Hint: Please answer the question requiring a floating-point number with two decimal places and provide "
    "the final value, e.g., 1.23, 1.34, 1.45, at the end.\nQuestion:",
    "Hint: Please answer the question requiring a Python list as an answer and provide the final list, e.g., "
    "[1, 2, 3], [1.2, 1.3, 1.4], at the end.\nQuestion:",
    " Please write out the expression of the formula in the image using LaTeX format.",
    "Considering the relative positions of the",
    " (annotated by the red box)",
    " in the image provided, where is the",
    " located with respect to the",
    "Which object is closer to the camera taking this photo, the",
    "Estimate the real-world distances between objects in this image. Which object is closer to the",
    " (highlighted by a red box)",
    " (highlighted by a blue box)",
    " (highlighted by a green box)",
    *(f"\n{letter}." for letter in "ABCDEF"),
    *(f"\n({letter})" for letter in "ABCDEF"),
)


def write_tokenizer(folder: Path, texts: Iterable[str], size: int) -> int:
    """Trains on `texts` and writes the tokenizer's files; returns its length."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((_without_phrases(text) for text in texts), trainer)
    fixed = (FRAME, OPENS_ANSWER, *PHRASES)
    tokenizer.add_tokens([AddedToken(phrase, normalized=False, special=False) for phrase in fixed])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "bos_token": "<s>",
                "eos_token": END,
                "unk_token": "<unk>",
                "pad_token": "<unk>",
                "model_max_length": 2048,
                "padding_side": "right",
                "clean_up_tokenization_spaces": False,
            },
            indent=2,
        )
        + "\n",
        encoding="utf-8",
    )
    return int(tokenizer.get_vocab_size())


def _without_phrases(text: str) -> str:
    for phrase in PHRASES:
        text = text.replace(phrase, "\n")
    return text
