"""DICOM files and arrays as pixels: windows, photometric interpretations, what is refused."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmcv import Config
from PIL import Image

from mmselfsup.datasets.builder import build_dataset
from mmselfsup.datasets.data_sources import ImageList, base
from mmselfsup.datasets.data_sources.decode import ImageError, decode_pixels, open_rgb
from mmselfsup.datasets.data_sources.medmnist import MedMNIST
from mmselfsup.datasets.data_sources.scans import scan_reading, window
from mmselfsup.datasets.statistics import statistics_key
from mmselfsup.evaluation.features import dataset_digest

pydicom = pytest.importorskip("pydicom")

GREY = np.array([[0, 100, 200], [400, 800, 1023]], np.uint16)


def dicom(values: np.ndarray, kind: str = "MONOCHROME2", bits: int = 10, **tags: Any) -> bytes:
    """The bytes of a DICOM file with these stored values."""
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    file = FileDataset("", Dataset(), file_meta=meta, preamble=b"\0" * 128)
    frames = tags.get("NumberOfFrames", 1)
    height, width = values.shape[:2] if frames == 1 else values.shape[1:3]
    file.Rows, file.Columns = height, width
    file.SamplesPerPixel = 3 if values.ndim == 3 and frames == 1 else 1
    if file.SamplesPerPixel == 3:
        file.PlanarConfiguration = 0
    file.PhotometricInterpretation = kind
    file.BitsAllocated = values.dtype.itemsize * 8
    file.BitsStored, file.HighBit = bits, bits - 1
    file.PixelRepresentation = int(values.dtype.kind == "i")
    for key, value in tags.items():
        setattr(file, key, value)
    file.PixelData = values.tobytes()
    buffer = io.BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def grey(data: bytes, **kwargs: Any) -> np.ndarray:
    return np.asarray(decode_pixels(data, "grayscale", **kwargs))


def test_without_a_window_the_stored_bits_count() -> None:
    assert grey(dicom(GREY)).tolist() == np.rint(GREY / 1023 * 255).astype(int).tolist()
    colour = np.asarray(decode_pixels(dicom(GREY)))
    assert colour.shape == (2, 3, 3)
    assert (colour == grey(dicom(GREY))[..., None]).all()


def lookup_table(entries: list[int], first: int = 0, bits: int = 16) -> Any:
    """A modality LUT: stored values from ``first`` on become the entries."""
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    item = Dataset()
    item.add_new(0x00283002, "SS" if first < 0 else "US", [len(entries), first, bits])
    item.add_new(0x00283006, "US", entries)
    item.ModalityLUTType = "US"
    return Sequence([item])


@pytest.mark.parametrize(("top", "bits"), [(250, 8), (3000, 16), (60000, 16)])
def test_without_a_window_the_range_of_the_lookup_table_counts(top: int, bits: int) -> None:
    table = lookup_table([0, top // 5, top // 2, top], bits=bits)
    values = np.array([[0, 1, 2], [3, 3, 0]], np.uint16)
    assert grey(dicom(values, ModalityLUTSequence=table)).tolist() == [[0, 51, 128], [255, 255, 0]]
    signed = lookup_table([0, top // 5, top // 2, top], first=-1, bits=bits)
    file = dicom(values.astype(np.int16) - 1, ModalityLUTSequence=signed)
    assert grey(file).tolist() == [[0, 51, 128], [255, 255, 0]]


@pytest.mark.parametrize(
    "tags",
    [
        dict(RescaleSlope=2),  # nothing without an intercept
        dict(RescaleSlope=None, RescaleIntercept=None),
        dict(RescaleSlope=-3, RescaleIntercept=7, PhotometricInterpretation="MONOCHROME1"),
        dict(WindowCenter=None, WindowWidth=None),
    ],
)
def test_the_range_of_the_bits_is_rescaled_as_the_values(tags: dict[str, Any]) -> None:
    assert (grey(dicom(GREY, **tags)) == grey(dicom(GREY))).all()


@pytest.mark.parametrize("first", [0, -512])
def test_entries_for_values_of_more_bits_than_the_file_has_do_not_count(first: int) -> None:
    entries = [16 * (number // 4) for number in range(4096)]  # the file has 10 of 12 bits
    values = GREY.astype(np.int64) + first
    file = dicom(
        values.astype(np.uint16 if first == 0 else np.int16),
        ModalityLUTSequence=lookup_table(entries, first),
    )
    shares = (GREY // 4) / 255
    assert grey(file).tolist() == np.rint(shares * 255).astype(int).tolist()


def test_a_window_and_its_units() -> None:
    tags = dict(WindowCenter=[50, 1], WindowWidth=[401, 1], RescaleSlope=2, RescaleIntercept=-100)
    units = GREY * 2.0 - 100
    expected = np.rint(((units - 49.5) / 400 + 0.5).clip(0, 1) * 255)
    assert grey(dicom(GREY, **tags)).tolist() == expected.tolist()
    given = grey(dicom(GREY, **tags), value_range=[-100, 300])  # in place of the window
    assert given.tolist() == np.rint(((units + 100) / 400).clip(0, 1) * 255).tolist()


def test_monochrome1_is_inverted() -> None:
    assert (grey(dicom(GREY, "MONOCHROME1")) == 255 - grey(dicom(GREY))).all()


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_as_pydicom_has_them(function: str) -> None:
    from pydicom.dataset import Dataset
    from pydicom.pixels import apply_windowing

    tags = Dataset()
    tags.PhotometricInterpretation, tags.BitsStored, tags.PixelRepresentation = "MONOCHROME2", 10, 0
    tags.WindowCenter, tags.WindowWidth, tags.VOILUTFunction = 300, 250, function
    expected = apply_windowing(GREY, tags) / 1023
    np.testing.assert_allclose(window(GREY, 300, 250, function), expected, atol=1e-9)


def test_a_window_of_width_one_is_a_step() -> None:
    assert window(np.array([1.0, 2.0, 3.0]), 2.5, 1).tolist() == [0, 0, 1]
    with pytest.raises(ImageError, match="LINEAR, width 0"):
        window(GREY, 0, 0)
    with pytest.raises(ImageError, match="OTHER, width 5"):
        window(GREY, 0, 5, "OTHER")


def test_colours() -> None:
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    assert (decode_pixels(dicom(rgb, "RGB", 8)) == rgb).all()
    assert (decode_pixels(dicom(rgb, "RGB", 8), channel_order="bgr") == rgb[..., ::-1]).all()
    from pydicom.pixels import convert_color_space

    ybr = np.ascontiguousarray(convert_color_space(rgb, "RGB", "YBR_FULL"))
    found = np.asarray(decode_pixels(dicom(ybr, "YBR_FULL", 8))).astype(int)
    assert abs(found - rgb).max() <= 2  # both conversions round


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            dicom(np.zeros((3, 2, 2), np.uint16), NumberOfFrames=3),
            "holds 3 frames, and one image in each file is read",
        ),
        (
            dicom(np.array([[-1000, 200]], np.int16), bits=16),
            r"no window, and signed values from -1000 to 200: set value_range",
        ),
        (dicom(GREY, WindowCenter=500), "has a centre and no width: set value_range"),
        (dicom(GREY, WindowCenter=500, WindowWidth=None), "a centre and no width"),
        (dicom(GREY, RescaleSlope=0, RescaleIntercept=3), "all of its values become 3"),
        (dicom(GREY)[:-4], "can't be read"),
        (dicom(GREY)[:140], "can't be read|holds no image"),
    ],
)
def test_refused(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        decode_pixels(data)


def test_the_limit_of_pixels_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMSELFSUP_MAX_PIXELS", "5")
    for data in (dicom(GREY), array(GREY)):
        with pytest.raises(ImageError, match="3 x 2 pixels, more than 5"):
            decode_pixels(data)


def array(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def test_arrays() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    assert (decode_pixels(array(rgb)) == rgb).all()
    assert (decode_pixels(array(rgb[..., :1]), "grayscale") == rgb[..., 0]).all()
    big = (rgb[..., 0].astype(">u2") << 8) + 7  # another byte order
    assert (decode_pixels(array(big), "grayscale") == rgb[..., 0]).all()
    assert (decode_pixels(array(rgb / 255.0)) == rgb).all()
    assert grey(array(np.array([[True, False]]))).tolist() == [[255, 0]]
    assert grey(array(np.array([[0, 4095]], np.uint16)), value_range=[0, 4095]).tolist() == [
        [0, 255]
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 8, 8)), r"\[3, 8, 8\] is no image: \[H, W\]"),
        (np.zeros(8), "is no image"),
        (np.zeros((2, 2), complex), "an array of complex128 is no image"),
        (np.array([[0, 3000]], np.uint16), "12 or fewer are in use"),
        (np.array([[0, 3000.0]]), "nothing says which is white"),
    ],
)
def test_arrays_that_are_no_images(values: np.ndarray, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        decode_pixels(array(values))


def test_a_damaged_array() -> None:
    with pytest.raises(ImageError, match="damaged"):
        decode_pixels(array(np.zeros((20, 20)))[:-9])
    objects = np.empty((2, 2), object)  # would run code when it is loaded
    buffer = io.BytesIO()
    np.save(buffer, objects, allow_pickle=True)
    with pytest.raises(ImageError, match="an array of object is no image"):
        decode_pixels(buffer.getvalue())


def test_in_a_data_source(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(dicom(GREY))
    np.save(tmp_path / "b.npy", np.full((2, 2, 3), 9, np.uint8))
    source = ImageList(str(tmp_path))
    assert source.image_names() == ["a.dcm", "b.npy"]
    assert source.get_pixels(0).shape == (2, 3, 3)
    assert np.asarray(open_rgb(tmp_path / "b.npy")).max() == 9


@pytest.mark.parametrize("name", ["a.dcm", "a.png"])
def test_what_was_made_of_pixels_of_an_older_reader_is_not_used(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A cache, kept statistics and kept features of DICOM files; those of other files stay."""
    monkeypatch.setattr(logging.getLogger("mmselfsup"), "propagate", True)
    folder = tmp_path / "images"
    folder.mkdir()
    pixels = (GREY >> 2).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "a.png")
    data = (folder / "a.png").read_bytes() if name == "a.png" else dicom(GREY)
    (folder / "a.png").unlink()
    (folder / name).write_bytes(data)
    images = dict(type="ImageList", data_prefix=str(folder))
    images["cache"] = dict(dir=str(tmp_path / "cache"), short_side=None)
    cfg = Config(dict(data=dict(val=dict(type="SingleViewDataset", pipeline=[]))))
    cfg.data.val.data_source = images

    def kept() -> tuple[Path, str, str]:
        dataset = build_dataset(cfg.data.val)
        source = dataset.data_source
        digest = dataset_digest(cfg.data.val, dataset, cfg, "val")
        return source.cache.folder, statistics_key(source, None), digest

    with monkeypatch.context() as older:
        older.setattr(base, "scan_reading", lambda names: {})
        before = kept()
    is_same = [one == other for one, other in zip(kept(), before, strict=True)]
    assert is_same == [name == "a.png"] * 3
    assert (f"{before[0]} is of an older version" in caplog.text) == (name == "a.dcm")


def test_a_name_without_an_extension_may_be_that_of_a_dicom_file() -> None:
    assert scan_reading(["1.2.840.113"]) == scan_reading(["IM-0001"]) == scan_reading(["A.DCM"])
    assert scan_reading(["a.dcm"])
    assert scan_reading(["a.jpg", "b.NPY"]) == scan_reading([]) == {}


def test_names_of_images_in_an_array_are_none_of_dicom_files(tmp_path: Path) -> None:
    arrays = {"train_images": np.zeros((2, 4, 4), np.uint8), "train_labels": np.zeros((2, 1), int)}
    np.savez(tmp_path / "a.npz", **arrays)
    assert MedMNIST(str(tmp_path / "a.npz"), subset="train").scan_reading() == {}
