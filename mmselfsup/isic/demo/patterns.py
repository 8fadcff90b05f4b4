"""Structures that dermatologists look for, as maps in lesion coordinates.

Each function returns a map [H, W] in 0..1 that is fixed to the lesion, and draws as many random
numbers whatever the view. Letters: N points.
"""

import numpy as np
from numpy.typing import NDArray

from .canvas import Array, Canvas, Rng, rotation, smoothstep

Points = NDArray[np.float64]


def patchy(canvas: Canvas, rng: Rng, least: float, period: float = 0.9) -> Array:
    """Return a slow change between ``least`` and 1, by which structures fade in places."""
    return least + (1 - least) * smoothstep(-0.9, 0.7, canvas.noise(rng, period))


def network(canvas: Canvas, rng: Rng, period: float, warp: float) -> Array:
    """Return a pigment network: the lines of a honeycomb, bent by ``warp`` (radii)."""
    u, v = canvas.grid
    angle = rng.uniform(0, np.pi)
    bent_u = u + np.float32(warp) * canvas.noise(rng, 3.5 * period)
    bent_v = v + np.float32(warp) * canvas.noise(rng, 3.5 * period)
    total = canvas.zeros()
    # Three waves at 60 degrees make a hexagonal pattern.
    for turn in (0.0, np.pi / 3, 2 * np.pi / 3):
        k = 2 * np.pi / (period * 0.866)
        kx, ky = k * np.cos(angle + turn), k * np.sin(angle + turn)
        total += np.cos(np.float32(kx) * bent_u + np.float32(ky) * bent_v)
    return smoothstep(0.5, -0.9, total)


def ridges(canvas: Canvas, rng: Rng, period: float, warp: float) -> Array:
    """Return parallel winding lines as of a fingerprint."""
    u, v = canvas.grid
    angle = rng.uniform(0, np.pi)
    along = np.float32(np.cos(angle)) * u + np.float32(np.sin(angle)) * v
    along = along + np.float32(warp) * canvas.noise(rng, 1.3)
    return smoothstep(-0.2, 0.8, np.cos(np.float32(2 * np.pi / period) * along))


def lattice(rng: Rng, spacing: float, jitter: float, reach: float = 1.0) -> Points:
    """Return points [N, 2] of a triangular lattice, moved by up to ``jitter`` (in spacings)."""
    steps = np.arange(-int(reach / spacing) - 1, int(reach / spacing) + 2)
    column, row = np.meshgrid(steps, steps)
    x = (column + 0.5 * (row % 2)).ravel() * spacing
    y = row.ravel() * spacing * 0.866
    points = np.stack([x, y], 1) + rng.uniform(-0.5, 0.5, 2) * spacing
    points += rng.uniform(-jitter, jitter, points.shape) * spacing
    points = points @ rotation(rng.uniform(0, np.pi)).T
    return points[np.hypot(*points.T) < reach]


def scatter(rng: Rng, num: int, inner: float = 0.0, outer: float = 1.0) -> Points:
    """Return ``num`` points [N, 2], uniform over the ring between two radii."""
    # The square of the radius is uniform: a ring's area grows with it.
    radius = np.sqrt(rng.uniform(inner**2, outer**2, num))
    angle = rng.uniform(0, 2 * np.pi, num)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)


def sector(canvas: Canvas, rng: Rng, width: float) -> Array:
    """Return a soft sector from the centre outwards, ``width`` radians wide."""
    u, v = canvas.grid
    angle = rng.uniform(0, 2 * np.pi)
    radius = np.sqrt(u * u + v * v) + np.float32(1e-6)
    along = np.float32(np.cos(angle)) * u + np.float32(np.sin(angle)) * v
    cosine = np.asarray(along / radius, np.float32)
    edge = float(np.cos(width / 2))
    return smoothstep(edge - 0.3, edge + 0.2, cosine)


def branching_vessels(canvas: Canvas, rng: Rng, num_trees: int, width: float) -> Array:
    """Return arborising vessels: thick stems from the edge that fork into finer twigs."""
    paths: list[Points] = []
    widths: list[float] = []

    def grow(start: Points, heading: float, length: float, thick: float, level: int) -> None:
        turns = np.cumsum(rng.normal(0, 0.28, 5)) + heading
        steps = np.stack([np.cos(turns), np.sin(turns)], 1) * length / 5
        path = np.concatenate([start[None], start + np.cumsum(steps, 0)])
        paths.append(path)
        widths.append(thick)
        if level == 0:
            return
        for side in (-1, 1):
            where = path[int(rng.integers(2, 6))]
            fork = turns[-1] + side * rng.uniform(0.4, 1.0)
            grow(where, fork, length * rng.uniform(0.5, 0.75), thick * 0.65, level - 1)

    for stem in scatter(rng, num_trees, 0.7, 1.0):
        inward = float(np.arctan2(-stem[1], -stem[0]))
        grow(stem, inward + rng.uniform(-0.4, 0.4), rng.uniform(0.7, 1.1), width, 3)
    return canvas.lines(paths, widths)


def short_vessels(canvas: Canvas, points: Points, rng: Rng, length: float, width: float) -> Array:
    """Return hairpin vessels: a short loop at each point [N, 2], pointing to the centre."""
    t = np.linspace(0, 2 * np.pi, 9)[:-1]
    loop = np.stack([length * 0.5 * np.cos(t), length * 0.17 * np.sin(t)], 1)  # [8, 2]
    paths = []
    for point in points:
        inward = np.arctan2(point[1], point[0]) + rng.normal(0, 0.35)
        paths.append(point + loop * rng.uniform(0.7, 1.3) @ rotation(inward).T)
    return canvas.lines(paths, [width] * len(paths))


def streaks(canvas: Canvas, rng: Rng, num: int, width: float) -> Array:
    """Return radial streaks that cross the border on one side."""
    middle = rng.uniform(0, 2 * np.pi)
    paths = []
    for angle in middle + rng.uniform(-0.9, 0.9, num):
        radii = np.array([rng.uniform(0.65, 0.85), rng.uniform(1.05, 1.3)])
        bend = angle + np.array([0.0, rng.normal(0, 0.06)])
        paths.append(np.stack([radii * np.cos(bend), radii * np.sin(bend)], 1))
    return canvas.lines(paths, [width] * num)
