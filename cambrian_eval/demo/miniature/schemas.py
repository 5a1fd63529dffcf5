"""The columns of each benchmark's rows, with their types, as its data set publishes them.

Types in words: string, bool, int8/int32/int64, float64, image, list[...], struct{field: type, ...}; a type
followed by |null may be missing. An image is {"bytes": encoded bytes, "path": None}.
"""

from __future__ import annotations

_S = "string"
_CVBENCH = {
    "idx": "int64", "type": _S, "task": _S, "image": "image", "question": _S, "choices": "list[string]",
    "answer": _S, "prompt": _S, "filename": _S, "source": _S, "source_dataset": _S, "source_filename": _S,
    "target_class": "string|null", "target_size": "int64|null", "bbox": "list[list[float64]]|null",
}  # fmt: skip
_ANNOTATION = "list[struct{objectId: string, value: string}]"

SCHEMAS: dict[str, dict[str, str]] = {
    "mme": {"question_id": _S, "image": "image", "question": _S, "answer": _S, "category": _S},
    "mmbench": {
        "index": "int64", "question": _S, "hint": _S, "A": _S, "B": _S, "C": _S, "D": _S, "answer": _S,
        "category": _S, "image": "image", "source": _S, "l2-category": _S, "comment": _S, "split": _S,
    },
    "seed": {
        "answer": _S, "choice_a": _S, "choice_b": _S, "choice_c": _S, "choice_d": _S, "data_id": _S,
        "data_type": _S, "question": _S, "question_id": _S, "question_type_id": "int64",
        "image": "list[image]", "segment": "list[int64]",
    },
    "gqa": {
        "id": _S, "imageId": _S, "question": _S, "answer": _S, "fullAnswer": _S, "isBalanced": "bool",
        "groups": "struct{global: string, local: string}", "entailed": _S, "equivalent": _S,
        "types": "struct{structural: string, semantic: string, detailed: string}",
        "annotations": f"struct{{question: {_ANNOTATION}, answer: {_ANNOTATION}, fullAnswer: {_ANNOTATION}}}",
        "semantic": "list[struct{operation: string, argument: string, dependencies: list[int32]}]",
        "semanticStr": _S, "image": "image",
    },
    "scienceqa": {
        "image": "image", "question": _S, "choices": "list[string]", "answer": "int8", "hint": _S, "task": _S,
        "grade": _S, "subject": _S, "topic": _S, "category": _S, "skill": _S, "lecture": _S, "solution": _S,
    },
    "mmmu": {
        "id": _S, "question": _S, "options": _S, "explanation": _S, "image_1": "image",
        **{f"image_{n}": "image|null" for n in range(2, 8)},
        "img_type": _S, "answer": _S, "topic_difficulty": _S, "question_type": _S,
        "subfield": _S,
    },
    "mathvista": {
        "pid": _S, "question": _S, "image": _S, "decoded_image": "image", "choices": "list[string]|null",
        "unit": "string|null", "precision": "float64|null", "answer": _S, "question_type": _S,
        "answer_type": _S,
        "metadata": "struct{category: string, context: string, grade: string, img_height: int64, "
        "img_width: int64, language: string, skills: list[string], source: string, split: string, "
        "task: string}",
        "query": _S,
    },
    "ai2d": {"question": _S, "options": "list[string]", "answer": _S, "image": "image"},
    "chartqa": {"type": _S, "question": _S, "answer": _S, "image": "image"},
    "ocrbench": {
        "dataset": _S, "question": _S, "question_type": _S, "answer": "list[string]",
        "image": "image",
    },
    "textvqa": {
        "image_id": _S, "question_id": "int32", "question": _S, "question_tokens": "list[string]",
        "image": "image", "image_width": "int32", "image_height": "int32", "flickr_original_url": _S,
        "flickr_300k_url": _S, "answers": "list[string]", "image_classes": "list[string]", "set_name": _S,
        "ocr_tokens": "list[string]",
    },
    "docvqa": {
        "questionId": _S, "question": _S, "question_types": "list[string]", "image": "image",
        "docId": "int64",
        "ucsf_document_id": _S, "ucsf_document_page_no": _S, "answers": "list[string]", "data_split": _S,
    },
    "mmvp": {"Index": "int32", "Question": _S, "Options": _S, "Correct Answer": _S, "image": "image"},
    "realworldqa": {"image": "image", "question": _S, "answer": _S, "image_path": _S},
    "cvbench_2d": _CVBENCH,
    "cvbench_3d": _CVBENCH,
}  # fmt: skip
