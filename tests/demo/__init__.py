"""Tests of the drawn sources that stand in for COCO, ADE20K and Omni3D."""
