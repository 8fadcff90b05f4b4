"""Lesions made of pigment: naevus, melanoma, benign keratosis, dermatofibroma.

A painter gets the canvas, the lesion's generator, the skin's layers to paint on and the lesion's
``Tone``; it is called again with an equal generator for each photograph of the lesion.
"""

from dataclasses import dataclass

import numpy as np

from .canvas import Array, Canvas, Rng, smoothstep
from .lesions import BLUE, WHITE, YELLOW, Border, Layers, Outline, draw_outline
from .patterns import lattice, network, patchy, ridges, scatter, sector, streaks


@dataclass(frozen=True)
class Tone:
    """Strength of a lesion's colours; drawn alike for all classes, so that colour helps little.

    Attributes:
        melanin: Absorbance of the lesion's ground by melanin.
        blood: Absorbance of the lesion's ground by blood.
        strength: Contrast of its structures.
    """

    melanin: float
    blood: float
    strength: float


def draw_tone(rng: Rng) -> Tone:
    """Return the tone of a lesion."""
    return Tone(rng.uniform(0.1, 0.8), rng.uniform(0.05, 0.5), rng.uniform(0.55, 1.05))


def paint_ground(canvas: Canvas, rng: Rng, layers: Layers, tone: Tone, border: Border) -> Outline:
    """Paint the outline, filled with the lesion's uneven ground colour, and return it."""
    outline = draw_outline(canvas, rng, border)
    ground = outline.mask * (0.8 + 0.2 * np.clip(outline.depth, 0, 1))
    layers.melanin += np.float32(tone.melanin) * ground * patchy(canvas, rng, 0.5)
    layers.blood += np.float32(tone.blood) * ground * patchy(canvas, rng, 0.5)
    return outline


def _dark(layers: Layers, tone: Tone, amount: float, structure: Array) -> None:
    """Paint a structure with melanin."""
    layers.melanin += np.float32(amount * tone.strength) * structure


def paint_nv(canvas: Canvas, rng: Rng, layers: Layers, tone: Tone) -> None:
    """Paint a melanocytic naevus: round, one colour, regular network or even globules."""
    outline = paint_ground(canvas, rng, layers, tone, Border(0.06, 0.02, 0.16, 1.5))
    period = rng.uniform(0.30, 0.42)
    if rng.random() < 0.75:
        structure = network(canvas, rng, period, 0.035)
    else:
        points = lattice(rng, period, 0.18, 1.2)
        structure = canvas.discs(points, period * rng.uniform(0.22, 0.36, len(points)))
    structure = structure * smoothstep(-0.05, 0.3, outline.depth) * patchy(canvas, rng, 0.45)
    _dark(layers, tone, 1.0, structure)


def paint_mel(canvas: Canvas, rng: Rng, layers: Layers, tone: Tone) -> None:
    """Paint a melanoma: irregular border, many colours, broken network, streaks, blue veil."""
    outline = paint_ground(canvas, rng, layers, tone, Border(0.24, 0.05, 0.08, 1.7))
    patches = smoothstep(-0.1, 0.5, canvas.noise(rng, 1.1)) * outline.mask
    _dark(layers, tone, 0.8, patches)
    broken = network(canvas, rng, rng.uniform(0.36, 0.5), 0.18)
    broken = broken * sector(canvas, rng, rng.uniform(1.8, 3.4)) * outline.mask
    globules = scatter(rng, 18, 0.1, 0.9) * 0.8 + rng.uniform(-0.4, 0.4, 2)
    spots = canvas.discs(globules, rng.uniform(0.03, 0.1, len(globules))) * outline.mask
    rays = streaks(canvas, rng, int(rng.integers(3, 10)), 0.05)
    _dark(layers, tone, 1.2, np.maximum(np.maximum(broken, spots), 0.8 * rays))
    veil = smoothstep(0.3, 1.5, canvas.noise(rng, 1.0)) * outline.mask
    layers.cover(np.float32(0.8 * tone.strength) * veil, BLUE)
    scar = smoothstep(0.7, 1.7, canvas.noise(rng, 0.8)) * outline.mask
    layers.cover(np.float32(0.6 * tone.strength) * scar, WHITE)


def paint_bkl(canvas: Canvas, rng: Rng, layers: Layers, tone: Tone) -> None:
    """Paint a benign keratosis: sharp moth-eaten edge, milia-like cysts, openings, ridges."""
    outline = paint_ground(canvas, rng, layers, tone, Border(0.10, 0.07, 0.04, 1.5))
    winding = ridges(canvas, rng, rng.uniform(0.28, 0.4), 0.15) * patchy(canvas, rng, 0.2)
    _dark(layers, tone, float(rng.choice([0.25, 0.8])), winding * outline.mask)
    openings = scatter(rng, int(rng.integers(4, 10)), 0, 0.85)
    sizes = rng.uniform(0.06, 0.1, len(openings))
    _dark(layers, tone, 1.5, canvas.discs(openings, sizes) * outline.mask)
    cysts = scatter(rng, int(rng.integers(10, 20)), 0, 0.9)
    radii = rng.uniform(0.05, 0.095, len(cysts))
    layers.cover(np.float32(0.8 * tone.strength) * canvas.discs(cysts, radii), YELLOW)


def paint_df(canvas: Canvas, rng: Rng, layers: Layers, tone: Tone) -> None:
    """Paint a dermatofibroma: white scar-like patch in the middle, fine network around it."""
    outline = paint_ground(canvas, rng, layers, tone, Border(0.06, 0.03, 0.3, 1.25))
    ring = smoothstep(0.75, 0.45, outline.depth) * outline.mask
    lines = network(canvas, rng, rng.uniform(0.25, 0.32), 0.03) * ring * patchy(canvas, rng, 0.3)
    _dark(layers, tone, 0.8, lines)
    edge = outline.depth + np.float32(0.10) * canvas.noise(rng, 0.5)
    patch = smoothstep(0.42, 0.75, edge) * patchy(canvas, rng, 0.6, 0.4)
    layers.cover(np.float32(0.85 * tone.strength) * patch, WHITE)
