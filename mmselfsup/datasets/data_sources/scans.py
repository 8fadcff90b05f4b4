"""DICOM files and arrays (``.npy``) as pixels of 8 bits.

DICOM (PS3.3): stored values become units of the modality (rescale slope and intercept, or a lookup
table), then the window of the file (section C.11.2.1.2; the first where it has several) becomes
0..255; without a window, the range of what the stored bits may become does. ``MONOCHROME1`` is
inverted, so that large values are bright in every file. ``YBR`` and palette colours become RGB.
pydicom reads the files; it is loaded with the first of them.

Arrays: [H, W], [H, W, 1] or [H, W, 3], channels last.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.image_names import has_image_extension

from .deep_values import ImageError, to_8_bits

#: Of the pixels of DICOM files: version 1 has wrong ones of lookup tables and of files without a
#: window.
_DICOM_VERSION = 2

_DICOM, _DICOM_AT = b"DICM", 128
_DICOM_ENDS = (".dcm", ".dicom")  # many have no extension
_ARRAY = b"\x93NUMPY"
_GREY = ("MONOCHROME1", "MONOCHROME2")
_BYTE = 8  # bits
_MOST_ENTRIES = 2**16  # of a lookup table, for which its descriptor has 0

CheckSize = Callable[[tuple[int, int] | None], None]


def is_scan(data: bytes) -> bool:
    """Return whether the bytes of a file are DICOM or an array of NumPy."""
    return data[_DICOM_AT : _DICOM_AT + 4] == _DICOM or data.startswith(_ARRAY)


def scan_reading(names: Iterable[str]) -> dict[str, int]:
    """Return what stands for the way in which DICOM files are read; nothing without any.

    What was made of their pixels by another version must not be taken for those of today.

    Args:
        names: File names of images; those without an image's extension may be DICOM.
    """
    ends = (name.lower() for name in names)
    found = any(name.endswith(_DICOM_ENDS) or not has_image_extension(name) for name in ends)
    return {"dicom": _DICOM_VERSION} if found else {}


def read_scan(
    data: bytes, value_range: Sequence[float] | None, check_size: CheckSize
) -> NDArray[np.uint8]:
    """Return the pixels [H, W] or [H, W, 3] of a file.

    Args:
        data: The bytes of a file for which ``is_scan`` is true.
        value_range: Which values become 0 and 255; in units of the modality for grey DICOM files,
            where it takes the place of the window.
        check_size: Raises ``ImageError`` for a width and height that may not be decoded.

    Raises:
        ImageError: The file is damaged, holds several images or none, or nothing says which of its
            values is white.
    """
    if data.startswith(_ARRAY):
        return _read_array(data, value_range, check_size)
    return _read_dicom(data, value_range, check_size)


def _read_array(
    data: bytes, value_range: Sequence[float] | None, check_size: CheckSize
) -> NDArray[np.uint8]:
    """Return the pixels of an array."""
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else None
        header = header or np.lib.format.read_array_header_2_0
        shape, _, dtype = header(file)
        if dtype.kind not in "buif":
            raise ImageError(f"an array of {dtype} is no image")
        if shape[2:] not in ((), (1,), (3,)) or len(shape) < 2 or 0 in shape:
            raise ImageError(
                f"an array of the shape {list(shape)} is no image: [H, W], [H, W, 1] or [H, W, 3] "
                "are (channels last, one image in each file)"
            )
        check_size((shape[1], shape[0]))
        values = np.load(io.BytesIO(data), allow_pickle=False)
    except ImageError:
        raise
    except (ValueError, EOFError, OSError, SyntaxError) as error:
        raise ImageError(f"the file is damaged ({error})") from error
    values = values[..., 0] if shape[2:] == (1,) else values
    if dtype.kind == "b":
        return np.asarray(values, np.uint8) * 255
    return values if dtype == np.uint8 else to_8_bits(_native(values), value_range)


def _native(values: NDArray[Any]) -> NDArray[Any]:
    """Return values in the byte order of this machine."""
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _read_dicom(
    data: bytes, value_range: Sequence[float] | None, check_size: CheckSize
) -> NDArray[np.uint8]:
    """Return the pixels of a DICOM file."""
    try:
        import pydicom
    except ImportError:
        raise ImageError(
            "this is a DICOM file, which needs pydicom: pip install pydicom (or mmselfsup[dicom])"
        ) from None
    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
        _check_content(dataset, check_size)
        values = _stored_values(dataset)
        if values.ndim == 3:
            return values if values.dtype == np.uint8 else _colour(values, dataset)
        pixels = _grey(values, dataset, value_range)
    except ImageError:
        raise
    except Exception as error:  # pydicom and the packages behind it raise anything
        text = " ".join(str(error).split())
        raise ImageError(f"the DICOM file can't be read ({text})") from error
    return 255 - pixels if dataset.PhotometricInterpretation == "MONOCHROME1" else pixels


def _check_content(dataset: Any, check_size: CheckSize) -> None:
    """Check that a DICOM file holds one image.

    Raises:
        ImageError: It holds none, or several frames.
    """
    if "PixelData" not in dataset:
        raise ImageError(f"the DICOM file holds no image ({dataset.get('Modality', '?')})")
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        raise ImageError(
            f"the DICOM file holds {frames} frames, and one image in each file is read: export the "
            "frames that you need as single files"
        )
    check_size((int(dataset.Columns), int(dataset.Rows)))


def _stored_values(dataset: Any) -> NDArray[Any]:
    """Return the stored values: [H, W] for grey, [H, W, 3] in RGB for colours."""
    from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array

    for key in ("RescaleSlope", "RescaleIntercept"):
        if key in dataset and dataset[key].value is None:  # an empty element is as good as none
            del dataset[key]
    values = np.asarray(pixel_array(dataset))  # YBR becomes RGB
    kind = str(dataset.PhotometricInterpretation)
    if kind == "PALETTE COLOR":
        return np.asarray(apply_color_lut(values, dataset))
    if kind in _GREY:
        return np.asarray(apply_modality_lut(values, dataset))
    if values.ndim != 3 or values.shape[-1] != 3:
        raise ImageError(f"the photometric interpretation {kind} of the DICOM file is not read")
    return values


def _colour(values: NDArray[Any], dataset: Any) -> NDArray[np.uint8]:
    """Return colours of more than 8 bits as 0..255, by the bits of the file."""
    palette = dataset.PhotometricInterpretation == "PALETTE COLOR"
    bits = values.dtype.itemsize * _BYTE if palette else int(dataset.BitsStored)
    return to_8_bits(values, (0.0, 2.0**bits - 1))


def _grey(
    values: NDArray[Any], dataset: Any, value_range: Sequence[float] | None
) -> NDArray[np.uint8]:
    """Return the values of a modality, [H, W], as 0..255: by ``value_range``, window or bits.

    Raises:
        ImageError: None of them says which value is white.
    """
    from pydicom.pixels import apply_voi

    if value_range is not None:
        return to_8_bits(values.astype(np.float64), value_range)
    if "WindowCenter" in dataset and dataset.WindowCenter is not None:
        if dataset.get("WindowWidth") is None:
            raise ImageError(
                "the window of the DICOM file has a centre and no width: set "
                "value_range=[black, white] in the data source"
            )
        center, width = (_first(dataset[key].value) for key in ("WindowCenter", "WindowWidth"))
        unit = window(values, center, width, str(dataset.get("VOILUTFunction") or "LINEAR"))
        return to_8_bits(unit, (0.0, 1.0))
    if dataset.get("VOILUTSequence"):
        bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        return to_8_bits(np.asarray(apply_voi(values, dataset)), (0.0, 2.0**bits - 1))
    return to_8_bits(values.astype(np.float64), _range_of_bits(values, dataset))


def _range_of_bits(values: NDArray[Any], dataset: Any) -> tuple[float, float]:
    """Return the least and the largest value of the modality that the stored bits may become.

    Raises:
        ImageError: The stored values have a sign, or the lookup table has one value.
    """
    from pydicom.pixels import apply_modality_lut

    signed, bits = bool(dataset.PixelRepresentation), int(dataset.BitsStored)
    ends = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    stored = np.array(ends)
    if table := dataset.get("ModalityLUTSequence"):
        # Some tables have entries for values of more bits than the file has.
        count, first, _ = (int(number) for number in table[0].LUTDescriptor)
        low, high = np.clip(ends, first, first + (count or _MOST_ENTRIES) - 1)
        stored = np.arange(low, high + 1)
    elif signed:
        raise ImageError(
            f"the DICOM file has no window, and signed values from {values.min():g} to "
            f"{values.max():g}: set value_range=[black, white] in the data source"
        )
    units = np.asarray(apply_modality_lut(stored, dataset))
    if units.min() == units.max():
        raise ImageError(
            f"the DICOM file has no window, and all of its values become {units[0]:g}: set "
            "value_range=[black, white] in the data source"
        )
    return float(units.min()), float(units.max())


def _first(value: Any) -> float:
    """Return the number, or the first of several."""
    return float(value if isinstance(value, int | float) else next(iter(value)))


def window(
    values: NDArray[Any], center: float, width: float, function: str = "LINEAR"
) -> NDArray[np.float64]:
    """Return values as shares of a window: 0 at and below it, 1 at and above it.

    DICOM PS3.3, C.11.2.1.2.1 (``LINEAR``: (x - (c - 0.5)) / (w - 1) + 0.5), C.11.2.1.3.2
    (``LINEAR_EXACT``: (x - c) / w + 0.5) and C.11.2.1.3.1 (``SIGMOID``: 1 / (1 + exp(-4 (x - c) /
    w))), for an output range of 0 to 1.

    Args:
        values: Any shape.
        center, width: c and w, in units of the values.
        function: Its name in the file.

    Raises:
        ImageError: The function is unknown, or the width too small for it.
    """
    least = 1.0 if function == "LINEAR" else np.finfo(np.float64).tiny
    if width < least or function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise ImageError(
            f"the window of the DICOM file can't be used: {function}, width {width:g}: set "
            "value_range=[black, white] in the data source"
        )
    x = values.astype(np.float64)
    if function == "SIGMOID":
        return np.asarray(1.0 / (1.0 + np.exp(-4.0 * (x - center) / width)))
    if function == "LINEAR_EXACT":
        return np.asarray(((x - center) / width + 0.5).clip(0.0, 1.0))
    if width == 1.0:  # a step
        return np.asarray((x > center - 0.5).astype(np.float64))
    return np.asarray(((x - (center - 0.5)) / (width - 1.0) + 0.5).clip(0.0, 1.0))
