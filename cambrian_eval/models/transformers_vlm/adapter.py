"""The adapter `hf`: a transformers checkpoint from a folder or the Hub."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.model import Adapter, Claim, Model
from cambrian_eval.models.local import display_name, loading
from cambrian_eval.models.transformers_vlm.options import TransformersOptions
from cambrian_eval.sample import Request


class TransformersAdapter(Adapter):
    """`hf:FOLDER`, `hf:HUB_ID` or `hf:HUB_ID@REVISION`."""

    name = "hf"
    summary = "any transformers image-text-to-text model: hf:FOLDER, hf:HUB_ID or hf:HUB_ID@REVISION"
    Options = TransformersOptions

    def create(self, rest: str, options: TransformersOptions) -> Model:
        """The checkpoint on the device the options name."""
        if not rest:
            raise UserError("hf: no checkpoint named; write hf:FOLDER or for example hf:llava-hf/llava-1.5-7b-hf")
        from transformers.utils import logging

        from cambrian_eval.models.adapters import apply_adapter, find_adapter
        from cambrian_eval.models.checkpoint_identity import ContentHash
        from cambrian_eval.models.transformers_vlm.checkpoint import find_folder, load
        from cambrian_eval.models.transformers_vlm.model import TransformersModel
        from cambrian_eval.models.transformers_vlm.writing import is_paligemma

        logging.disable_progress_bar()  # a run has progress bars of its own
        adapter = find_adapter(options.adapter)
        folder = find_folder(rest, options)
        with loading(rest), ContentHash([folder, adapter], options.rehash) as content:
            checkpoint = load(folder, options)
            if checkpoint.processor.chat_template is None and not is_paligemma(checkpoint.processor):
                raise UserError(f"{rest} has no chat template; name a file with one: --template FILE")
            facts: dict[str, Any] = {}
            if adapter is not None:
                merge = getattr(checkpoint.model, "hf_quantizer", None) is None
                applied = apply_adapter(checkpoint.model, adapter, merge=merge, allow_pickle=options.allow_pickle)
                facts = {"adapter": applied}
            model = TransformersModel(display_name(rest, options.adapter), checkpoint, options, content, facts)
        if checkpoint.note is not None:
            warnings.warn(f"{rest}: {checkpoint.note}", stacklevel=2)
        return model

    def written(self, rest: str, options: TransformersOptions, request: Request) -> str:
        """The prompt in the checkpoint's chat template; needs its processor alone."""
        from cambrian_eval.models.transformers_vlm.writing import written

        return written(rest, options, request)

    def recognizes(self, name: str, config: Mapping[str, Any] | None) -> Claim:
        """Any checkpoint, in case no other adapter was written for it."""
        return Claim.GENERAL

    def fetch(self, rest: str) -> list[str]:
        """All files of a Hub repository."""
        from huggingface_hub import snapshot_download

        repo, _, revision = rest.partition("@")
        return [f"{rest}: {snapshot_download(repo, revision=revision or None)}"]
