"""CV-Bench rebuilt from source annotations: COCO, ADE20K and Omni3D in, checked questions out.

The package stands alone: it imports nothing of the evaluation harness, and the harness reads only
the folders it writes. Importing it is cheap; the command line is ``cvbench_builder.cli:app``.
"""

__version__ = "1.0.0"
