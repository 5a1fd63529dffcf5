"""Prompt text to ids, with the image mark as one id of its own: the tokenization that the models were trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError

from .config import IMAGE_TOKEN_ID
from .prompts import IMAGE_MARK


def load_tokenizer(folder: Path) -> Any:
    """A checkpoint's tokenizer: SentencePiece by the rules used in training, else as its file states."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    from . import sentencepiece_tokenizer

    if sentencepiece_tokenizer.reads(folder):
        return sentencepiece_tokenizer.SentencePieceTokenizer(folder)
    if (folder / "tokenizer.json").is_file():
        # The plain class reads the file as it is; classes chosen by name may rebuild parts of it.
        return PreTrainedTokenizerFast.from_pretrained(str(folder))
    missing = f"{folder} has no tokenizer (tokenizer.json or tokenizer.model); download the checkpoint again"
    if not (folder / "tokenizer_config.json").is_file():
        raise UserError(missing)
    try:
        return AutoTokenizer.from_pretrained(str(folder))
    except (ValueError, OSError, ImportError):
        raise UserError(missing) from None


def prompt_ids(prompt: str, tokenizer: Any) -> list[int]:
    """Ids of a prompt, -200 for its image.

    Each piece around a mark is tokenized alone, with the tokenizer's defaults. If the first piece begins with the BOS
    id, the first id of every later piece is dropped, whatever it is: for a tokenizer that adds no BOS this drops the
    line break after the image, and the published results were computed that way.
    """
    pieces = [list(tokenizer(piece)["input_ids"]) for piece in prompt.split(IMAGE_MARK)]
    begins = bool(pieces[0]) and tokenizer.bos_token_id is not None and pieces[0][0] == tokenizer.bos_token_id
    ids = pieces[0]
    for piece in pieces[1:]:
        ids = [*ids, IMAGE_TOKEN_ID, *(piece[1:] if begins else piece)]
    return ids
