"""Image files as the data sources read them: the same decoder, the same order of folders."""

import os
from pathlib import Path

from PIL import Image

from mmselfsup.datasets.data_sources.decode import ImageError, decode_image
from mmselfsup.datasets.data_sources.entries import find_images
from mmselfsup.utils.errors import UserError


def open_rgb(path: str | os.PathLike[str]) -> Image.Image:
    """Return an image file as RGB, 8 bits a channel, turned upright as its EXIF data say.

    Raises:
        UserError: The file is missing, empty, truncated, or no image.
    """
    try:
        return decode_image(Path(path).read_bytes())
    except OSError as error:
        raise UserError(f"can't read the image {path}: {error.strerror or error}") from error
    except ImageError as error:
        raise UserError(f"can't read the image {path}: {error}") from error


def walk_images(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the paths of all images below ``folder``, relative and sorted, without hidden ones.

    Raises:
        UserError: No such folder, or no image in it.
    """
    if not os.path.isdir(folder):
        raise UserError(f"there is no folder {folder}; check the path")
    names = find_images(str(folder))
    if not names:
        raise UserError(f"there is no image in {folder} and its folders; check the path")
    return [Path(name) for name in names]
