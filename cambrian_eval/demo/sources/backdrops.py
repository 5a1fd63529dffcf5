"""Backdrops behind all bodies: the paper of a board, the wall and floor of a room, a paved yard under the sky.

Floor and pavement are the plane below the camera, so that lines on them converge at the horizon of the projection.
"""

from __future__ import annotations

import numpy as np

from cambrian_eval.demo.miniature.canvas import Rgb
from cambrian_eval.demo.sources.bodies import Tone
from cambrian_eval.demo.sources.camera import Camera
from cambrian_eval.demo.sources.render import GRAIN, Backdrop

BOARD = ("wall",)
ROOM = ("wall", "floor, flooring")
YARD = ("sky", "pavement")


def board(camera: Camera, color: Rgb) -> Backdrop:
    """Plain paper."""
    shape = (camera.height * GRAIN, camera.width * GRAIN)
    return np.full((*shape, 3), color, np.uint8), np.zeros(shape, np.int16)


def room(camera: Camera, eye: float, depth: float, tone: Tone) -> Backdrop:
    """A wall at a distance of `depth` meters and a floor of boards, one meter wide, `eye` meters below the camera."""
    rays = camera.rays(GRAIN)
    with np.errstate(divide="ignore"):
        ahead = np.where(rays[..., 1] > 0, eye / rays[..., 1], np.inf) * rays[..., 2]
    floor = ahead < depth
    across = np.where(floor, ahead / rays[..., 2] * rays[..., 0], 0.5)
    joint = floor & (np.abs(across - np.round(across)) < 0.012)
    colors = np.array([tone((225, 218, 200)), tone((190, 170, 145)), tone((172, 152, 128))], np.uint8)
    return colors[floor.astype(int) + joint], floor.astype(np.int16)


def yard(camera: Camera, eye: float, tone: Tone) -> Backdrop:
    """A pavement of slabs of two meters under a gray sky."""
    rays = camera.rays(GRAIN)
    below = rays[..., 1] > 1e-9
    reach = np.where(below, eye / np.where(below, rays[..., 1], 1.0), 0.0)
    across, ahead = reach * rays[..., 0], reach * rays[..., 2]
    wide = 0.0012 * np.maximum(ahead, 8.0)  # far away, joints keep their width in the image
    joint = below & (np.abs(across - 2 * np.round(across / 2)) < wide) & (ahead < 60)
    colors = np.array([tone((224, 222, 214)), tone((188, 172, 148)), tone((168, 152, 130))], np.uint8)
    return colors[below.astype(int) + joint], below.astype(np.int16)
