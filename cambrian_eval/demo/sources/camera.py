"""The pinhole camera: where a point of the world falls in the image.

The world's origin is the camera's eye; x points right, y down, z ahead, in metres, and y is the direction of
gravity. The camera looks ahead, turned down by its pitch. Owns nothing but this geometry.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """A camera without distortion whose optical axis meets the middle of the image."""

    width: int
    height: int
    focal: float
    """In pixels."""
    pitch: float = 0.0
    """Radians downwards from the horizon."""

    @property
    def matrix(self) -> list[list[float]]:
        """K: from the camera's frame to pixels."""
        return [[self.focal, 0.0, self.width / 2], [0.0, self.focal, self.height / 2], [0.0, 0.0, 1.0]]

    @property
    def rotation(self) -> Floats:
        """From the world to the camera's frame."""
        s, c = math.sin(self.pitch), math.cos(self.pitch)
        return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])

    def turn(self, points: Floats) -> Floats:
        """World points in the camera's frame."""
        return np.asarray(points @ self.rotation.T)

    def project(self, turned: Floats) -> Floats:
        """Points of the camera's frame in pixels; a pixel's centre lies at its number plus a half."""
        centre = np.array([self.width / 2, self.height / 2])
        return np.asarray(turned[..., :2] / turned[..., 2:] * self.focal + centre)

    def rays(self, grain: int) -> Floats:
        """World directions through a grid of `grain` x `grain` points in every pixel, one metre deep."""
        x = ((np.arange(self.width * grain) + 0.5) / grain - self.width / 2) / self.focal
        y = ((np.arange(self.height * grain) + 0.5) / grain - self.height / 2) / self.focal
        ahead = np.stack([*np.meshgrid(x, y), np.ones((len(y), len(x)))], axis=-1)
        return np.asarray(ahead @ self.rotation)
