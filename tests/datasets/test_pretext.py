"""Patches of an image, and its rotations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mmselfsup.datasets import RelativeLocDataset, RotationPredDataset, build_dataset
from mmselfsup.datasets.batch import BATCH_KEYS
from mmselfsup.datasets.relative_loc import image_to_patches
from mmselfsup.datasets.rotation_pred import rotate
from mmselfsup.datasets.utils import PrefetchLoader, to_numpy
from mmselfsup.utils.errors import UserError

TO_TENSOR = [dict(type="ToTensor")]


@pytest.fixture
def source(image_folder: Path, image_list: Path) -> dict[str, Any]:
    return dict(type="ImageList", data_prefix=str(image_folder), ann_file=str(image_list))


def numbered(width: int, height: int) -> Image.Image:
    """A picture whose pixels say where they are: red is the column, green the row."""
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([x, y, 0 * x], axis=-1).astype(np.uint8))


@pytest.mark.parametrize(
    ("width", "height", "jitter"), [(255, 255, 21), (120, 120, 0), (90, 66, 3)]
)
def test_patches_lie_in_their_cells(width: int, height: int, jitter: int) -> None:
    corners = set()
    for _ in range(8):
        patches = image_to_patches(numbered(width, height), jitter)
        assert len(patches) == 9
        for i, patch in enumerate(patches):
            assert patch.size == (width // 3 - jitter, height // 3 - jitter)
            pixels = np.asarray(patch)
            left, top = int(pixels[0, 0, 0]), int(pixels[0, 0, 1])
            dx, dy = left - i % 3 * (width // 3), top - i // 3 * (height // 3)
            assert 0 <= dx <= jitter
            assert 0 <= dy <= jitter
            corners.add((dx, dy))
            assert (pixels[-1, -1, :2] == (left + patch.size[0] - 1, top + patch.size[1] - 1)).all()
    assert len(corners) > 5 or jitter == 0


def test_patches_follow_torchs_generator() -> None:
    drawn = []
    for _ in range(2):
        torch.manual_seed(4)
        drawn.append([to_numpy(p) for p in image_to_patches(numbered(150, 150))])
    assert np.array_equal(drawn[0], drawn[1])


def test_too_small_for_patches() -> None:
    with pytest.raises(UserError, match=r"60x90 .* patch_jitter of 21: resize to 159"):
        image_to_patches(numbered(60, 90))


def relative_loc(source: dict[str, Any], **kwargs: Any) -> Any:
    resize = [dict(type="Resize", size=(90, 90))]
    return build_dataset(
        dict(type="RelativeLocDataset", data_source=source, pipeline=resize, **kwargs)
    )


def test_relative_loc_sample(source: dict[str, Any]) -> None:
    dataset = relative_loc(source, format_pipeline=TO_TENSOR)
    assert isinstance(dataset, RelativeLocDataset)
    torch.manual_seed(2)
    sample = dataset[3]
    assert set(sample) == {"img", "patch_label"} <= set(BATCH_KEYS)
    assert sample["img"].shape == (8, 6, 9, 9)
    assert sample["patch_label"].tolist() == list(range(8))
    torch.manual_seed(2)
    image = dataset.data_source.get_img(3).resize((90, 90), Image.Resampling.BILINEAR)
    patches = [torch.from_numpy(to_numpy(p)) / 255 for p in image_to_patches(image)]
    for pair, at in zip(sample["img"], (0, 1, 2, 3, 5, 6, 7, 8), strict=True):
        # Arrays are shrunk by another library than PIL: a grey level more or less.
        torch.testing.assert_close(pair[:3], patches[at], atol=1.01 / 255, rtol=0)
        torch.testing.assert_close(pair[3:], patches[4], atol=1.01 / 255, rtol=0)
    assert relative_loc(source, format_pipeline=TO_TENSOR, patch_jitter=2)[0]["img"].shape[2:] == (
        28,
        28,
    )


def test_rotations_are_quarter_turns(source: dict[str, Any]) -> None:
    crop = [dict(type="CenterCrop", size=32), *TO_TENSOR]
    dataset = RotationPredDataset(source, crop)
    sample = dataset[1]
    assert set(sample) == {"img", "rot_label"} <= set(BATCH_KEYS)
    assert sample["img"].shape == (4, 3, 32, 32)
    assert sample["rot_label"].tolist() == [0, 1, 2, 3]
    for before, after in zip(sample["img"], sample["img"][1:], strict=False):
        for row in range(0, 32, 5):  # counter-clockwise: a row becomes a column, the last one first
            assert torch.equal(after[:, :, row], before[:, row, :].flip(1))
    assert torch.equal(rotate(sample["img"][0])[3], sample["img"][3])


def test_rotations_need_a_square(source: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"square, the pipeline gave 48x40 pixels"):
        RotationPredDataset(source, TO_TENSOR)[0]


def test_prefetch(source: dict[str, Any]) -> None:
    mean, std = [0.2, 0.4, 0.6], [0.5, 0.25, 0.125]
    normalize = [*TO_TENSOR, dict(type="Normalize", mean=mean, std=std)]
    crop = [dict(type="CenterCrop", size=32)]
    pairs = (
        [relative_loc(source, format_pipeline=normalize, prefetch=p) for p in (False, True)],
        [
            RotationPredDataset(source, crop if p else crop + normalize, prefetch=p)
            for p in (False, True)
        ],
    )
    for plain, prefetched in pairs:
        torch.manual_seed(1)
        expected = plain[5]["img"]
        torch.manual_seed(1)
        raw = prefetched[5]["img"]
        assert raw.dtype == torch.uint8
        (batch,) = PrefetchLoader([{"img": raw[None]}], mean, std)
        torch.testing.assert_close(batch["img"].cpu()[0], expected, rtol=1e-4, atol=1e-5)


def test_they_have_no_evaluation(source: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError):
        RotationPredDataset(source, TO_TENSOR).evaluate({})
