"""Lesions marked by blood and keratin: basal and squamous cell carcinoma, actinic keratosis,
vascular lesions. The painters work as those in ``pigmented``.
"""

import numpy as np

from .canvas import Array, Canvas, Rng, blur, smoothstep
from .lesions import BLUE, ORANGE, WHITE, YELLOW, Border, Layers
from .patterns import branching_vessels, lattice, patchy, scatter, short_vessels
from .pigmented import Tone, paint_ground


def _red(layers: Layers, tone: Tone, amount: float, structure: Array) -> None:
    """Paint a structure with blood."""
    layers.blood += np.float32(amount * tone.strength) * structure


def paint_bcc(canvas: Canvas, rng: Rng, layers: Layers, tone: Tone) -> None:
    """Paint a basal cell carcinoma: arborising vessels, blue-grey nests, sometimes an ulcer."""
    outline = paint_ground(canvas, rng, layers, tone, Border(0.12, 0.03, 0.25, 1.4))
    nests = scatter(rng, int(rng.integers(2, 7)), 0.2, 0.85)
    ovals = canvas.discs(nests, rng.uniform(0.08, 0.19, len(nests))) * outline.mask
    opacity = blur(ovals, 0.05 * canvas.scale) * patchy(canvas, rng, 0.5, 0.5)
    layers.cover(np.float32(0.8 * tone.strength) * opacity, BLUE)
    ulcer = canvas.discs(scatter(rng, 1, 0, 0.5), rng.uniform(0.08, 0.18))
    if rng.random() < 0.3:
        layers.cover(0.7 * ulcer * patchy(canvas, rng, 0.4, 0.3), ORANGE)
    tree = branching_vessels(canvas, rng, int(rng.integers(2, 5)), 0.08)
    _red(layers, tone, 1.5, tree)
    layers.melanin += np.float32(0.25 * tone.strength) * tree


def paint_ak(canvas: Canvas, rng: Rng, layers: Layers, tone: Tone) -> None:
    """Paint an actinic keratosis: strawberry pattern (red net around pale follicles) and scale."""
    outline = paint_ground(canvas, rng, layers, tone, Border(0.15, 0.05, 0.4, 1.5))
    _red(layers, tone, 0.4, outline.mask)
    spacing = rng.uniform(0.32, 0.44)
    follicles = lattice(rng, spacing, 0.2, 1.15)
    sizes = spacing * rng.uniform(0.8, 1.2, len(follicles))
    fade = outline.mask * patchy(canvas, rng, 0.4) * np.float32(tone.strength)
    layers.cover(0.6 * fade * canvas.discs(follicles, 0.32 * sizes), WHITE)
    layers.cover(0.8 * fade * canvas.discs(follicles, 0.12 * sizes), YELLOW)
    flakes = smoothstep(0.7, 1.3, canvas.noise(rng, 0.3) + 0.6 * canvas.noise(rng, 1.2))
    layers.cover(np.float32(0.5 * tone.strength) * flakes * outline.mask, WHITE)


def paint_vasc(canvas: Canvas, rng: Rng, layers: Layers, tone: Tone) -> None:
    """Paint a vascular lesion: crowded red, purple or black lacunae between pale walls."""
    outline = paint_ground(canvas, rng, layers, tone, Border(0.08, 0.02, 0.1, 1.3))
    spacing = rng.uniform(0.42, 0.6)
    middles = lattice(rng, spacing, 0.22, 0.95)
    sizes = rng.uniform(0.34, 0.52, len(middles)) * spacing
    lacunae = canvas.discs(middles, sizes) * outline.mask * patchy(canvas, rng, 0.6, 0.5)
    _red(layers, tone, 1.3, lacunae)
    layers.melanin += np.float32(rng.uniform(0.0, 0.8)) * lacunae
    walls = (1 - lacunae) * smoothstep(0.1, 0.3, outline.depth)
    layers.cover(np.float32(0.3 * tone.strength) * walls, WHITE)


def paint_scc(canvas: Canvas, rng: Rng, layers: Layers, tone: Tone) -> None:
    """Paint a squamous cell carcinoma: keratin, white circles, hairpin vessels, blood spots."""
    outline = paint_ground(canvas, rng, layers, tone, Border(0.12, 0.04, 0.22, 1.3))
    _red(layers, tone, 0.2, outline.mask)
    places = scatter(rng, int(rng.integers(10, 20)), 0.62, 1.05)
    _red(layers, tone, 1.5, short_vessels(canvas, places, rng, 0.24, 0.045))
    circles = scatter(rng, int(rng.integers(6, 12)), 0.4, 0.85)
    rings = canvas.discs(circles, rng.uniform(0.09, 0.14, len(circles)), line=0.06)
    layers.cover(np.float32(tone.strength) * rings, WHITE)
    edge = outline.depth + np.float32(0.14) * canvas.noise(rng, 0.45)
    keratin = smoothstep(0.45, 0.72, edge) * patchy(canvas, rng, 0.6, 0.3)
    layers.cover(np.float32(0.85 * tone.strength) * keratin, YELLOW)
    spots = canvas.discs(scatter(rng, 6, 0, 0.5), rng.uniform(0.03, 0.07, 6))
    layers.cover(0.8 * spots * smoothstep(0.3, 0.5, edge), (0.40, 0.10, 0.10))
