"""The lesions of the demo images: a painter for each class, on a model of skin.

Skin is modelled as light that passes through absorbing layers (Beer-Lambert): melanin makes it
brown, blood makes it red, and white or blue structures lie on top.

A painter gets the canvas, the lesion's generator, the skin's layers to paint on and the lesion's
``Tone``; it is called again with an equal generator for each photograph of the lesion. Naevus,
melanoma, benign keratosis and dermatofibroma are made of pigment; the other four are marked by
blood and keratin.

Letters: H, W of the canvas.
"""

from dataclasses import dataclass, field

import numpy as np

from .drawing import (
    Array,
    Canvas,
    Rng,
    blur,
    branching_vessels,
    lattice,
    network,
    patchy,
    ridges,
    scatter,
    sector,
    short_vessels,
    smoothstep,
    streaks,
)

# Absorption of one unit in R, G, B: melanin's falls with the wavelength, blood absorbs green and
# blue.
_MELANIN = np.array([0.55, 0.95, 1.25], dtype=np.float32)
_BLOOD = np.array([0.14, 0.85, 0.68], dtype=np.float32)
_PALE = np.array([0.95, 0.80, 0.73], dtype=np.float32)
WHITE = (0.93, 0.86, 0.83)
YELLOW = (0.90, 0.80, 0.58)
BLUE = (0.42, 0.46, 0.60)
ORANGE = (0.80, 0.45, 0.22)


@dataclass
class Layers:
    """Absorbing and covering layers of each pixel.

    Attributes:
        melanin: Absorbance [H, W], >= 0.
        blood: Absorbance [H, W], >= 0.
        covers: Opacity [H, W] in 0..1 and RGB colour of each, from the lowest to the topmost.
    """

    melanin: Array
    blood: Array
    covers: list[tuple[Array, tuple[float, float, float]]] = field(default_factory=list)

    def cover(self, opacity: Array, colour: tuple[float, float, float]) -> None:
        """Add a cover on top of all others."""
        self.covers.append((opacity, colour))

    def compose(self, spread: float) -> Array:
        """Return the reflected light, RGB [H, W, 3] in 0..1.

        Args:
            spread: How far the skin scatters light, in pixels; blood lies deeper and blurs more.
        """
        depth = np.maximum(blur(self.melanin, spread), 0)[..., None] * _MELANIN
        depth += np.maximum(blur(self.blood, 1.3 * spread), 0)[..., None] * _BLOOD
        rgb = _PALE * np.exp(-depth)
        # Covers are blended in order: the last one hides those below.
        for opacity, colour in self.covers:
            alpha = np.clip(blur(opacity, spread), 0, 1)[..., None]
            rgb += alpha * (np.asarray(colour, dtype=np.float32) - rgb)
        return rgb


@dataclass(frozen=True)
class Border:
    """Shape of an outline.

    Attributes:
        notches: Size of the random waves of the outline, in radii (0 is an ellipse).
        ragged: Size of the fine raggedness of the edge, in radii.
        softness: Width of the edge, in radii.
        stretch: Largest ratio of the axes.
    """

    notches: float = 0.05
    ragged: float = 0.02
    softness: float = 0.12
    stretch: float = 1.3


@dataclass(frozen=True)
class Outline:
    """Place of the lesion on the canvas.

    Attributes:
        depth: Map [H, W], 1 in the middle, 0 on the border, below 0 outside.
        mask: Map [H, W] in 0..1, 1 inside.
    """

    depth: Array
    mask: Array


def draw_outline(canvas: Canvas, rng: Rng, border: Border) -> Outline:
    """Return an outline whose radius is a random Fourier series of the angle."""
    stretch = np.sqrt(rng.uniform(1.0, border.stretch))
    orders = np.arange(2, 8)
    phases = rng.uniform(0, 2 * np.pi, len(orders))
    sizes = border.notches * rng.uniform(0.3, 1.0, len(orders)) / np.sqrt(orders / 2)
    u, v = canvas.grid
    point = u / np.float32(stretch) + 1j * (v * np.float32(stretch))
    radius = np.abs(point)
    # Complex numbers, so that powers replace an arctangent and sines for each pixel.
    turn = point / np.maximum(radius, np.float32(1e-6))  # exp(i * angle)
    power, reach = turn, np.ones_like(radius)
    for phase, size in zip(phases, sizes, strict=True):
        power = power * turn  # exp(i * order * angle), without sines of each pixel
        reach += (power * np.complex64(size * np.exp(1j * phase))).real
    depth = np.asarray(1 - radius / np.maximum(reach, np.float32(0.3)), np.float32)
    depth += np.float32(border.ragged) * canvas.noise(rng, 0.35, 12)
    return Outline(depth, smoothstep(-border.softness, border.softness, depth))


def draw_skin(canvas: Canvas, rng: Rng) -> Layers:
    """Return the patient's skin around the lesion: its tone, blotches and fine relief."""
    melanin = canvas.zeros() + np.float32(rng.uniform(0.0, 0.2))
    blood = canvas.zeros() + np.float32(rng.uniform(0.0, 0.25))
    melanin += np.float32(rng.uniform(0.01, 0.06)) * canvas.noise(rng, 0.9)
    blood += np.float32(rng.uniform(0.01, 0.07)) * canvas.noise(rng, 0.5)
    relief = np.float32(rng.uniform(0.01, 0.04)) * canvas.noise(rng, 0.16, 16)
    return Layers(melanin + relief, blood + relief)


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
