"""Image files as the data sources see them: the same decoder, the same way through folders."""

import os
from pathlib import Path

from PIL import Image

from ..datasets.data_sources.decode import ImageError, decode_image
from ..datasets.data_sources.entries import find_images
from ..utils.errors import UserError


def open_rgb(path: str | os.PathLike[str]) -> Image.Image:
    """Decode an image file to RGB, 8 bits a channel, upright as its EXIF data say.

    Raises:
        UserError: it is missing, empty, truncated, or no image.
    """
    try:
        return decode_image(Path(path).read_bytes())
    except OSError as error:
        raise UserError(f"can't read the image {path}: {error.strerror or error}") from error
    except ImageError as error:
        raise UserError(f"can't read the image {path}: {error}") from error


def walk_images(folder: str | os.PathLike[str]) -> list[Path]:
    """Paths of all images below ``folder``, relative to it and sorted; hidden ones are left out.

    Raises:
        UserError: no such folder, or no image in it.
    """
    if not os.path.isdir(folder):
        raise UserError(f"there is no folder {folder}; check the path")
    found = find_images(str(folder))
    if not found:
        raise UserError(f"there is no image in {folder} and its folders; check the path")
    return [Path(name) for name in found]
