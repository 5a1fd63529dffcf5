"""The pinhole camera: the projection of world points into the image.

The origin of the world is the camera; x points right, y down (the direction of gravity), z forward, in meters. The
camera looks forward, rotated down by its pitch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """A camera without distortion whose optical axis passes through the center of the image."""

    width: int
    height: int
    focal: float
    """In pixels."""
    pitch: float = 0.0
    """Radians down from the horizon."""

    @property
    def matrix(self) -> list[list[float]]:
        """K: from the camera frame to pixels."""
        return [[self.focal, 0.0, self.width / 2], [0.0, self.focal, self.height / 2], [0.0, 0.0, 1.0]]

    @property
    def rotation(self) -> Floats:
        """From the world to the camera frame."""
        s, c = math.sin(self.pitch), math.cos(self.pitch)
        return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])

    def turn(self, points: Floats) -> Floats:
        """World points in the camera frame."""
        return np.asarray(points @ self.rotation.T)

    def project(self, turned: Floats) -> Floats:
        """Points of the camera frame in pixels; the center of a pixel is its number plus 0.5."""
        center = np.array([self.width / 2, self.height / 2])
        return np.asarray(turned[..., :2] / turned[..., 2:] * self.focal + center)

    def rays(self, grain: int) -> Floats:
        """World directions through a grid of `grain` x `grain` points in every pixel, with depth 1."""
        x = ((np.arange(self.width * grain) + 0.5) / grain - self.width / 2) / self.focal
        y = ((np.arange(self.height * grain) + 0.5) / grain - self.height / 2) / self.focal
        ahead = np.stack([*np.meshgrid(x, y), np.ones((len(y), len(x)))], axis=-1)
        return np.asarray(ahead @ self.rotation)
