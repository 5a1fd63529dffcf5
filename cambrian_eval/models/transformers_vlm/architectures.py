from __future__ import annotations
import inspect
def sharing_of(model):
    t = model.config.model_type
    if "mm_encoder_outputs" not in inspect.signature(model.forward).parameters: return None
    return {"paligemma":"features","gemma3":"features"}.get(t, "prompt")
