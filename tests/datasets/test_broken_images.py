"""A broken image stops the run with one line, or is skipped and counted."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import numpy as np
import pytest

from mmselfsup.datasets import build_dataloader, build_dataset
from mmselfsup.datasets.data_sources import ImageList
from mmselfsup.utils.errors import UserError

TO_TENSOR = [dict(type="ToTensor")]


@pytest.mark.parametrize("workers", [0, 2])
def test_broken_image_stops_with_one_line(
    image_folder: Path, image_list: Path, workers: int
) -> None:
    data = (image_folder / "7.jpg").read_bytes()
    (image_folder / "7.jpg").write_bytes(data[: len(data) // 2])
    source = dict(type="ImageList", data_prefix=str(image_folder), ann_file=str(image_list))
    dataset = build_dataset(dict(type="SingleViewDataset", data_source=source, pipeline=TO_TENSOR))
    loader = build_dataloader(
        dataset,
        samples_per_gpu=4,
        workers_per_gpu=workers,
        shuffle=False,
        persistent_workers=False,
    )
    with pytest.raises(UserError) as caught:
        list(loader)
    traceback.clear_frames(caught.tb)  # else torch waits ten seconds for its workers
    assert str(caught.value).startswith(f"{image_folder}/7.jpg (line 8 of {image_list}): ")
    assert "on_error='skip'" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_broken_images_are_skipped_and_counted(
    image_folder: Path, image_list: Path, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    for i in (3, 4, 11):
        (image_folder / f"{i}.jpg").write_bytes(b"broken")
    source = dict(
        type="ImageList",
        data_prefix=str(image_folder),
        ann_file=str(image_list),
        on_error="skip",
    )
    dataset = build_dataset(dict(type="SingleViewDataset", data_source=source, pipeline=TO_TENSOR))
    loader = build_dataloader(
        dataset,
        samples_per_gpu=3,
        workers_per_gpu=workers,
        shuffle=False,
        persistent_workers=False,
    )
    with caplog.at_level(logging.WARNING, logger="mmselfsup"):
        for _ in range(2):
            batches = list(loader)
    labels = np.concatenate([batch["label"] for batch in batches])
    # 3 and 4 become 5, and 11 becomes 0: the label goes with the image
    np.testing.assert_array_equal(labels, [0, 1, 2, 2, 2, 2, 0, 1, 2, 0, 1, 0])
    np.testing.assert_array_equal(np.concatenate([b["idx"] for b in batches]), np.arange(12))
    assert dataset.data_source.num_skipped() == 3


def test_nothing_readable(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"broken")
    source = ImageList(str(tmp_path), on_error="skip")
    with pytest.raises(UserError, match="none of the 1 images"):
        source.load(0)
