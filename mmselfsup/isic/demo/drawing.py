"""What a demo photograph is drawn with: its view of the lesion, structures, and nuisances.

All parts of a lesion are given in *lesion coordinates*: the origin is the lesion's centre and 1
is its mean radius. A ``Canvas`` maps them to the pixels of one photograph, so that another
photograph of the lesion (turned, shifted, nearer) shows the same structures.

The structures that dermatologists look for (``network`` to ``streaks``) are maps [H, W] in 0..1
that are fixed to the lesion; they draw as many random numbers whatever the view. What the
photograph adds (``add_hair`` to ``sensor``) is drawn alike for all classes, from the photograph's
own generator, on float32 RGB [H, W, 3] in 0..1; lengths are fractions of the image height.

Letters: H, W height and width of the canvas in pixels, N points, K plane waves.
"""

from collections.abc import Sequence
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Rng = np.random.Generator
SHIFT = 4  # OpenCV draws on a grid of 1 / 2**SHIFT pixel
FIXED = 1 << SHIFT
Points = NDArray[np.float64]


def rotation(angle: float) -> NDArray[np.float64]:
    """Return the 2x2 matrix that rotates by ``angle`` (radians)."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


class Canvas:
    """The pixels of one photograph and where the lesion lies in them.

    Args:
        height: Rows in pixels.
        width: Columns in pixels.
        matrix: [2, 2], lesion coordinates to pixels (rotation, mirror, zoom, tilt).
        centre: Lesion's centre (x, y) in pixels.
    """

    def __init__(
        self,
        height: int,
        width: int,
        matrix: NDArray[np.float64],
        centre: tuple[float, float],
    ) -> None:
        self.height = height
        self.width = width
        self._matrix = matrix
        self._inverse = np.linalg.inv(matrix)
        self._centre = np.asarray(centre, dtype=np.float64)
        #: Pixels of one lesion radius.
        self.scale = float(np.sqrt(abs(np.linalg.det(matrix))))

    @cached_property
    def grid(self) -> tuple[Array, Array]:
        """Return the lesion coordinates (u, v) of each pixel, two arrays [H, W]."""
        x = np.arange(self.width) - self._centre[0]
        y = (np.arange(self.height) - self._centre[1])[:, None]
        u = self._inverse[0, 0] * x + self._inverse[0, 1] * y
        v = self._inverse[1, 0] * x + self._inverse[1, 1] * y
        return u.astype(np.float32), v.astype(np.float32)

    def zeros(self) -> Array:
        """Return an empty map [H, W]."""
        return np.zeros((self.height, self.width), dtype=np.float32)

    def noise(self, rng: Rng, period: float, num_waves: int = 8) -> Array:
        """Return smooth noise [H, W] of mean 0 and variance 1 that is fixed to the lesion.

        A sum of plane waves; since the view is affine each wave is the outer product of a row and
        a column, which makes it a small matrix product.

        Args:
            rng: Generator; ``4 * num_waves`` numbers are drawn, whatever the view.
            period: Mean wavelength in lesion radii.
            num_waves: Number of waves K; few make the noise regular.
        """
        angle = rng.uniform(0, 2 * np.pi, num_waves)
        length = 2 * np.pi / period * np.exp(rng.uniform(-0.5, 0.5, num_waves))
        phase = rng.uniform(0, 2 * np.pi, num_waves)
        wave = np.stack([length * np.cos(angle), length * np.sin(angle)], 1)  # [K, 2]
        # cos(a + b) = cos(a) cos(b) - sin(a) sin(b): a rank-2 product per wave, no sine per pixel.
        slope = wave @ self._inverse  # [K, 2] radians a pixel
        along_x = slope[:, :1] * (np.arange(self.width) - self._centre[0])  # [K, W]
        along_y = slope[:, 1:] * (np.arange(self.height) - self._centre[1]) + phase[:, None]
        rows = np.concatenate([np.cos(along_y), -np.sin(along_y)]).astype(np.float32)  # [2K, H]
        columns = np.concatenate([np.cos(along_x), np.sin(along_x)]).astype(np.float32)  # [2K, W]
        return rows.T @ columns * np.float32(np.sqrt(2 / num_waves))

    def _fixed(self, points: NDArray[np.float64]) -> NDArray[np.int32]:
        """Return OpenCV's fixed-point pixels [N, 2] of lesion coordinates [N, 2]."""
        pixels = points @ self._matrix.T + self._centre
        return np.round(pixels * FIXED).astype(np.int32)

    def discs(
        self,
        points: NDArray[np.float64],
        radii: NDArray[np.float64] | float,
        line: float = 0.0,
    ) -> Array:
        """Return a map [H, W] in 0..1 of filled circles, or of rings where ``line`` > 0.

        Args:
            points: Centres [N, 2] in lesion coordinates.
            radii: Radii in lesion radii, one for all or [N].
            line: Width of the ring in lesion radii; 0 fills the circle.
        """
        ink = np.zeros((self.height, self.width), dtype=np.uint8)
        thickness = max(1, round(line * self.scale)) if line > 0 else cv2.FILLED
        sizes = np.round(np.broadcast_to(radii, len(points)) * self.scale * FIXED)
        for centre, size in zip(self._fixed(points).tolist(), sizes, strict=True):
            cv2.circle(ink, centre, max(int(size), 1), 255, thickness, cv2.LINE_AA, SHIFT)
        return ink.astype(np.float32) / np.float32(255)

    def lines(self, paths: Sequence[NDArray[np.float64]], widths: Sequence[float]) -> Array:
        """Return a map [H, W] in 0..1 of open polylines.

        Args:
            paths: Points of each line [N, 2] in lesion coordinates.
            widths: Width of each line in lesion radii; at least one pixel is drawn.
        """
        ink = np.zeros((self.height, self.width), dtype=np.uint8)
        for path, width in zip(paths, widths, strict=True):
            thickness = max(1, round(width * self.scale))
            cv2.polylines(ink, [self._fixed(path)], False, 255, thickness, cv2.LINE_AA, SHIFT)
        return ink.astype(np.float32) / np.float32(255)


def smoothstep(low: float, high: float, x: Array) -> Array:
    """Return 0 below ``low``, 1 above ``high``, a ramp between (it falls if ``low`` > ``high``)."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def blur(x: Array, sigma: float) -> Array:
    """Return a map blurred by a Gaussian of ``sigma`` pixels; unchanged below 0.3 pixels."""
    return x if sigma < 0.3 else np.asarray(cv2.GaussianBlur(x, (0, 0), sigma), np.float32)


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


def _ink(shape: tuple[int, ...], paths: list[NDArray[np.float64]], width: float) -> Array:
    """Return the opacity [H, W, 1] of polylines, given in fractions of the height."""
    height = shape[0]
    ink = np.zeros(shape[:2], dtype=np.uint8)
    fixed = [np.round(path * height * FIXED).astype(np.int32) for path in paths]
    thickness = max(1, round(width * height))
    cv2.polylines(ink, fixed, False, 255, thickness, cv2.LINE_AA, SHIFT)
    return (ink.astype(np.float32) / np.float32(255))[..., None]


def add_hair(rgb: Array, rng: Rng) -> Array:
    """Return the image with dark or fair hairs, bent, mostly in one direction."""
    t = np.linspace(0, 1, 7)[:, None]
    flow = rng.uniform(0, np.pi)
    paths = []
    for _ in range(int(rng.integers(2, 12))):
        angle = flow + rng.normal(0, 0.5)
        along = np.array([np.cos(angle), np.sin(angle)])
        start = rng.uniform(-0.1, 1.2, 2)
        bow = np.array([-along[1], along[0]]) * rng.normal(0, 0.15)
        paths.append(start + along * rng.uniform(0.3, 1.2) * t + bow * (t * (1 - t) * 4))
    colour = np.array([0.16, 0.11, 0.09]) * rng.uniform(0.5, 3.5)
    opacity = _ink(rgb.shape, paths, rng.uniform(0.006, 0.014)) * np.float32(rng.uniform(0.5, 0.9))
    return rgb + opacity * (colour.astype(np.float32) - rgb)


def add_ruler(rgb: Array, rng: Rng) -> Array:
    """Return the image with the tick marks of a scale along one side."""
    step, side = rng.uniform(0.04, 0.09), rng.integers(4)
    ratio = rgb.shape[1] / rgb.shape[0]
    paths = []
    for index, at in enumerate(np.arange(0, ratio if side < 2 else 1, step)):
        depth = 0.09 if index % 5 == 0 else 0.05
        near, far = (0.0, depth) if side % 2 == 0 else (1.0, 1 - depth)
        tick = np.array([[at, near], [at, far]])
        if side >= 2:
            tick = tick[:, ::-1] * np.array([ratio if side == 3 else 1.0, 1.0])
            tick[1, 0] = ratio - depth if side == 3 else depth
        paths.append(tick)
    opacity = _ink(rgb.shape, paths, 0.007) * np.float32(rng.uniform(0.5, 0.95))
    return rgb * (1 - opacity * np.float32(0.85))


def add_bubbles(rgb: Array, rng: Rng) -> Array:
    """Return the image with bubbles in the contact gel: bright rims, lighter inside."""
    height, width = rgb.shape[:2]
    for _ in range(int(rng.integers(1, 5))):
        radius = rng.uniform(0.02, 0.07) * height
        middle = np.round(rng.uniform(0, 1, 2) * (width, height) * FIXED).astype(int).tolist()
        for thickness, gain in ((cv2.FILLED, 0.08), (max(1, round(0.012 * height)), 0.3)):
            ink = np.zeros((height, width), dtype=np.uint8)
            cv2.circle(ink, middle, int(radius * FIXED), 255, thickness, cv2.LINE_AA, SHIFT)
            rgb = rgb + np.float32(gain / 255) * ink[..., None] * (1 - rgb)
    return rgb


def light(rgb: Array, rng: Rng) -> Array:
    """Return the image with another colour cast, exposure, saturation, contrast and gradient."""
    height, width = rgb.shape[:2]
    cast = np.exp(rng.normal(0, 0.10, 3) + rng.normal(-0.05, 0.12))
    grey = rgb.mean(2, keepdims=True)
    rgb = grey + np.float32(rng.uniform(0.65, 1.35)) * (rgb - grey)
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    slope = rng.normal(0, 0.09, 2).astype(np.float32)
    rgb = np.maximum(rgb, 0) ** np.float32(np.exp(rng.normal(0, 0.15)))
    return rgb * cast.astype(np.float32) * (1 + slope[0] * x + slope[1] * y)[..., None]


def vignette(rgb: Array, rng: Rng) -> Array:
    """Return the image with darker corners, or the dark rim of the dermoscope's tube."""
    height, width = rgb.shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32) * np.float32(width / height)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    offset = rng.normal(0, 0.06, 2).astype(np.float32)
    radius = np.sqrt((x - offset[0]) ** 2 + (y - offset[1]) ** 2)
    fall = 1 - np.float32(rng.uniform(0, 0.16)) * radius**2
    if rng.random() < 0.2:
        rim, soft = rng.uniform(1.1, 1.45), rng.uniform(0.02, 0.15)
        fall = fall * np.clip((np.float32(rim) - radius) / np.float32(soft), 0.03, 1)
    return rgb * fall[..., None]


def sensor(rgb: Array, rng: Rng) -> Array:
    """Return the image with the camera's defocus and noise; it must have its final size."""
    sigma = rng.uniform(0, 0.009) * rgb.shape[0]
    if sigma > 0.3:
        rgb = np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma), np.float32)
    noise = rng.standard_normal(rgb.shape, dtype=np.float32)
    return rgb + np.float32(rng.uniform(0.004, 0.025)) * noise
