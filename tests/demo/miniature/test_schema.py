"""Rows have exactly the columns and types of the published datasets."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from cambrian_eval.demo import miniature
from cambrian_eval.errors import UserError

Rows = Callable[[str, int, str], Sequence[dict[str, Any]]]
Images = Callable[[Mapping[str, Any]], list[bytes]]

COLUMNS = {
    "mme": "question_id image question answer category",
    "mmbench": "index question hint A B C D answer category image source l2-category comment split",
    "seed": "answer choice_a choice_b choice_c choice_d data_id data_type question question_id "
    "question_type_id image segment",
    "gqa": "id imageId question answer fullAnswer isBalanced groups entailed equivalent types annotations "
    "semantic semanticStr image",
    "scienceqa": "image question choices answer hint task grade subject topic category skill lecture solution",
    "mmmu": "id question options explanation image_1 image_2 image_3 image_4 image_5 image_6 image_7 "
    "img_type answer topic_difficulty question_type subfield",
    "mathvista": "pid question image decoded_image choices unit precision answer question_type answer_type "
    "metadata query",
    "ai2d": "question options answer image",
    "chartqa": "type question answer image",
    "ocrbench": "dataset question question_type answer image",
    "textvqa": "image_id question_id question question_tokens image image_width image_height "
    "flickr_original_url flickr_300k_url answers image_classes set_name ocr_tokens",
    "docvqa": "questionId question question_types image docId ucsf_document_id ucsf_document_page_no answers "
    "data_split",
    "mmvp": "Index|Question|Options|Correct Answer|image",
    "realworldqa": "image question answer image_path",
    "cvbench_2d": "idx type task image question choices answer prompt filename source source_dataset "
    "source_filename target_class target_size bbox",
}
COLUMNS["cvbench_3d"] = COLUMNS["cvbench_2d"]
COLUMNS |= {
    "3dsrbench": "index qid image question A B C D answer category image_source image_url",
    "blink": "idx question sub_task image_1 image_2 image_3 image_4 choices answer prompt explanation",
    "countbenchqa": "image question number text",
    "embspatial": "question_id data_source scene_id question relation image answer_options answer objects",
    "hallusionbench": "category subcategory visual_input set_id figure_id sample_note question_id question "
    "gt_answer_details gt_answer filename image",
    "infovqa": "questionId question answers answer_type image image_url operation/reasoning ocr data_split",
    "llava_wild": "question_id question image category image_id caption gpt_answer",
    "mmbench_cn": "index question image hint A B C D answer category source L2-category comment split",
    "mmmu_pro_standard": "id question options explanation image_1 image_2 image_3 image_4 image_5 image_6 image_7 "
    "img_type answer topic_difficulty subject",
    "mmmu_pro_vision": "id image options answer subject",
    "mmsi_bench": "id images question_type question answer thought mean_normed_duration_seconds difficulty",
    "mmstar": "index question image answer category l2_category meta_info",
    "mmvet": "question_id image question answer image_source capability",
    "naturalbench": "Index Image Question Answer Question_Type",
    "pope": "id question_id question answer image_source image category",
    "qbench": "id image question option0 option1 option2 option3 question_type question_concern correct_choice",
    "vizwiz": "question_id image question answers category",
    "vlmsareblind": "task image prompt groundtruth metadata",
    "vqav2": "question_type multiple_choice_answer answers image_id answer_type question_id question image",
    "vstar": "image text category question_id label",
}


def fits(value: Any, kind: str) -> bool:
    """Whether a value is of the type that `schema` names."""
    if kind.endswith("|null"):
        return value is None or fits(value, kind.removesuffix("|null"))
    if kind.startswith("list["):
        return isinstance(value, list) and all(fits(item, kind[5:-1]) for item in value)
    if kind.startswith("struct{"):
        fields = _fields(kind[7:-1])
        return isinstance(value, dict) and set(value) == set(fields) and all(fits(value[f], fields[f]) for f in fields)
    if kind == "image":
        return isinstance(value, dict) and set(value) == {"bytes", "path"} and value["path"] is None
    if kind.startswith("int"):
        bound = 2 ** (int(kind[3:]) - 1)
        return type(value) is int and -bound <= value < bound
    return type(value) is {"string": str, "bool": bool, "float64": float}[kind]


def _fields(text: str) -> dict[str, str]:
    """`a: x, b: struct{...}` split at its top-level commas."""
    parts, deep = [""], 0
    for char in text:
        deep += (char in "[{") - (char in "]}")
        if char == "," and not deep:
            parts.append("")
        else:
            parts[-1] += char
    return {name.strip(): kind.strip() for name, kind in (part.split(":", 1) for part in parts)}


@pytest.mark.parametrize("name", miniature.names())
@pytest.mark.parametrize("split", ["eval", "train"])
def test_every_value_has_its_columns_type(name: str, split: str, rows_of: Rows) -> None:
    expected = COLUMNS[name].split("|" if "|" in COLUMNS[name] else None)
    assert list(miniature.columns(name)) == list(miniature.schema(name))
    assert set(miniature.columns(name)) == set(expected) and len(expected) == len(set(expected))
    made = rows_of(name, 48, split)
    assert len(made) == 48
    for row in made:
        assert set(row) == set(expected)
        for column, kind in miniature.schema(name).items():
            assert fits(row[column], kind), (column, kind, row[column])


@pytest.mark.parametrize("name", miniature.names())
def test_rows_survive_arrow(name: str, rows_of: Rows) -> None:
    import pyarrow

    made = list(rows_of(name, 48, "eval"))
    assert pyarrow.Table.from_pylist(made).to_pylist() == made


@pytest.mark.parametrize("name", miniature.names())
def test_images_are_small_rgb_pngs(name: str, rows_of: Rows, images_in: Images) -> None:
    from PIL import Image

    for row in rows_of(name, 48, "eval"):
        found = images_in(row)
        assert found
        for data in found:
            with Image.open(io.BytesIO(data)) as image:
                assert image.format == "PNG" and image.mode == "RGB"
                assert min(image.size) >= 64 and max(image.size) <= 128


def test_unknown_names_and_numbers_are_refused() -> None:
    with pytest.raises(UserError, match="did you mean mmbench"):
        miniature.rows("mmbnch")
    with pytest.raises(UserError, match="at least 1"):
        miniature.rows("mme", 0)
    with pytest.raises(UserError, match="use eval or train"):
        miniature.rows("mme", 4, "test")  # type: ignore[arg-type]


def test_mme_comes_in_pairs_of_one_yes_and_one_no(rows_of: Rows) -> None:
    made = rows_of("mme", 48, "eval")
    for first, second in zip(made[::2], made[1::2], strict=True):
        assert (first["category"], first["question_id"]) == (second["category"], second["question_id"])
        assert first["image"] == second["image"]
        assert {first["answer"], second["answer"]} == {"Yes", "No"}
        assert first["question"] != second["question"]
        assert first["question"].endswith(" Please answer yes or no.")
    perception = [
        "existence",
        "count",
        "position",
        "color",
        "posters",
        "celebrity",
        "scene",
        "landmark",
        "artwork",
        "OCR",
    ]
    assert {row["category"] for row in made} >= set(perception)
    assert len({row["question_id"] for row in made}) == 24


@pytest.mark.parametrize("n", [2, 3, 5, 7, 10, 48, 50, 97])
def test_mmbench_rotates_whole_groups_and_keeps_the_number_of_rows(n: int) -> None:
    made = miniature.rows("mmbench", n)
    assert len(made) == n
    groups: dict[int, list[dict[str, Any]]] = {}
    for row in made:
        groups.setdefault(row["index"] % 1_000_000, []).append(row)
    for group in groups.values():
        options = [[row[c] for c in "ABCD" if row[c] != "nan"] for row in group]
        k = len(group)
        assert [row["index"] // 1_000_000 for row in group] == list(range(k)) and k >= 2
        assert all(len(texts) == k for texts in options)
        assert len({row[group[0]["answer"]] for row in group}) == k  # every option appears once at each letter
        assert len({row[row["answer"]] for row in group}) == 1  # the text of the correct option is always the same
        assert {row["answer"] for row in group} == set("ABCD"[:k])
        assert len({row["image"]["bytes"] for row in group}) == 1


def test_mmvp_pairs_share_everything_but_the_gold(rows_of: Rows) -> None:
    made = rows_of("mmvp", 48, "eval")
    assert [row["Index"] for row in made] == list(range(1, 49))
    for first, second in zip(made[::2], made[1::2], strict=True):
        assert first["Question"] == second["Question"] and first["Options"] == second["Options"]
        assert {first["Correct Answer"], second["Correct Answer"]} == {"(a)", "(b)"}
        assert first["image"] != second["image"]


@pytest.mark.parametrize("name", ["mme", "mmvp", "gqa", "docvqa"])
def test_an_odd_number_of_rows_is_rounded_up_to_whole_pairs(name: str) -> None:
    assert len(miniature.rows(name, 7)) == 8


def test_gqa_and_docvqa_ask_twice_about_a_image(rows_of: Rows) -> None:
    for name, key in (("gqa", "imageId"), ("docvqa", "ucsf_document_id")):
        made = rows_of(name, 48, "eval")
        for first, second in zip(made[::2], made[1::2], strict=True):
            assert first[key] == second[key] and first["image"] == second["image"]
            assert first["question"] != second["question"]
        assert len({row[key] for row in made}) == 24
    structural = {row["types"]["structural"] for row in rows_of("gqa", 48, "eval")}
    assert structural == {"query", "verify", "choose", "logical", "compare"}


def test_mmmu_has_open_rows_list_golds_and_several_images(rows_of: Rows) -> None:
    made = rows_of("mmmu", 48, "eval")
    for row in made:
        options = ast.literal_eval(row["options"])
        assert (row["question_type"] == "open") == (options == [])
        n_images = sum(row[f"image_{i}"] is not None for i in range(1, 8))
        assert set(re.findall(r"<image (\d)>", row["question"])) == {str(i + 1) for i in range(n_images)}
        assert re.fullmatch(r"validation_\w+_\d+", row["id"])
    assert {len(ast.literal_eval(row["options"])) for row in made} == {0, 2, 3, 4, 5}
    assert any(row["image_2"] for row in made) and any(row["answer"].startswith("[") for row in made)


def test_mathvista_query_is_hint_question_unit_and_choices(rows_of: Rows) -> None:
    made = rows_of("mathvista", 48, "eval")
    for row in made:
        lines = row["query"].split("\n")
        assert lines[0].startswith("Hint: Please answer the question")
        unit = f" (Unit: {row['unit']})" if row["unit"] else ""
        assert lines[1] == f"Question: {row['question']}{unit}"
        listed = [f"({letter}) {text}" for letter, text in zip("ABCDE", row["choices"] or (), strict=False)]
        assert lines[2:] == (["Choices:", *listed] if listed else [])
        assert (row["question_type"] == "multi_choice") == (row["choices"] is not None)
        assert row["choices"] is None or row["answer"] in row["choices"]
        if row["answer_type"] == "float":
            assert len(row["answer"].split(".")[1]) == row["precision"]
    kinds = {(row["answer_type"], row["precision"]) for row in made}
    assert kinds == {("text", None), ("integer", None), ("float", 1.0), ("float", 2.0), ("list", None)}


def test_ocrbench_has_the_published_proportions() -> None:
    made = miniature.rows("ocrbench", 20)
    kinds = [row["question_type"] for row in made]
    assert kinds.count("Scene Text-centric VQA") == kinds.count("Doc-oriented VQA") == 4
    assert kinds.count("Key Information Extraction") == 4
    assert kinds.count("Handwritten Mathematical Expression Recognition") == 2
    assert len(set(kinds)) == 10
    for row in made:
        assert (row["dataset"] == "HME100k") == row["question_type"].startswith("Handwritten Math")


def test_textvqa_tokens_never_single_out_the_answer(rows_of: Rows) -> None:
    blank = 0
    for row in rows_of("textvqa", 48, "eval"):
        counts = {a: row["answers"].count(a) for a in row["answers"]}
        assert len(row["answers"]) == 10 and max(counts.values()) >= 7
        blank += row["ocr_tokens"] == []
        assert len(row["ocr_tokens"]) in (0, 3) and len(set(row["ocr_tokens"])) == len(row["ocr_tokens"])
    assert blank == 36


def test_cvbench_rows_follow_the_card(rows_of: Rows) -> None:
    flat, deep = rows_of("cvbench_2d", 48, "eval"), rows_of("cvbench_3d", 48, "eval")
    cells = {(row["task"], row["source"]) for row in flat}
    assert cells == {(task, source) for task in ("Count", "Relation") for source in ("ADE20K", "COCO")}
    for row in [*flat, *deep]:
        listed = "".join(f"\n({letter}) {text}" for letter, text in zip("ABCDEF", row["choices"], strict=False))
        assert row["prompt"] == f"{row['question']} Select from the following choices.{listed}"
        assert re.fullmatch(r"\([A-F]\)", row["answer"])
        assert row["filename"].startswith(f"img/{row['type']}/{row['task'].lower()}/")
    for row in flat:
        assert (row["target_class"] is None) == (row["target_size"] is None) == (row["source"] == "ADE20K")
        assert row["bbox"] is None
        if row["task"] == "Relation":
            assert row["choices"] in (["left", "right"], ["above", "below"])
        else:
            assert 4 <= len(row["choices"]) <= 6
    assert {row["source"] for row in deep} == {"Omni3D"}
    for row in deep:
        assert len(row["bbox"]) == {"Depth": 2, "Distance": 3}[row["task"]]
        assert all(row["question"].index(text) for text in row["choices"])
    assert len({row["idx"] for row in [*flat, *deep]}) == 96


def test_realworldqa_puts_options_and_format_inside_the_question(rows_of: Rows) -> None:
    made = rows_of("realworldqa", 48, "eval")
    for row in made:
        last = row["question"].split("\n")[-1]
        if row["answer"] in "ABCD":
            assert last == "Please answer directly with only the letter of the correct option and nothing else."
        else:
            assert last == "Please answer directly with a single word or number."
    assert {row["answer"] for row in made} >= {"A", "B", "C", "D", "Yes", "No"}
