"""Tests of the demo: the miniature suite and the drawn sources in place of COCO, ADE20K and Omni3D."""
