"""What lies behind all bodies: the paper of a board, a room's walls and floor, a paved yard under the sky.

Owns their colours and geometry. Floor and paving are the plane below the camera, so that lines on them meet at
the horizon the bodies were projected with.
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


def board(camera: Camera, colour: Rgb) -> Backdrop:
    """Plain paper."""
    shape = (camera.height * GRAIN, camera.width * GRAIN)
    return np.full((*shape, 3), colour, np.uint8), np.zeros(shape, np.int16)


def room(camera: Camera, eye: float, depth: float, tone: Tone) -> Backdrop:
    """A wall `depth` metres ahead and a floor of boards, a metre wide, `eye` metres below the camera."""
    rays = camera.rays(GRAIN)
    with np.errstate(divide="ignore"):
        ahead = np.where(rays[..., 1] > 0, eye / rays[..., 1], np.inf) * rays[..., 2]
    floor = ahead < depth
    across = np.where(floor, ahead / rays[..., 2] * rays[..., 0], 0.5)
    joint = floor & (np.abs(across - np.round(across)) < 0.012)
    colours = np.array([tone((225, 218, 200)), tone((190, 170, 145)), tone((172, 152, 128))], np.uint8)
    return colours[floor.astype(int) + joint], floor.astype(np.int16)


def yard(camera: Camera, eye: float, tone: Tone) -> Backdrop:
    """Paving in slabs of two metres under a hazy sky."""
    rays = camera.rays(GRAIN)
    below = rays[..., 1] > 1e-9
    reach = np.where(below, eye / np.where(below, rays[..., 1], 1.0), 0.0)
    across, ahead = reach * rays[..., 0], reach * rays[..., 2]
    wide = 0.0012 * np.maximum(ahead, 8.0)  # joints keep their width in the image far away
    joint = below & (np.abs(across - 2 * np.round(across / 2)) < wide) & (ahead < 60)
    colours = np.array([tone((224, 222, 214)), tone((188, 172, 148)), tone((168, 152, 130))], np.uint8)
    return colours[below.astype(int) + joint], below.astype(np.int16)
