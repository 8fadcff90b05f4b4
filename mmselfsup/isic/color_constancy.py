"""Shades of Gray: colour constancy, which removes the colour of the light from an image.

Source: Finlayson and Trezzi, "Shades of Gray and Colour Constancy", CIC 2004; on dermoscopy
Barata et al., "Improving Dermoscopy Image Classification Using Color Constancy", JBHI 2015.

The result for a pixel depends only on its 8-bit value and the histograms of the image, so all
numbers are exact in float64 and the correction is one table of 256 entries for each channel.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def illuminant(
    histogram: NDArray[np.int64], power: float = 6.0, gamma: float | None = None
) -> NDArray[np.float64]:
    """Return the colour of the light: e_c = (mean of I_c^p)^(1/p), scaled to unit L2 norm.

    Args:
        histogram: Number of pixels of each value [3, 256], red, green, blue, over the whole image.
        power: Exponent p of the Minkowski mean, above 0: 1 is Gray World, large p nears White
            Patch.
        gamma: Apply I -> 255 * (I/255)^(1/gamma) first, above 0; None leaves the image as it is.

    Returns:
        [3] of norm 1; (1, 1, 1)/sqrt(3) for a black image.
    """
    values = _linear(gamma)  # [256]
    brightest = np.where(histogram > 0, values, 0.0).max(axis=1, keepdims=True)  # [3, 1]
    scale = np.where(brightest > 0, brightest, 1.0)
    # Scaled to the brightest pixel, no power leaves the range of float64; values above it don't
    # occur and count for nothing.
    relative = np.minimum(values / scale, 1.0) ** power  # [3, 256]
    mean = (histogram * relative).sum(axis=1) / histogram.sum(axis=1)  # [3]
    light = scale[:, 0] * mean ** (1.0 / power)
    norm = np.linalg.norm(light)
    return light / norm if norm > 0 else np.full(3, 3**-0.5)  # grey light leaves black as it is


def correction_table(light: NDArray[np.float64], gamma: float | None = None) -> NDArray[np.uint8]:
    """Return the new value of each value: I_c / (e_c * sqrt(3)), clipped to 0..255, then rounded.

    The clip matters: without it, bright pixels wrap round to dark when cast to 8 bits.

    Args:
        light: Colour of the light [3] from ``illuminant``.
        gamma: As in ``illuminant``.

    Returns:
        [3, 256]; a channel without light is all 0 and stays so.
    """
    # For grey light e_c is 1 / sqrt(3): the gain is then 1 and the image stays as it is.
    gain = 1.0 / np.where(light > 0, light * 3**0.5, 1.0)  # [3]
    corrected = gain[:, None] * _linear(gamma)[None]  # [3, 256]
    return np.rint(np.clip(corrected, 0.0, 255.0)).astype(np.uint8)


def _linear(gamma: float | None) -> NDArray[np.float64]:
    """Return the value after gamma for each 8-bit value: [256], 0..255, not rounded."""
    values = np.arange(256, dtype=np.float64)
    return values if gamma is None else 255.0 * (values / 255.0) ** (1.0 / gamma)


def histogram_of(image: Image.Image) -> NDArray[np.int64]:
    """Return the number of pixels of each value of an RGB image, [3, 256]."""
    return np.array(image.histogram(), dtype=np.int64).reshape(3, 256)


def apply_table(image: Image.Image, table: NDArray[np.uint8]) -> Image.Image:
    """Replace the values of an RGB image by those of ``table`` [3, 256]."""
    return image.point(table.reshape(-1).tolist())


def shades_of_gray(
    image: NDArray[np.uint8], power: float = 6.0, gamma: float | None = None
) -> NDArray[np.uint8]:
    """Return one image with its colours corrected.

    Args:
        image: RGB image [H, W, 3], 0..255.
        power: Exponent p of the Minkowski mean, above 0.
        gamma: Gamma to undo first, above 0; None for none. 2.2 is in common use.

    Returns:
        [H, W, 3] RGB, 0..255.

    Raises:
        ValueError: Another shape or dtype, no pixel, ``power`` or ``gamma`` not above 0.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"need uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")
    check_parameters(power, gamma)
    picture = Image.fromarray(image)
    light = illuminant(histogram_of(picture), power, gamma)
    return np.asarray(apply_table(picture, correction_table(light, gamma)))


def check_parameters(power: float, gamma: float | None) -> None:
    """Check that both parameters are finite numbers above 0.

    Raises:
        ValueError: A parameter is not.
    """
    for name, value in (("power", power), ("gamma", 1.0 if gamma is None else gamma)):
        if not 0.0 < value < float("inf"):
            raise ValueError(f"{name} must be a finite number above 0, got {value}")
