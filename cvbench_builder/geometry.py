"""Boxes and cuboids as arrays: overlaps, corners, exact distances between surfaces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cvbench_builder.catalog import Bools, Floats, Ints

# Signs of the corners on the l (x), h (y), w (z) axes: near face clockwise from its top left, then the far face in the
# same order.
SIGNS = np.array(
    [[-1, -1, -1], [1, -1, -1], [1, 1, -1], [-1, 1, -1], [-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]], np.float64
)
_EDGES = np.array([(a, b) for a in range(8) for b in range(a + 1, 8) if int(np.abs(SIGNS[a] - SIGNS[b]).sum()) == 2])
_CHUNK = 1024


def area(boxes: Floats) -> Floats:
    """Of boxes [..., 4]; 0 where a side is negative."""
    # one coordinate at a time, here and below: numpy is slow where the last axis is as short as two
    width, height = (np.maximum(boxes[..., k + 2] - boxes[..., k], 0.0) for k in (0, 1))
    return np.asarray(width * height)


def intersection(a: Floats, b: Floats) -> Floats:
    """The area two boxes have in common; 0 where they only touch."""
    width, height = (
        np.maximum(np.minimum(a[..., k + 2], b[..., k + 2]) - np.maximum(a[..., k], b[..., k]), 0.0) for k in (0, 1)
    )
    return np.asarray(width * height)


def overlap_of_smaller(a: Floats, b: Floats) -> Floats:
    """Intersection over the smaller of the two boxes."""
    smaller = np.minimum(area(a), area(b))
    return np.divide(intersection(a, b), smaller, out=np.zeros(np.shape(smaller)), where=smaller > 0)


def iou(a: Floats, b: Floats) -> Floats:
    """Intersection over union; 0 where both boxes are empty."""
    common = intersection(a, b)
    union = area(a) + area(b) - common
    return np.divide(common, union, out=np.zeros(np.shape(union)), where=union > 0)


def contains_center(outer: Floats, inner: Floats) -> Bools:
    """Whether the center of `inner` lies in `outer`, its border included."""
    x, y = ((inner[..., k] + inner[..., k + 2]) / 2 for k in (0, 1))
    beside = (outer[..., 0] <= x) & (x <= outer[..., 2])
    return np.asarray(beside & (outer[..., 1] <= y) & (y <= outer[..., 3]))


def reconstruct_corners(center: Floats, dimensions: Floats, rotation: Floats) -> Floats:
    """Corners from center, [w, h, l] and rotation: l lies along x, h along y, w along z."""
    half = dimensions[..., [2, 1, 0]] / 2
    local = SIGNS * half[..., None, :]
    return np.asarray(np.einsum("...ij,...kj->...ki", rotation, local) + center[..., None, :])


@dataclass(frozen=True)
class Cuboids:
    """Boxes by center [n, 3], half sides [n, 3] and axes [n, 3, 3] (row k is axis k)."""

    corners: Floats
    center: Floats
    half: Floats
    axes: Floats

    def take(self, rows: Any) -> Cuboids:
        """The boxes at these rows (numbers or a slice)."""
        if isinstance(rows, slice):
            return Cuboids(self.corners[rows], self.center[rows], self.half[rows], self.axes[rows])
        return Cuboids(*(np.take(v, rows, axis=0) for v in (self.corners, self.center, self.half, self.axes)))

    def frames(self) -> Cuboids:
        """The same without corners, which are most of what `take` copies."""
        return replace(self, corners=self.corners[:, :0])


def cuboids(corners: Floats) -> Cuboids:
    """The frame of each box whose corners lie in the order of `SIGNS`."""
    n = len(corners)
    made = Cuboids(corners, np.zeros((n, 3)), np.zeros((n, 3)), np.zeros((n, 3, 3)))
    for rows, points in in_pieces(corners):
        # corner by corner: the same last bit for every number of boxes
        made.center[rows] = np.transpose(sum(points[:, k] for k in range(8)) / 8)
        # half edge vectors, averaged over four edges
        edges = [sum(points[:, k] * sign for k, sign in enumerate(signs)) / 8 for signs in SIGNS.T]
        half = [_length(e) for e in edges]
        first = edges[0] / np.maximum(half[0], 1e-12)
        second = edges[1] - first * np.einsum("na,na->n", first.T.copy(), edges[1].T.copy())
        second = second / np.maximum(_length(second), 1e-12)
        made.half[rows] = np.stack(half, axis=1)
        made.axes[rows] = np.stack([first, second, np.cross(first, second, axis=0)]).transpose(2, 0, 1)
    return made


def in_pieces(corners: Floats) -> Iterator[tuple[slice, Floats]]:
    """The corners of a few boxes at a time as [3, 8, k], and the rows of these boxes.

    With boxes along the last axis numpy has long runs of one operation, and pieces stay in the processor's cache.
    """
    for start in range(0, len(corners), _CHUNK):
        rows = slice(start, start + _CHUNK)
        yield rows, np.ascontiguousarray(corners[rows].transpose(2, 1, 0))


def _length(vectors: Any) -> Floats:
    """Of three coordinates."""
    x, y, z = vectors
    return np.asarray(np.sqrt(x * x + y * y + z * z))


def point_to_cuboid(points: Floats, boxes: Cuboids) -> Floats:
    """[n, k] distances of points [n, k, 3] from the solid box n (0 inside)."""
    return np.sqrt(squares_beyond(np.ascontiguousarray(points.transpose(2, 1, 0)), boxes)).T


def squares_beyond(points: Floats, boxes: Cuboids) -> Floats:
    """[k, n] squared distances of points [3, k, n] from the solid box n (0 inside)."""
    # one coordinate at a time, boxes along the last axis: numpy is fast at long runs of one operation, while the
    # overhead of 3 x 3 matrix products would exceed their cost
    x, y, z = (points[i] - boxes.center[:, i] for i in range(3))
    total = np.zeros(x.shape)
    for axis in range(3):
        i, j, k = np.ascontiguousarray(boxes.axes[:, axis].T)
        outside = np.maximum(np.abs(x * i + y * j + z * k) - boxes.half[:, axis], 0.0)
        total += outside * outside
    return total


def cuboid_distance(a: Cuboids, b: Cuboids) -> Floats:
    """Exact distance between the solid boxes a[n] and b[n]; 0 where they touch or overlap.

    Two disjoint convex bodies are closest at a corner and a face, or at two edges. The minimum over all 16 corners and
    all 144 pairs of edges is therefore exact.
    """
    n = len(a.center)
    result = np.zeros(n)
    for start in range(0, n, _CHUNK):
        rows = slice(start, start + _CHUNK)
        result[rows] = _distance(a.take(rows), b.take(rows))
    return result


def _distance(a: Cuboids, b: Cuboids) -> Floats:
    corner = np.minimum(point_to_cuboid(a.corners, b).min(axis=1), point_to_cuboid(b.corners, a).min(axis=1))
    result = np.where(_gap(a, b) <= 0, 0.0, corner)
    open_rows = np.flatnonzero(result > 0)
    if len(open_rows):
        edge = _edge_distance(a.corners[open_rows], b.corners[open_rows])
        result[open_rows] = np.minimum(result[open_rows], edge)
    return result


def _gap(a: Cuboids, b: Cuboids) -> Floats:
    """Largest gap over the 15 separating axes: positive exactly where the boxes are disjoint."""
    half_a, half_b, turn, at, faces_a, faces_b = _faces(a, b)
    size = [[np.abs(c) for c in row] for row in turn]
    largest = np.maximum.reduce([*faces_a, *faces_b])
    for i in range(3):
        i1, i2 = (i + 1) % 3, (i + 2) % 3
        for j in range(3):
            j1, j2 = (j + 1) % 3, (j + 2) % 3
            reach = half_a[i1] * size[i2][j] + half_a[i2] * size[i1][j]
            reach += half_b[j1] * size[i][j2] + half_b[j2] * size[i][j1]
            length = np.sqrt(turn[i1][j] ** 2 + turn[i2][j] ** 2)  # of the cross product; 0 for parallel axes
            gap = np.abs(at[i2] * turn[i1][j] - at[i1] * turn[i2][j]) - reach
            gap = np.divide(gap, length, out=np.full(len(largest), -np.inf), where=length > 1e-9)
            np.maximum(largest, gap, out=largest)
    return np.asarray(largest)


def _faces(a: Cuboids, b: Cuboids) -> tuple[Any, ...]:
    """Half sides, cosines and centers in the frame of `a`, and the gaps beyond the faces of `a` and of `b`.

    turn[i][j] is the cosine between axis i of `a` and axis j of `b`, at[i] how far `b` is from `a` along axis i. A gap
    is how far the other box is from the slab between two opposite faces; negative where it reaches into it.
    """
    apart = b.center - a.center
    axes_a, axes_b = a.axes.transpose(1, 2, 0).copy(), b.axes.transpose(1, 2, 0).copy()  # boxes along the last axis
    half_a, half_b = a.half.T.copy(), b.half.T.copy()
    turn = [[sum(axes_a[i, k] * axes_b[j, k] for k in range(3)) for j in range(3)] for i in range(3)]
    at = [sum(axes_a[i, k] * apart[:, k] for k in range(3)) for i in range(3)]
    faces_a, faces_b = [], []
    for i in range(3):
        reach = half_a[i] + sum(half_b[j] * np.abs(turn[i][j]) for j in range(3))
        faces_a.append(np.abs(at[i]) - reach)
        reach = half_b[i] + sum(half_a[j] * np.abs(turn[j][i]) for j in range(3))
        faces_b.append(np.abs(sum(at[j] * turn[j][i] for j in range(3))) - reach)
    return half_a, half_b, turn, at, faces_a, faces_b


def distance_floor(boxes: Cuboids, first: Ints, second: Ints) -> Floats:
    """A cheap lower bound of `cuboid_distance` between the boxes with these numbers, mostly close to it.

    In the frame of either box, the other one is at least as far away as its gaps beyond three faces say together.
    """
    boxes, result = boxes.frames(), np.zeros(len(first))
    for start in range(0, len(first), _CHUNK):
        rows = slice(start, start + _CHUNK)
        *_, faces_a, faces_b = _faces(boxes.take(first[rows]), boxes.take(second[rows]))
        beyond = [_length(np.maximum(faces, 0.0)) for faces in (faces_a, faces_b)]
        result[rows] = np.maximum(*beyond)
    return result


def _edge_distance(a: Floats, b: Floats) -> Floats:
    """Smallest distance between an edge of a[n] and an edge of b[n], corners [n, 8, 3]."""
    middle = a.mean(axis=1, keepdims=True)  # small numbers, so that squares keep their precision
    p, q = (a - middle)[:, _EDGES[:, 0]], (b - middle)[:, _EDGES[:, 0]]
    u, v = (a - middle)[:, _EDGES[:, 1]] - p, (b - middle)[:, _EDGES[:, 1]] - q
    uu, vv, pp, qq = (m[..., 0] * m[..., 0] + m[..., 1] * m[..., 1] + m[..., 2] * m[..., 2] for m in (u, v, p, q))
    uu, pp, vv, qq = uu[:, :, None], pp[:, :, None], vv[:, None], qq[:, None]
    across = _columns(q), _columns(v)
    uv = u @ across[1]
    uw = (u * p).sum(axis=2)[:, :, None] - u @ across[0]
    vw = p @ across[1] - (v * q).sum(axis=2)[:, None]
    ww = pp + qq - 2 * (p @ across[0])
    determinant = uu * vv - uv * uv
    parallel = determinant <= 1e-12 * uu * vv
    s = np.where(parallel, 0.0, (uv * vw - vv * uw) / np.where(parallel, 1.0, determinant))
    s = np.clip(s, 0.0, 1.0)
    # the best t for this s, then the best s for that t: exact for segments
    t = np.clip((uv * s + vw) / np.maximum(vv, 1e-18), 0.0, 1.0)
    s = np.clip((uv * t - uw) / np.maximum(uu, 1e-18), 0.0, 1.0)
    square = ww + s * (s * uu + 2 * uw) + t * (t * vv - 2 * vw) - 2 * s * t * uv
    return np.asarray(np.sqrt(np.maximum(square.min(axis=(1, 2)), 0.0)))


def _columns(points: Floats) -> Floats:
    return np.ascontiguousarray(points.transpose(0, 2, 1))
