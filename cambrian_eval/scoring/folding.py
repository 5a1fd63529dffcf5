"""Unicode normal forms for scorers, in linear time whatever a model wrote.

Python's own normaliser sorts runs of combining marks by insertion, so a megabyte of alternating marks would
take minutes. Here long texts are normalised word by word, and absurdly long words in pieces: only a "word" of
more than `PIECE` characters can notice.
"""

from __future__ import annotations

import unicodedata
from typing import Literal

PIECE = 1024


def normal(form: Literal["NFC", "NFKC"], text: str) -> str:
    """The text in that normal form."""
    if text.isascii():
        return text
    if len(text) <= PIECE:
        return unicodedata.normalize(form, text)
    # A blank never composes with what follows it, so words may be normalised apart.
    return " ".join(_pieces(form, word) for word in text.split(" "))


def _pieces(form: Literal["NFC", "NFKC"], word: str) -> str:
    return "".join(unicodedata.normalize(form, word[i : i + PIECE]) for i in range(0, len(word), PIECE))
