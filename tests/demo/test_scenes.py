"""Bodies, images and scenes of the drawn sources, each checked against its definition."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest

from cambrian_eval.demo.miniature.canvas import SHAPES
from cambrian_eval.demo.sources import bodies, scenes
from cambrian_eval.demo.sources.outlines import area, outlines
from cambrian_eval.demo.sources.render import render

pytestmark = pytest.mark.slow


def plain(color: Any) -> Any:
    return color


BODIES = [bodies.furniture(name, 0.3, 1.5, 3.0, 1.0, 0.4, plain) for name in bodies.FURNITURE]
BODIES += [bodies.piece(shape, "red", 0.1, -0.2, 2.0, 0.3, 0.1, plain) for shape in SHAPES]


@pytest.mark.parametrize("body", BODIES, ids=lambda b: b.name)
def test_a_cuboid_fits_its_body_tightly(body: bodies.Body) -> None:
    points = np.concatenate([face.points for face in body.faces])
    assert points.min(axis=0) == pytest.approx([-0.5, 0, -0.5], abs=0.02)
    assert points.max(axis=0) == pytest.approx([0.5, 1, 0.5], abs=0.02)
    corners = body.corners()
    assert corners.mean(axis=0) == pytest.approx(np.array(body.center))
    sides = [np.linalg.norm(corners[a] - corners[b]) for a, b in ((0, 1), (1, 2), (0, 4))]
    assert sides == pytest.approx([body.length, body.height, body.width])


@pytest.mark.parametrize("outdoors", [False, True])
def test_the_nearer_body_is_in_front(outdoors: bool) -> None:
    decided = 0
    for number in range(12):
        scene = scenes.depths(Random(f"front/{number}"), outdoors)
        view = render(scene)
        depth = [scene.camera.turn(b.corners())[:, 2] for b in scene.bodies]
        for i in range(len(depth)):
            for j in range(len(depth)):
                both = view.alone[i] & view.alone[j]
                if depth[i].max() < depth[j].min() and both.any():
                    decided += 1
                    assert not (view.owner[both] == j).any()
    assert decided


def test_every_pixel_belongs_to_a_body_that_covers_it() -> None:
    view = render(scenes.room(Random("cover")))
    covered = np.stack(view.alone).any(axis=0)
    assert ((view.owner >= 0) == covered).all()
    for body in range(len(view.alone)):
        assert not (view.visible(body) & ~view.alone[body]).any()


def test_outlines_fill_to_the_mask_they_came_from() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        mask = rng.random((9, 12)) < 0.6
        loops = outlines(mask)
        y, x = np.mgrid[:9, :12] + 0.5
        filled = np.zeros(mask.shape, bool)
        for loop in loops:
            crossings = np.zeros(mask.shape, int)
            for (ax, ay), (bx, by) in zip(loop, [*loop[1:], loop[0]], strict=True):
                if ax == bx:  # vertical edges to the right of a pixel's center, counted as even or odd
                    crossings += ((min(ay, by) < y) & (y < max(ay, by)) & (x < ax)).astype(int)
            inside = crossings % 2 == 1
            assert inside.sum() == area(loop)
            filled |= inside
        holes = filled & ~mask
        assert not (mask & ~filled).any()
        # areas that are filled too much are enclosed: they do not reach the border
        assert not (holes[0].any() or holes[-1].any() or holes[:, 0].any() or holes[:, -1].any())
    assert outlines(np.zeros((4, 4), bool)) == []
    assert outlines(np.ones((2, 3), bool)) == [[(0, 0), (3, 0), (3, 2), (0, 2)]]


@pytest.mark.slow
@pytest.mark.parametrize("outdoors", [False, True])
def test_near_things_are_not_always_larger_nor_lower(outdoors: bool) -> None:
    larger, lower, total = 0, 0, 0
    for number in range(120):
        scene = scenes.depths(Random(f"lots/{number}"), outdoors)
        boxes = [(b.center[2], scenes.frame(scene.camera, b)) for b in scene.bodies if b.name]
        if len(boxes) < 2:
            continue
        (_, near), *_, (_, far) = sorted(boxes)
        size = [(f[2] - f[0]) * (f[3] - f[1]) for f in (near, far)]
        larger, lower, total = larger + (size[0] > size[1]), lower + (near[3] > far[3]), total + 1
    assert total > 100
    assert larger < 0.85 * total
    assert lower < 0.75 * total


@pytest.mark.parametrize("outdoors", [False, True])
def test_three_things_stand_apart_inside_the_image(outdoors: bool) -> None:
    for number in range(40):
        scene = scenes.distances(Random(f"trio/{number}"), outdoors)
        anchor, near, far = (np.array(b.center)[[0, 2]] for b in scene.bodies[:3])
        assert np.linalg.norm(near - anchor) < np.linalg.norm(far - anchor)
        for body in scene.bodies[:3]:
            left, top, right, bottom = scenes.frame(scene.camera, body)
            assert left >= 0 and top >= 0 and right <= scene.camera.width and bottom <= scene.camera.height
        assert len({b.name for b in scene.bodies}) == len(scene.bodies)
