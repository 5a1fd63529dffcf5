"""Scenes to images: every face is projected and the nearest one wins at each point (a depth buffer).

Beside the image, a view contains what is visible: the body at the center of every pixel, and the pixels that each body
would cover alone. Annotations are made from these, so they are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cambrian_eval.demo.miniature.canvas import INK, Rgb
from cambrian_eval.demo.sources.bodies import Body
from cambrian_eval.demo.sources.camera import Camera, Floats

if TYPE_CHECKING:
    from PIL.Image import Image

GRAIN = 3
"""Points per pixel and direction; odd, so that one of them is the center of the pixel."""
_LIGHT = np.array([-0.35, -0.75, -0.56])

Bools = NDArray[np.bool_]
Backdrop = tuple[NDArray[np.uint8], NDArray[np.int16]]
"""Color and kind of surface of the backdrop for every point."""


@dataclass(frozen=True)
class Scene:
    """Bodies in front of a camera, and the backdrop."""

    camera: Camera
    bodies: tuple[Body, ...]
    backdrop: Backdrop
    surfaces: tuple[str, ...]
    """Names of the kinds of surface in the backdrop."""
    kind: str


@dataclass(frozen=True)
class View:
    """A rendered scene; arrays have a cell per pixel, for the center of the pixel."""

    scene: Scene
    image: Image
    owner: NDArray[np.int16]
    """Number of the visible body; -1: the backdrop."""
    surface: NDArray[np.int16]
    """Number of the surface of the backdrop, also behind bodies."""
    alone: tuple[Bools, ...]
    """For each body the pixels that it would cover alone."""

    def visible(self, body: int) -> Bools:
        """The pixels in which a body is visible."""
        return np.asarray(self.owner == body)


class _Canvas:
    """The depth buffer and the painted image, `GRAIN` times finer than the final image."""

    def __init__(self, scene: Scene) -> None:
        self.camera = scene.camera
        self.color = scene.backdrop[0].copy()
        height, width = self.color.shape[:2]
        self.nearness = np.zeros((height, width))
        """1 / depth, which is linear in the image on every plane."""
        self.owner = np.full((height, width), -1, np.int16)
        self.part = np.full((height, width), -1, np.int16)

    def face(self, points: Floats, color: Rgb, owner: int, part: int, alone: Bools) -> None:
        from PIL import Image, ImageDraw

        turned = self.camera.turn(points)
        corners = self.camera.project(turned) * GRAIN - 0.5
        height, width = self.nearness.shape
        low = np.clip(np.floor(corners.min(axis=0)), 0, [width, height]).astype(int)
        high = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, [width, height]).astype(int)
        normal = _normal(turned)
        reach = float(normal @ turned[0])
        if (high <= low).any() or abs(reach) < 1e-6:  # outside the image, or seen edge-on
            return
        patch = Image.new("1", (int(high[0] - low[0]), int(high[1] - low[1])))
        ImageDraw.Draw(patch).polygon([tuple(p) for p in (corners - low).tolist()], fill=1)
        u = ((np.arange(low[0], high[0]) + 0.5) / GRAIN - self.camera.width / 2) / self.camera.focal
        v = ((np.arange(low[1], high[1]) + 0.5) / GRAIN - self.camera.height / 2) / self.camera.focal
        nearness = (normal[0] * u[None, :] + normal[1] * v[:, None] + normal[2]) / reach
        window = (slice(low[1], high[1]), slice(low[0], high[0]))
        covered = np.asarray(patch)
        alone[window] |= covered
        seen = covered & (nearness > self.nearness[window])
        shade = 0.8 + 0.24 * abs(float(normal @ self.camera.rotation @ _LIGHT))
        self.color[window][seen] = np.minimum(np.array(color) * shade, 255).astype(np.uint8)
        self.nearness[window][seen] = nearness[seen]
        self.owner[window][seen], self.part[window][seen] = owner, part

    def ink(self) -> None:
        """Draw a dark line, one pixel wide, inside every body along other parts and things farther away."""
        label = self.owner.astype(np.int32) * 256 + self.part
        dark = np.zeros(label.shape, bool)
        for axis in (0, 1):
            for step in (GRAIN, -GRAIN):
                other = np.roll(label, step, axis)
                behind = np.roll(self.nearness, step, axis) <= self.nearness
                edge = (other != label) & behind
                border = np.arange(GRAIN) if step > 0 else -1 - np.arange(GRAIN)
                np.moveaxis(edge, axis, 0)[border] = False  # moved in from the other side
                dark |= edge
        self.color[dark & (self.owner >= 0)] = INK


def render(scene: Scene) -> View:
    """The image and what is visible in it."""
    from PIL import Image

    canvas = _Canvas(scene)
    alone = []
    middle = (slice(GRAIN // 2, None, GRAIN), slice(GRAIN // 2, None, GRAIN))
    for number, body in enumerate(scene.bodies):
        own = np.zeros(canvas.owner.shape, bool)
        for face in body.faces:
            canvas.face(body.place(face.points), face.color, number, face.part, own)
        alone.append(own[middle])
    canvas.ink()
    image = Image.fromarray(canvas.color).reduce(GRAIN)
    return View(scene, image, canvas.owner[middle], scene.backdrop[1][middle], tuple(alone))


def _normal(points: Floats) -> Floats:
    """The unit normal of a flat face by Newell's method, which is robust against collinear corners."""
    after = np.roll(points, -1, axis=0)
    normal = np.cross(points, after).sum(axis=0)
    size = float(np.linalg.norm(normal))
    return np.asarray(normal / size if size > 1e-12 else normal)
