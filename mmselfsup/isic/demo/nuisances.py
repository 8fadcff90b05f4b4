"""Nuisances that a photograph adds to a lesion: light, hair, rulers, bubbles, optics, sensor.

Drawn alike for all classes from the photograph's own generator. Images are float32 RGB
[H, W, 3] in 0..1; lengths are fractions of the image height.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from .canvas import FIXED, SHIFT, Array, Rng


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
