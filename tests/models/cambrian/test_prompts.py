"""Templates against the published check values, and the choice between them."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from cambrian_eval.errors import UserError
from cambrian_eval.models.cambrian.prompts import TEMPLATES, choose_template, render_chat, template

ONE = {
    "llama_3": (608, "ab8bfe86de5335656962c0730fa54f8fe1fc64e76879c0a3e5ccaf280d29e860"),
    "vicuna_v1": (191, "3ed2cde16755dfc77f0f875357f88bdf31fcee586e6347f31f0e19d32575e357"),
    "chatml_direct": (512, "79677368f26e3820f80d53fa1fc89908f9b44ae2fb4f5d9de8da02bf12cd4dac"),
    "phi3": (100, "e8ab0c3390e5318bd16190aa5842b33ddd570ad1d29ec994a3d446529318eb6b"),
}
TWO = {
    "llama_3": (748, "877a22adb3359904"),
    "vicuna_v1": (248, "3d9c847669e21d45"),
    "chatml_direct": (606, "6f56c083502dc70d"),
    "phi3": (174, "2d18ce25de15b32d"),
}
QUESTION: dict[str, Any] = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "what is it?"}]}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("name", ONE)
def test_one_question(name: str) -> None:
    prompt = render_chat(template(name), [QUESTION], add_generation_prompt=True)
    assert (len(prompt), _hash(prompt)) == ONE[name]
    as_text: list[dict[str, Any]] = [{"role": "user", "content": "<image>\nwhat is it?"}]
    assert render_chat(template(name), as_text, add_generation_prompt=True) == prompt


@pytest.mark.parametrize("name", TWO)
def test_two_turns(name: str) -> None:
    chat = [
        QUESTION,
        {"role": "assistant", "content": "a red car"},
        {"role": "user", "content": "how many people are there?"},
    ]
    prompt = render_chat(template(name), chat, add_generation_prompt=True)
    assert (len(prompt), _hash(prompt)[:16]) == TWO[name]


def test_same_template_under_two_names() -> None:
    assert template("cambrian_chatml") is TEMPLATES["chatml_direct"]
    with pytest.raises(UserError, match="llama_3"):
        template("llama3")


def test_custom_system_text_and_unknown_parts() -> None:
    chat = [{"role": "system", "content": "Be brief."}, QUESTION]
    assert render_chat(TEMPLATES["vicuna_v1"], chat, True) == "Be brief. USER: <image>\nwhat is it? ASSISTANT:"
    with pytest.raises(UserError, match="role 'tool'"):
        render_chat(TEMPLATES["phi3"], [{"role": "tool", "content": "x"}], True)
    with pytest.raises(UserError, match="'video'"):
        render_chat(TEMPLATES["phi3"], [{"role": "user", "content": [{"type": "video"}]}], True)


@pytest.mark.parametrize(
    ("own", "base", "phi3", "vocabulary", "position", "expected"),
    [
        ("nyu-visionx/cambrian-8b", "", False, (), 91, "llama_3"),
        ("nyu-visionx/cambrian-13b", "", False, (), 35, "vicuna_v1"),
        ("nyu-visionx/cambrian-34b", "", False, (), 87, "chatml_direct"),
        ("nyu-visionx/cambrian-phi3-3b", "", True, (), 13, "phi3"),
        ("/models/run-8b", "lmsys/vicuna-13b-v1.5", False, ("<|im_start|>",), None, "vicuna_v1"),
        ("/models/x", "NousResearch/Nous-Hermes-2-Yi-34B", False, (), None, "chatml_direct"),
        ("/models/x", "", True, (), None, "phi3"),
        ("/models/x", "", False, ("<|start_header_id|>",), None, "llama_3"),
        ("/models/x", "", False, ("<|im_start|>", "</s>"), 91, "chatml_direct"),
        ("/models/x", "", False, ("</s>",), 87, "chatml_direct"),
        ("/models/x", "", False, ("</s>",), None, "vicuna_v1"),
    ],
)
def test_choice(
    own: str, base: str, phi3: bool, vocabulary: tuple[str, ...], position: int | None, expected: str
) -> None:
    assert choose_template([own], base, phi3, vocabulary, position).name == expected
