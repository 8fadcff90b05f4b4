"""Parts of every lesion: an outline, and optics that turn pigment and blood into colour.

Skin is modelled as light that passes through absorbing layers (Beer-Lambert): melanin makes it
brown, blood makes it red, and white or blue structures lie on top.

Shapes: H, W of the canvas.
"""

from dataclasses import dataclass, field

import numpy as np

from .canvas import Array, Canvas, Rng, blur, smoothstep

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
