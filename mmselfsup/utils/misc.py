"""The newest checkpoint of a folder; images from tensors."""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .errors import ArgumentError

_NUMBERED = re.compile(r"^(epoch|iter)_(\d+)$")


def find_latest_checkpoint(path: str | Path, suffix: str = "pth") -> str | None:
    """Return the newest checkpoint: ``latest``, else the highest ``epoch_N`` or ``iter_N``.

    Numbers of epochs and of iterations can't be compared: of a folder with both, the later written
    of the two highest is the newest.

    Args:
        path: Folder of the checkpoints.
        suffix: Ending of their names, without the dot.

    Returns:
        Its path, or None (with a warning) when there is none.
    """
    folder = Path(path)
    latest = folder / f"latest.{suffix}"
    if latest.exists():  # False for a broken link
        return str(latest)
    highest: dict[str, tuple[int, Path]] = {}  # of epochs, of iterations
    for file in folder.glob(f"*.{suffix}"):
        if match := _NUMBERED.match(file.stem):
            kind, number = match[1], int(match[2])
            highest[kind] = max(highest.get(kind, (-1, file)), (number, file))
    if not highest:
        warnings.warn(f"no checkpoint in {folder}", stacklevel=2)
        return None
    return str(max((file for _, file in highest.values()), key=lambda file: file.stat().st_mtime))


def tensor2imgs(
    tensor: Tensor,
    mean: Sequence[float] = (0, 0, 0),
    std: Sequence[float] = (1, 1, 1),
    to_rgb: bool = True,
) -> list[NDArray[np.uint8]]:
    """Undo the normalisation of a batch.

    Args:
        tensor: [N, 3, H, W], normalised.
        mean: The mean that was subtracted, for each channel.
        std: The standard deviation by which the values were divided, for each channel.
        to_rgb: Whether the channels are RGB and the images shall be BGR.

    Returns:
        N images [H, W, 3], clipped to 0..255.
    """
    if tensor.dim() != 4 or tensor.shape[1] != 3:
        raise ArgumentError(f"tensor must have the shape [N, 3, H, W], got {tuple(tensor.shape)}")
    shape = (1, 3, 1, 1)
    images = tensor.detach().float() * tensor.new_tensor(std).view(shape)
    images = images + tensor.new_tensor(mean).view(shape)
    images = images.flip(1) if to_rgb else images
    pixels = images.clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()  # [N, H, W, 3]
    return [np.ascontiguousarray(image) for image in pixels]
