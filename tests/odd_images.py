"""Image files as cameras, scanners and broken downloads leave them."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image

_ORIENTATION = 0x0112  # of EXIF
_TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # orientation -> what makes the picture upright


class OddFile(NamedTuple):
    """The bytes of a file, and the picture that they mean."""

    data: bytes
    picture: Image.Image  # RGB, upright


def picture(seed: int, height: int = 45, width: int = 60) -> Image.Image:
    """Smooth colours without black and white, other ones for each seed."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width) * 6 + seed
    channels = [127 + 90 * np.sin(x), 127 + 90 * np.cos(y), 127 + 60 * np.sin(x + y)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The file of a picture."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _plain(kind: str, image: Image.Image, mode: str = "RGB", **options: Any) -> OddFile:
    """A file in another mode."""
    changed = image.convert(mode)
    return OddFile(encode(changed, kind, **options), changed.convert("RGB"))


def _turned(kind: str, image: Image.Image, orientation: int, mode: str = "RGB") -> OddFile:
    """A file whose EXIF data say how the camera was held."""
    exif, turn = Image.Exif(), _TURNS[orientation]
    exif[_ORIENTATION] = orientation
    plain = _plain(kind, image, mode, exif=exif)
    return plain if turn is None else plain._replace(picture=plain.picture.transpose(turn))


def _deep(image: Image.Image, kind: str, alpha: bool = False) -> OddFile:
    """A PNG file with 16 bits a channel: red, green, blue, perhaps alpha; or grey."""
    shown = image.convert("L") if kind == "grey" else image
    pixels = np.asarray(shown).astype(np.uint16) * 257
    if kind == "grey":
        return OddFile(encode(Image.fromarray(pixels), "PNG"), shown.convert("RGB"))
    layers = [*np.moveaxis(pixels[..., ::-1], 2, 0)]  # OpenCV writes blue first
    layers += [np.full(pixels.shape[:2], 30000, np.uint16)] if alpha else []
    return OddFile(cv2.imencode(".png", np.dstack(layers))[1].tobytes(), image)


@cache
def good_files() -> dict[str, OddFile]:
    """Files that can be read, by name."""
    grey = picture(3).convert("L")
    float_tiff = Image.fromarray(np.asarray(grey).astype(np.float32))
    animation = dict(save_all=True, append_images=[picture(5).quantize(64)])
    files = {
        "isic.jpg": _plain("JPEG", picture(1, 450, 600)),
        "camera.jpg": _plain("JPEG", picture(2, 2592, 3872)),
        "grey.jpg": _plain("JPEG", picture(3), "L"),
        "cmyk.jpg": _plain("JPEG", picture(4), "CMYK"),
        **{f"exif{i}.jpg": _turned("JPEG", picture(5 + i), i) for i in _TURNS},
        "exif_cmyk.jpg": _turned("JPEG", picture(14), 6, "CMYK"),
        "exif.png": _turned("PNG", picture(15), 6),
        "exif.tif": _turned("TIFF", picture(16), 8),
        "progressive.jpg": _plain("JPEG", picture(17), progressive=True),
        "alpha.png": _plain("PNG", picture(18), "RGBA"),
        "grey_alpha.png": _plain("PNG", picture(19), "LA"),
        "two_colours.png": _plain("PNG", picture(20), "1"),
        "palette.png": _plain("PNG", picture(21), "P", transparency=3),
        "grey16.png": _deep(picture(22), "grey"),
        "rgb16.png": _deep(picture(23), "colour"),
        "rgba16.png": _deep(picture(24), "colour", alpha=True),
        "lab.tif": OddFile(encode(_lab(picture(25)), "TIFF"), picture(25)),
        "float.tif": OddFile(encode(float_tiff, "TIFF"), grey.convert("RGB")),
        "plain.bmp": _plain("BMP", picture(27)),
        "plain.webp": _plain("WEBP", picture(28), quality=98),
        "animated.gif": _plain("GIF", picture(29).quantize(64), "P", **animation),
        "one_pixel.png": _plain("PNG", picture(30, 1, 1)),
        "narrow.png": _plain("PNG", picture(31, 400, 3)),
        "flat.jpg": _plain("JPEG", picture(32, 2, 300)),
        "CAPITAL.JPG": _plain("JPEG", picture(33)),
        "a_png.jpg": _plain("PNG", picture(34)),
        "a jpeg.png": _plain("JPEG", picture(35)),
        "black.png": _plain("PNG", Image.new("RGB", (60, 45))),
        "wrong_exif.jpg": _plain("JPEG", picture(36), exif=_WRONG_EXIF),
        "wrong_exif_cmyk.jpg": _plain("JPEG", picture(37), "CMYK", exif=_WRONG_EXIF),
    }
    first = files["isic.jpg"]
    files["appended.jpg"] = first._replace(data=first.data + b"of a camera" * 99)
    return files


_WRONG_EXIF = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03\xff"


def _lab(image: Image.Image) -> Image.Image:
    """A picture in CIELAB, as some scanners write."""
    from PIL import ImageCms

    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    changed = ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB")
    assert changed is not None
    return changed


@cache
def broken_files() -> dict[str, bytes]:
    """Files that can't be read, by name."""
    jpeg, png = good_files()["isic.jpg"].data, good_files()["alpha.png"].data
    tiff, cmyk = good_files()["exif.tif"].data, good_files()["cmyk.jpg"].data
    half = len(jpeg) // 2
    flipped = bytearray(png)
    flipped[len(png) // 2] ^= 255
    return {
        "half.jpg": jpeg[:half],
        "half_cmyk.jpg": cmyk[: len(cmyk) // 2],
        "last_bytes.jpg": jpeg[:-2],
        "zeros.jpg": jpeg[:half] + bytes(5000),
        "head.jpg": jpeg[:20],
        "half.png": png[: len(png) // 2],
        "wrong_checksum.png": bytes(flipped),
        "no_size.png": png[:16] + bytes(8) + png[24:],
        "half.tif": tiff[: len(tiff) // 2],
        "empty.jpg": b"",
        "web_page.jpg": b"<html>404 Not Found</html>",
    }


def write_files(folder: Path, files: dict[str, Any]) -> list[str]:
    """Write good or broken files into a folder; their names, sorted."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in files.items():
        (folder / name).write_bytes(file.data if isinstance(file, OddFile) else file)
    return sorted(files)
