"""The vision towers of a checkpoint.

`kind` is the interface, with one class per architecture in `clip`, `siglip`, `dinov2` and `convnext`; `specs` finds
the towers that a checkpoint names, `network` loads and runs them, `timm` reads files of open_clip and timm.
"""
