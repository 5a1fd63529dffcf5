"""Builds CV-Bench questions from the annotations of COCO, ADE20K and Omni3D.

The package imports nothing from the evaluation harness, and the harness reads only the folders that it writes.
Importing it is fast; the command line is `cvbench_builder.cli:app`.
"""

__version__ = "1.0.0"
