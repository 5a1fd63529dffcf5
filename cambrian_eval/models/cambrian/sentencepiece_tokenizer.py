"""A Llama tokenizer read from `tokenizer.model`, with the rules of transformers 4.37's slow class.

The 13B, the 34B and Phi-3 were trained and evaluated with that class. Current transformers converts such files to
another implementation (and needs protobuf for it), which may place the space marker differently around special tokens
and line breaks; one id more or less moves the image. The few rules are therefore written out here: special tokens are
cut out first, each piece between them is encoded by SentencePiece itself, and the `legacy` key decides whether a piece
after a special token gets the dummy prefix.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MARKER = "▁"
_NO_DUMMY_PREFIX = b"\x1a\x02\x18\x00"
"""A protobuf fragment: normalizer_spec { add_dummy_prefix: false }. Appended to a model, it overrides that key."""

_FILES = (
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.json",
)


@dataclass(frozen=True)
class _Added:
    index: int
    content: str
    strips_left: bool
    strips_right: bool
    special: bool


class SentencePieceTokenizer:
    """Encodes and decodes as transformers' slow Llama tokenizer did."""

    def __init__(self, folder: Path) -> None:
        from sentencepiece import SentencePieceProcessor

        self.folder = folder
        settings = _read(folder / "tokenizer_config.json")
        self.legacy = settings.get("legacy") is not False
        self.add_bos = bool(settings.get("add_bos_token", True))
        self.add_eos = bool(settings.get("add_eos_token", False))
        self.add_prefix_space = bool(settings.get("add_prefix_space", True))
        self.clean_up = bool(settings.get("clean_up_tokenization_spaces", True))
        model = (folder / "tokenizer.model").read_bytes()
        if not self.legacy:
            model += _NO_DUMMY_PREFIX
        self.pieces = SentencePieceProcessor(model_proto=model)
        named = {**settings, **_read(folder / "special_tokens_map.json")}
        self.bos_token = _content(named.get("bos_token")) or "<s>"
        self.eos_token = _content(named.get("eos_token")) or "</s>"
        self.unk_token = _content(named.get("unk_token")) or "<unk>"
        self.pad_token = _content(named.get("pad_token"))
        self.named = _roles(named)
        self.named |= {self.bos_token, self.eos_token, self.unk_token}
        self.added = self._added_tokens(settings, _read(folder / "added_tokens.json"))
        by_length = sorted(self.added, key=len, reverse=True)
        self._splitter = re.compile("(" + "|".join(map(re.escape, by_length)) + ")")
        self._special_ids = {added.index for added in self.added.values() if added.special}
        self._unk_length = len(self.pieces.encode(self.unk_token))

    def __len__(self) -> int:
        return max(int(self.pieces.vocab_size()), 1 + max(added.index for added in self.added.values()))

    @property
    def bos_token_id(self) -> int:
        """The id of the token that the files name, else of `<s>`."""
        return self.token_id(self.bos_token)

    @property
    def eos_token_id(self) -> int:
        """The id of the token that the files name, else of `</s>`."""
        return self.token_id(self.eos_token)

    @property
    def pad_token_id(self) -> int | None:
        """The id of the padding token; None where the files name none."""
        return None if self.pad_token is None else self.token_id(self.pad_token)

    def token_id(self, token: str) -> int:
        """The id of a token: added tokens first, then SentencePiece's; unknown ones have that of the unknown piece."""
        added = self.added.get(token)
        return int(self.pieces.piece_to_id(token)) if added is None else added.index

    def get_vocab(self) -> dict[str, int]:
        """Every piece and added token with its id; an added token that is also a piece keeps its added id."""
        base = {self.pieces.id_to_piece(index): index for index in range(self.pieces.vocab_size())}
        return base | self.get_added_vocab()

    def get_added_vocab(self) -> dict[str, int]:
        """Every added token with its id."""
        return {content: added.index for content, added in self.added.items()}

    def __call__(self, text: str) -> dict[str, list[int]]:
        """Ids of a text with the BOS and EOS that the tokenizer adds by default, and their mask."""
        ids = [self.bos_token_id] if self.add_bos else []
        ids += self._encode(text)
        ids += [self.eos_token_id] if self.add_eos else []
        return {"input_ids": ids, "attention_mask": [1] * len(ids)}

    def _encode(self, text: str) -> list[int]:
        if not text:
            return []
        if not self.legacy:
            text = text.replace(_MARKER, " ")
            text = _MARKER + text if self.add_prefix_space else text
        parts = [part for part in self._splitter.split(text) if part]
        found: list[list[int]] = []
        for index, part in enumerate(parts):
            added = self.added.get(part)
            found.append([added.index] if added else self._encode_piece(self._stripped(parts, index)))
        first = self.token_id(_MARKER)
        if not self.legacy and found and found[0] == [first] and len(found) > 1 and parts[1] in self.named:
            # The prefix before a text that begins with a special token is removed again, but only for tokens that
            # have a role: Phi-3's <|system|> has none and keeps the marker before it.
            found = found[1:]
        return [index for ids in found for index in ids]

    def _stripped(self, parts: Sequence[str], index: int) -> str:
        """A piece of text without the spaces that neighboring special tokens strip."""
        text = parts[index]
        before = self.added.get(parts[index - 1]) if index else None
        after = self.added.get(parts[index + 1]) if index + 1 < len(parts) else None
        if before is not None and before.strips_right:
            text = text.lstrip()
        return text.rstrip() if after is not None and after.strips_left else text

    def _encode_piece(self, text: str) -> list[int]:
        if self.legacy or not text.startswith((_MARKER, " ")):
            return list(self.pieces.encode(text))
        # SentencePiece would drop or merge leading spaces; after a known token it keeps them.
        return list(self.pieces.encode(self.unk_token + text))[self._unk_length :]

    def decode(self, ids: Any, skip_special_tokens: bool = False) -> str:
        """Text of ids; added tokens are written out unless skipped."""
        named = {added.index: added.content for added in self.added.values()}
        texts: list[str] = []
        run: list[int] = []
        for index in [int(one) for one in ids]:
            if index in named:
                if index in self._special_ids and skip_special_tokens:
                    continue
                texts += [self.pieces.decode(run), named[index]]
                run = []
            elif 0 <= index < self.pieces.vocab_size():
                run.append(index)
        text = " ".join(part for part in [*texts, self.pieces.decode(run)] if part)
        if not self.legacy and self.add_prefix_space:
            text = text.removeprefix(" ")
        return _cleaned(text) if self.clean_up else text

    def save_pretrained(self, folder: str | Path) -> None:
        """Copy the tokenizer's files."""
        for name in _FILES:
            source, target = self.folder / name, Path(folder) / name
            if source.is_file() and source.resolve() != target.resolve():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)

    def _added_tokens(self, settings: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, _Added]:
        added: dict[str, _Added] = {}
        for token in (self.bos_token, self.eos_token, self.unk_token):
            added[token] = _Added(int(self.pieces.piece_to_id(token)), token, False, False, True)
        for content, index in extra.items():
            added[content] = _Added(int(index), content, False, False, content.startswith("<"))
        for index, entry in settings.get("added_tokens_decoder", {}).items():
            content = entry["content"]
            strips = (bool(entry.get("lstrip")), bool(entry.get("rstrip")))
            added[content] = _Added(int(index), content, *strips, bool(entry.get("special")))
        if self.pad_token is not None and self.pad_token not in added:
            index = int(self.pieces.piece_to_id(self.pad_token))
            added[self.pad_token] = _Added(index, self.pad_token, False, False, True)
        return added


def reads(folder: Path) -> bool:
    """Whether a folder's tokenizer is a SentencePiece Llama tokenizer."""
    if not (folder / "tokenizer.model").is_file():
        return False
    named = str(_read(folder / "tokenizer_config.json").get("tokenizer_class", "LlamaTokenizer"))
    return named.removesuffix("Fast") == "LlamaTokenizer"


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _content(token: Any) -> str | None:
    return token.get("content") if isinstance(token, Mapping) else token


def _roles(settings: Mapping[str, Any]) -> set[str]:
    """The tokens that settings give a role: beginning, end, padding and so on, or "additional special"."""
    roles = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
    tokens = [settings.get(f"{role}_token") for role in roles] + list(settings.get("additional_special_tokens") or [])
    return {content for content in map(_content, tokens) if content}


def _cleaned(text: str) -> str:
    for mark in (".", "?", "!", ","):
        text = text.replace(" " + mark, mark)
    text = text.replace(" ' ", "'")
    for contraction in ("n't", "'m", "'s", "'ve", "'re"):
        text = text.replace(" " + contraction, contraction)
    return text
