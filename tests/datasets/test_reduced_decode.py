"""JPEG files decoded at a reduced size, by the crop that is taken of them."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from mmselfsup.datasets.builder import build_dataset
from mmselfsup.datasets.pipelines.encoded import EncodedImage, reduction_for
from mmselfsup.datasets.pipelines.geometric import RandomResizedCrop
from mmselfsup.datasets.pipelines.located_view import LocatedView
from mmselfsup.datasets.registry import build_datasource
from mmselfsup.utils.errors import ArgumentError, UserError

CROP = dict(type="RandomResizedCrop", size=32, scale=(0.3, 1.0))
TO_TENSOR = dict(type="ToTensor")


def photograph(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return something like a photograph: structures of all sizes, those of few pixels faint."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), 128.0)
    for side, strength in ((4, 60), (16, 20), (64, 4), (256, 1)):
        small = rng.normal(0, strength, (side, side, 3))
        image += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(4):
        pixels = photograph(300 + 7 * number, 411 - 5 * number, number)
        Image.fromarray(pixels).save(tmp_path / f"{number}.jpg", quality=92)
    return tmp_path


def source(folder: Path, **options: Any) -> dict[str, Any]:
    return dict(type="ImageList", data_prefix=str(folder), **options)


def views(folder: Path, pipeline: list[dict[str, Any]], **options: Any) -> list[Any]:
    dataset = build_dataset(
        dict(
            type="MultiViewDataset",
            data_source=source(folder, **options),
            num_views=[2],
            pipelines=[pipeline],
        )
    )
    torch.manual_seed(3)
    return [view for idx in range(len(dataset)) for view in dataset[idx]["img"]]


def encoded(height: int, width: int, asked: list[int] | None = None) -> EncodedImage:
    """Return an image whose pixels hold their own (row, column) of the whole image."""

    def decode(reduction: int) -> np.ndarray:
        if asked is not None:
            asked.append(reduction)
        rows = np.arange(0, height, reduction, dtype=np.uint8)
        columns = np.arange(0, width, reduction, dtype=np.uint8)
        return np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1)

    return EncodedImage((height, width), decode)


@pytest.mark.parametrize(
    ("part", "size", "wanted"),
    [
        ((100, 100), (64, 64), 1),
        ((128, 128), (64, 64), 2),
        ((127, 500), (64, 64), 1),
        ((512, 511), (64, 64), 4),
        ((5000, 5000), (64, 64), 8),
        ((10, 10), (64, 64), 1),
    ],
)
def test_the_reduction_leaves_the_pixels_of_the_result(
    part: tuple[int, int], size: tuple[int, int], wanted: int
) -> None:
    assert reduction_for(part, size) == wanted


def test_a_part_is_the_same_place_at_each_reduction() -> None:
    pixels, (top, left, height, width) = encoded(200, 240).part((42, 81, 160, 128), (40, 32))
    assert (top, left, height, width) == (10.5, 20.25, 40, 32)
    assert pixels[10, 20].tolist() == [40, 80]


def test_views_of_one_image_share_what_was_decoded() -> None:
    asked: list[int] = []
    image = encoded(200, 240, asked)
    for _ in range(3):
        image.part((0, 0, 200, 240), (50, 60))
    image.pixels()
    assert asked == [4, 1]


def test_views_are_those_of_the_whole_image(folder: Path) -> None:
    """The same crops and flips, and values that differ by less than 2 of 255 in the mean."""
    flip = dict(type="RandomHorizontalFlip")
    pipeline = [CROP, flip, TO_TENSOR]
    whole, reduced = views(folder, pipeline), views(folder, pipeline, reduced_decode=True)
    differences = [255 * (a - b).abs().mean().item() for a, b in zip(whole, reduced, strict=True)]
    assert max(differences) < 2
    assert max(differences) > 0  # something was decoded at a reduced size


def test_the_mean_of_a_view_has_no_drift(folder: Path) -> None:
    pipeline = [CROP, TO_TENSOR]
    whole, reduced = views(folder, pipeline), views(folder, pipeline, reduced_decode=True)
    drift = [255 * (a - b).mean((1, 2)) for a, b in zip(whole, reduced, strict=True)]
    assert torch.stack(drift).abs().max() < 0.5


@pytest.mark.parametrize("colour", ["color", "grayscale"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied(tmp_path: Path, colour: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(photograph(160, 256)).save(tmp_path / "0.jpg", exif=exif, quality=95)
    resize = [dict(type="Resize", size=40), TO_TENSOR]
    whole = views(tmp_path, resize, color_type=colour)
    reduced = views(tmp_path, resize, color_type=colour, reduced_decode=True)
    assert whole[0].shape == reduced[0].shape
    assert 0 < 255 * (whole[0] - reduced[0]).abs().mean() < 2


@pytest.mark.parametrize("order", ["II", "MM"])
def test_an_orientation_of_32_bits_is_that_of_opencv(tmp_path: Path, order: str) -> None:
    """OpenCV reads the first two of its four bytes."""
    header = struct.pack({"II": "<HIH", "MM": ">HIH"}[order], 42, 8, 1)  # one tag
    tag = struct.pack({"II": "<HHII", "MM": ">HHII"}[order], 0x0112, 4, 1, 6)
    exif = b"Exif\0\0" + order.encode() + header + tag + bytes(4)
    Image.fromarray(photograph(160, 256)).save(tmp_path / "0.jpg", exif=exif, quality=95)
    resize = [dict(type="Resize", size=40), TO_TENSOR]
    whole, reduced = (views(tmp_path, resize, reduced_decode=one) for one in (False, True))
    assert whole[0].shape == reduced[0].shape
    assert 255 * (whole[0] - reduced[0]).abs().mean() < 2


def test_patches_of_a_reduced_image(folder: Path) -> None:
    """The data set of Relative-Loc decodes by the first step of its pipeline too."""

    def pairs(**options: Any) -> torch.Tensor:
        dataset = build_dataset(
            dict(
                type="RelativeLocDataset",
                data_source=source(folder, **options),
                pipeline=[dict(type="Resize", size=(96, 96)), dict(type="RandomGrayscale", p=0.5)],
                format_pipeline=[TO_TENSOR],
            )
        )
        torch.manual_seed(3)
        return torch.stack([dataset[idx]["img"] for idx in range(len(dataset))])

    difference = 255 * (pairs() - pairs(reduced_decode=True)).abs().mean()
    assert 0 < difference < 2


def segment(marker: int, content: bytes) -> bytes:
    """A segment of a JPEG file."""
    return b"\xff" + bytes([marker]) + (len(content) + 2).to_bytes(2, "big") + content


XMP = (
    b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


@pytest.mark.parametrize("case", ["editor", "preview", "xmp", "fill"])
def test_the_orientation_may_stand_anywhere_before_the_pixels(tmp_path: Path, case: str) -> None:
    """Behind 120 kB of an editor's data; only in XMP, which OpenCV does not read; filled gaps."""
    exif = Image.Exif()
    exif[0x010E if case == "xmp" else 0x0112] = "a lesion" if case == "xmp" else 6
    memory = io.BytesIO()
    Image.fromarray(photograph(160, 256)).save(memory, "JPEG", exif=exif, quality=95)
    data = memory.getvalue()
    at = data.index(b"\xff\xe1")
    more = {
        "editor": segment(0xED, b"Photoshop 3.0\0" + bytes(60000)) * 2,
        "preview": segment(0xE2, b"MPF\0\xff\xd8Exif\xff\xd9" + bytes(60000)) * 2,
        "xmp": segment(0xE1, XMP),
        "fill": b"\xff" * 3,
    }[case]
    (tmp_path / "0.jpg").write_bytes(data[:at] + more + data[at:] + b"of a camera")
    plain, fast = (
        build_datasource(source(tmp_path, reduced_decode=r)).load_for_views(0)[0] for r in (0, 1)
    )
    assert isinstance(fast, EncodedImage)
    assert fast.shape == plain.shape[:2] == ((160, 256) if case == "xmp" else (256, 160))
    assert np.array_equal(fast.pixels(), plain)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_nothing_moves_where_sides_are_rounded_up(tmp_path: Path, orientation: int) -> None:
    """A ramp of 3 grey levels for each pixel that a crop would move, in both directions."""
    rows, columns = np.meshgrid(np.arange(83), np.arange(85), indexing="ij")
    ramp = np.stack([3 * rows, 3 * columns, 3 * rows], axis=-1).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(ramp).save(tmp_path / "0.jpg", exif=exif, quality=100, subsampling=0)
    resize = [dict(type="Resize", size=(10, 10)), TO_TENSOR]
    (whole, _), (reduced, _) = (views(tmp_path, resize, reduced_decode=r) for r in (False, True))
    inner = (whole - reduced)[:, 2:-2, 2:-2]  # libjpeg repeats the last row and column
    assert 255 * inner.mean((1, 2)).abs().max() < 1  # a third of a pixel


def test_a_small_image_is_equal(tmp_path: Path) -> None:
    Image.fromarray(photograph(40, 50)).save(tmp_path / "0.jpg")
    pipeline = [CROP, TO_TENSOR]
    for a, b in zip(
        views(tmp_path, pipeline), views(tmp_path, pipeline, reduced_decode=True), strict=True
    ):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "first",
    [
        dict(type="ColorJitter", brightness=0.4),
        dict(type="RandomHorizontalFlip"),
        dict(type="RandomAppliedTrans", transforms=[dict(type="RandomGrayscale", p=1.0)]),
        dict(type="RandomPerspective"),
        dict(type="RandomResizedCrop", size=32, interpolation=0),
    ],
)
def test_transforms_that_need_all_pixels_get_them(folder: Path, first: dict[str, Any]) -> None:
    pipeline = [first, dict(type="Resize", size=(32, 32)), TO_TENSOR]
    whole, reduced = views(folder, pipeline), views(folder, pipeline, reduced_decode=True)
    for a, b in zip(whole, reduced, strict=True):
        assert torch.equal(a, b)


def test_png_files_are_read_as_before(tmp_path: Path) -> None:
    Image.fromarray(photograph(300, 300)).save(tmp_path / "0.png")
    whole, reduced = (views(tmp_path, [CROP, TO_TENSOR], reduced_decode=r) for r in (False, True))
    assert torch.equal(whole[0], reduced[0])


def test_located_views_say_where_they_were_in_the_whole_image() -> None:
    view = LocatedView(size=20, transforms=[], scale=(1.0, 1.0))
    torch.manual_seed(0)
    way = view(encoded(200, 200))[1]
    torch.manual_seed(0)
    whole = view(encoded(200, 200).pixels())[1]
    assert torch.equal(way, whole)


def test_the_random_numbers_are_the_same() -> None:
    crop = RandomResizedCrop(20)
    torch.manual_seed(5)
    box = crop.cut(encoded(200, 240))[1]
    torch.manual_seed(5)
    assert crop.cut(encoded(200, 240).pixels())[1] == box


@pytest.mark.parametrize("damage", ["cut", "middle"])
def test_a_damaged_file_is_named(folder: Path, damage: str) -> None:
    data = (folder / "1.jpg").read_bytes()
    start = data.index(b"\xff\xda") - 40  # inside a table of the header
    broken = data[: len(data) // 2] if damage == "cut" else data[:start] + b"\0" * 60 + data[-40:]
    (folder / "1.jpg").write_bytes(broken)
    with pytest.raises(UserError, match=r"1\.jpg.*damaged|1\.jpg.*no image"):
        views(folder, [CROP, TO_TENSOR], reduced_decode=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [(dict(on_error="skip"), "on_error"), (dict(cache=dict(dir="x")), "cache")],
)
def test_settings_that_exclude_each_other(
    folder: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ArgumentError, match=f"reduced_decode has no effect.*{words}"):
        build_datasource(source(folder, reduced_decode=True, **options))


def test_sources_that_read_images_themselves(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", train_images=np.zeros((2, 28, 28), np.uint8))
    config = dict(type="MedMNIST", data_prefix=str(tmp_path), reduced_decode=True)
    with pytest.raises((ArgumentError, UserError)):
        build_datasource(config)


def test_device_transforms_need_decoded_images(folder: Path) -> None:
    dataset = build_dataset(
        dict(
            type="MultiViewDataset",
            data_source=source(folder, reduced_decode=True),
            num_views=[2],
            pipelines=[[CROP, TO_TENSOR, dict(type="Normalize", mean=[0.5] * 3, std=[0.2] * 3)]],
            device_transforms=True,
        )
    )
    with pytest.raises(ArgumentError, match="reduced_decode"):
        dataset[0]


def test_bytes_are_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = build_datasource(source(folder, reduced_decode=True))
    read: list[str] = []
    original = built.reader.read_bytes
    monkeypatch.setattr(built.reader, "read_bytes", lambda p: (read.append(p), original(p))[1])
    image, idx = built.load_for_views(2)
    assert isinstance(image, EncodedImage)
    assert idx == 2
    image.pixels()
    assert len(read) == 1
    assert image.shape == Image.open(io.BytesIO((folder / "2.jpg").read_bytes())).size[::-1]
