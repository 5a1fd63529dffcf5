"""Cambrian-1 inference: the published checkpoints on current PyTorch and transformers, exactly.

Importing this package registers its classes with transformers' Auto classes. Reading order: `config`,
`geometry`, `prompts`, `preprocess`, `sva`, `towers`, `connector`, `language`, `splice`, `loading`, `model`.
"""

from transformers import AutoConfig, AutoModelForImageTextToText

from .config import CambrianConfig, CambrianLlavaLlamaConfig, CambrianPhi3Config
from .model import (
    CambrianForConditionalGeneration,
    CambrianLlamaForCausalLM,
    CambrianLlavaLlamaForCausalLM,
    CambrianPhi3ForCausalLM,
)
from .processor import CambrianProcessor

for _model in (CambrianLlamaForCausalLM, CambrianPhi3ForCausalLM, CambrianLlavaLlamaForCausalLM):
    AutoConfig.register(_model.config_class.model_type, _model.config_class, exist_ok=True)
    AutoModelForImageTextToText.register(_model.config_class, _model, exist_ok=True)

__all__ = [
    "CambrianConfig",
    "CambrianForConditionalGeneration",
    "CambrianLlamaForCausalLM",
    "CambrianLlavaLlamaConfig",
    "CambrianLlavaLlamaForCausalLM",
    "CambrianPhi3Config",
    "CambrianPhi3ForCausalLM",
    "CambrianProcessor",
]
