"""The view of one image onto one lesion: coordinates, smooth noise and drawn shapes.

All parts of a lesion are given in *lesion coordinates*: the origin is the lesion's centre and 1 is
its mean radius. A canvas maps them to the pixels of one photograph, so that another photograph of
the lesion (turned, shifted, nearer) shows the same structures.

Shapes: H, W height and width of the canvas in pixels, N points, K plane waves.
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
