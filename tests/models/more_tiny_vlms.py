"""Tiny checkpoints of further architectures, for the table of docs/models.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.models.tiny_vlms import BUILDERS, TEXT, _clip_vision, _llama, _siglip_vision, finish, tokenizer

_QWEN = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")
_QWEN_MARK = "<|vision_start|><|image_pad|><|vision_end|>"


def _qwen(
    folder: Path, kind: type[Any], model: type[Any], text: dict[str, Any], vision: dict[str, Any], name: str
) -> Path:
    from transformers import Qwen2VLImageProcessorPil

    words = tokenizer(*_QWEN)
    names = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    ids = dict(zip(names, words.convert_tokens_to_ids(list(_QWEN)), strict=True))
    config = kind(text_config={**TEXT, **text, "vocab_size": len(words)}, vision_config=vision, **ids)
    side = vision["patch_size"] * 2
    images = Qwen2VLImageProcessorPil(
        patch_size=vision["patch_size"], size={"shortest_edge": side * side, "longest_edge": side * side * 6}
    )
    return finish(folder, model(config), words, images, name, _QWEN_MARK)


def qwen2_vl(folder: Path) -> Path:
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    text = {"rope_scaling": {"type": "mrope", "mrope_section": [1, 1, 2]}}
    vision = dict(depth=2, embed_dim=32, num_heads=4, patch_size=14, hidden_size=32, mlp_ratio=2)
    return _qwen(folder, Qwen2VLConfig, Qwen2VLForConditionalGeneration, text, vision, "Qwen2VLProcessor")


_QWEN3_VISION = dict(
    depth=2,
    hidden_size=32,
    intermediate_size=48,
    num_heads=4,
    patch_size=16,
    out_hidden_size=32,
    num_position_embeddings=64,
)
_QWEN3_ROPE = {"rope_type": "default", "mrope_section": [2, 1, 1], "mrope_interleaved": True}


_QWEN3_5_TEXT: dict[str, Any] = {
    "head_dim": 16,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "layer_types": ["linear_attention", "full_attention"],
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "partial_rotary_factor": 0.5,
        "mrope_section": [2, 1, 1],
        "mrope_interleaved": True,
    },
}


def qwen3_vl_moe(folder: Path) -> Path:
    from transformers import Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration

    text = {
        "head_dim": 8,
        "moe_intermediate_size": 16,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "rope_scaling": _QWEN3_ROPE,
    }
    vision = {**_QWEN3_VISION, "deepstack_visual_indexes": [0]}
    return _qwen(folder, Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration, text, vision, "Qwen3VLProcessor")


def qwen3_5(folder: Path) -> Path:
    from transformers import Qwen3_5Config, Qwen3_5ForConditionalGeneration

    text = _QWEN3_5_TEXT
    return _qwen(folder, Qwen3_5Config, Qwen3_5ForConditionalGeneration, text, _QWEN3_VISION, "Qwen3VLProcessor")


def qwen3_5_moe(folder: Path) -> Path:
    from transformers import Qwen3_5MoeConfig, Qwen3_5MoeForConditionalGeneration

    experts = {
        "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 16,
        "num_experts": 4,
        "num_experts_per_tok": 2,
    }
    text = _QWEN3_5_TEXT | experts
    return _qwen(folder, Qwen3_5MoeConfig, Qwen3_5MoeForConditionalGeneration, text, _QWEN3_VISION, "Qwen3VLProcessor")


def _glm(folder: Path, kind: type[Any], model: type[Any], text: dict[str, Any]) -> Path:
    from transformers import Glm4vImageProcessorPil

    marks = [f"<|{where}{kind}|>" for kind in ("image", "video") for where in ("begin_of_", "", "end_of_")]
    words = tokenizer(*marks)
    names = ("image_start", "image", "image_end", "video_start", "video", "video_end")
    ids = {f"{n}_token_id": i for n, i in zip(names, words.convert_tokens_to_ids(marks), strict=True)}
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    config = kind(
        text_config={**TEXT, **text, "vocab_size": len(words), "rope_parameters": rope},
        vision_config=dict(
            depth=2, hidden_size=32, num_heads=4, image_size=56, patch_size=14, out_hidden_size=32, intermediate_size=48
        ),
        **ids,
    )
    images = Glm4vImageProcessorPil(patch_size=14, size={"shortest_edge": 28 * 28 * 2, "longest_edge": 28 * 28 * 12})
    return finish(folder, model(config), words, images, "Glm4vProcessor", "".join(marks[:3]))


def glm4v(folder: Path) -> Path:
    from transformers import Glm4vConfig, Glm4vForConditionalGeneration

    return _glm(folder, Glm4vConfig, Glm4vForConditionalGeneration, {})


def glm4v_moe(folder: Path) -> Path:
    from transformers import Glm4vMoeConfig, Glm4vMoeForConditionalGeneration

    experts = {"head_dim": 16, "moe_intermediate_size": 16, "num_experts_per_tok": 2, "n_routed_experts": 4}
    return _glm(folder, Glm4vMoeConfig, Glm4vMoeForConditionalGeneration, experts)


def gemma4(folder: Path) -> Path:
    from transformers import (
        Gemma4Config,
        Gemma4ForConditionalGeneration,
        Gemma4ImageProcessorPil,
        Gemma4TextConfig,
        Gemma4VisionConfig,
    )

    words = tokenizer(
        image_token="<|image|>",
        boi_token="<|image>",
        eoi_token="<image|>",
        audio_token="<|audio|>",
        boa_token="<|audio>",
        eoa_token="<audio|>",
        video_token="<|video|>",
    )
    ids = {
        f"{name}_token_id": words.convert_tokens_to_ids(mark)
        for name, mark in (("image", "<|image|>"), ("boi", "<|image>"), ("eoi", "<image|>"), ("video", "<|video|>"))
    }
    config = Gemma4Config(
        text_config=Gemma4TextConfig(
            **TEXT,
            head_dim=8,
            global_head_dim=8,
            vocab_size=len(words),
            vocab_size_per_layer_input=len(words),
            hidden_size_per_layer_input=8,
            sliding_window=64,
            layer_types=["sliding_attention", "full_attention"],
            use_bidirectional_attention="vision",
        ),
        vision_config=Gemma4VisionConfig(
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            head_dim=8,
            position_embedding_size=64,
        ),
        audio_config=None,
        **ids,
    )
    images = Gemma4ImageProcessorPil(max_soft_tokens=70)
    model = Gemma4ForConditionalGeneration(config)
    return finish(folder, model, words, images, "Gemma4Processor", "<|image|>", image_seq_length=70)


def vipllava(folder: Path) -> Path:
    from transformers import CLIPImageProcessorPil, VipLlavaConfig, VipLlavaForConditionalGeneration

    words = tokenizer("<image>")
    config = VipLlavaConfig(
        vision_config=_clip_vision(),
        text_config=_llama(words),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_layers=[-1, -2],
        image_seq_length=4,
    )
    images = CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    settings = dict(patch_size=14, vision_feature_select_strategy="default", num_additional_image_tokens=1)
    return finish(
        folder, VipLlavaForConditionalGeneration(config), words, images, "LlavaProcessor", "<image>", **settings
    )


def llava_next_video(folder: Path) -> Path:
    from transformers import LlavaNextImageProcessorPil, LlavaNextVideoConfig, LlavaNextVideoForConditionalGeneration

    words = tokenizer("<image>", "<video>")
    grid = [[28, 56], [56, 28], [56, 56]]
    config = LlavaNextVideoConfig(
        vision_config=_clip_vision(),
        text_config=_llama(words),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        video_token_index=words.convert_tokens_to_ids("<video>"),
        vision_feature_layer=-1,
        image_grid_pinpoints=grid,
    )
    images = LlavaNextImageProcessorPil(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}, image_grid_pinpoints=grid
    )
    settings = dict(patch_size=14, vision_feature_select_strategy="default", num_additional_image_tokens=1)
    model = LlavaNextVideoForConditionalGeneration(config)
    return finish(folder, model, words, images, "LlavaNextVideoProcessor", "<image>", **settings)


def aya_vision(folder: Path) -> Path:
    from transformers import (
        AyaVisionConfig,
        AyaVisionForConditionalGeneration,
        Cohere2Config,
        GotOcr2ImageProcessorPil,
    )

    words = tokenizer(
        *("<image>", "<|START_OF_IMG|>", "<|END_OF_IMG|>", "<|IMG_PATCH|>", "<|IMG_LINE_BREAK|>", "TILE", "TILE_GLOBAL")
    )
    config = AyaVisionConfig(
        vision_config=_siglip_vision(56),
        text_config=Cohere2Config(vocab_size=len(words), sliding_window=64, **TEXT),
        image_token_index=words.convert_tokens_to_ids("<|IMG_PATCH|>"),
        downsample_factor=2,
    )
    images = GotOcr2ImageProcessorPil(size={"height": 56, "width": 56}, crop_to_patches=True, max_patches=3)
    settings = dict(patch_size=14, img_size=56, downsample_factor=2)
    model = AyaVisionForConditionalGeneration(config)
    return finish(folder, model, words, images, "AyaVisionProcessor", "<image>", **settings)


def idefics2(folder: Path) -> Path:
    from transformers import (
        Idefics2Config,
        Idefics2ForConditionalGeneration,
        Idefics2ImageProcessorPil,
        MistralConfig,
    )

    words = tokenizer("<image>", "<fake_token_around_image>", "<end_of_utterance>")
    config = Idefics2Config(
        vision_config=dict(
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=56,
            patch_size=14,
        ),
        perceiver_config=dict(
            hidden_size=32,
            resampler_n_latents=4,
            resampler_depth=1,
            resampler_n_heads=4,
            resampler_head_dim=8,
            num_key_value_heads=2,
        ),
        text_config=MistralConfig(vocab_size=len(words), sliding_window=None, head_dim=8, **TEXT),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        pad_token_id=words.pad_token_id,
    )
    images = Idefics2ImageProcessorPil(size={"shortest_edge": 28, "longest_edge": 56}, do_image_splitting=False)
    model = Idefics2ForConditionalGeneration(config)
    return finish(folder, model, words, images, "Idefics2Processor", "<image>", image_seq_len=4)


def ovis2(folder: Path) -> Path:
    from transformers import (
        Ovis2Config,
        Ovis2ForConditionalGeneration,
        Ovis2ImageProcessorPil,
        Ovis2VisionConfig,
        Qwen2Config,
    )

    words = tokenizer("<image>", "<IMG_ATOM>", *(f"<ind{i}>" for i in range(5)))
    config = Ovis2Config(
        vision_config=Ovis2VisionConfig(
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=28,
            patch_size=7,
            vocab_size=20,
            hidden_stride=2,
        ),
        text_config=Qwen2Config(vocab_size=len(words), **TEXT),
        image_token_id=words.convert_tokens_to_ids("<IMG_ATOM>"),
        visual_indicator_token_ids=words.convert_tokens_to_ids([f"<ind{i}>" for i in range(5)]),
        vocab_size=len(words),
        hidden_size=32,
    )
    images = Ovis2ImageProcessorPil(size={"height": 28, "width": 28}, crop_to_patches=True, max_patches=3)
    model = Ovis2ForConditionalGeneration(config)
    return finish(folder, model, words, images, "Ovis2Processor", "<image>", image_seq_length=4)


FURTHER: dict[str, Callable[[Path], Path]] = {
    f.__name__: f
    for f in (
        qwen2_vl,
        qwen3_vl_moe,
        qwen3_5,
        qwen3_5_moe,
        glm4v,
        glm4v_moe,
        gemma4,
        vipllava,
        llava_next_video,
        aya_vision,
        idefics2,
        ovis2,
    )
}
ALL = BUILDERS | FURTHER
