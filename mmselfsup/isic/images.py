"""Open image files strictly, and find them in folders."""

import os
from pathlib import Path

from PIL import Image, ImageOps

from ..utils.errors import UserError

#: Extensions of files that are taken for images, in order of preference.
IMAGE_SUFFIXES: tuple[str, ...] = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")

_8_BIT_MODES = ("RGB", "RGBA", "RGBX", "L", "LA", "P", "PA", "1", "CMYK", "YCbCr")


def open_rgb(path: str | os.PathLike[str]) -> Image.Image:
    """Decode a whole image file to 8-bit RGB, upright as its EXIF data say.

    Pillow is used since it refuses truncated files, where OpenCV fills the rest with grey.

    Raises:
        UserError: missing, truncated, no image, or more than 8 bits a channel.
    """
    try:
        with Image.open(path) as image:
            if image.mode not in _8_BIT_MODES:
                raise UserError(f"{path} has pixels of mode {image.mode}; 8-bit images are needed")
            image.load()
            return ImageOps.exif_transpose(image).convert("RGB")
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"can't read the image {path}: {error.strerror or error}") from error
    except (ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise UserError(f"can't read the image {path}: {error}") from error


def walk_images(folder: str | os.PathLike[str]) -> list[Path]:
    """Paths of all images below ``folder``, relative to it and sorted; hidden ones are left out.

    Raises:
        UserError: no such folder, or no image in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UserError(f"there is no folder {root}; check the path")
    found = []
    for parent, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        names = (n for n in files if not n.startswith("."))
        found += [
            Path(parent, name).relative_to(root)
            for name in names
            if Path(name).suffix.lower() in IMAGE_SUFFIXES
        ]
    if not found:
        raise UserError(f"no image below {root}; looked for {' '.join(IMAGE_SUFFIXES)}")
    return sorted(found)
