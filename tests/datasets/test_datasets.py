"""Datasets: the sample holds the keys of the vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mmselfsup.datasets import (
    BaseDataset,
    ConcatDataset,
    MultiViewDataset,
    RepeatDataset,
    SingleViewDataset,
    build_dataset,
)
from mmselfsup.datasets.batch import BATCH_KEYS
from mmselfsup.datasets.utils import check_integrity, rm_suffix, to_numpy


@pytest.fixture
def source(image_folder: Path, image_list: Path) -> dict[str, Any]:
    return dict(
        type="ImageList",
        data_prefix=str(image_folder),
        ann_file=str(image_list),
        classes=["MEL", "NV", "BCC"],
    )


def single(source: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    return dict(type="SingleViewDataset", data_source=source, pipeline=[dict(type="ToTensor")])


def test_single_view(source: dict[str, Any]) -> None:
    dataset = build_dataset(single(source))
    assert isinstance(dataset, SingleViewDataset)
    assert isinstance(dataset, BaseDataset)
    assert dataset.CLASSES == ["MEL", "NV", "BCC"]
    sample = dataset[4]
    assert sample["img"].shape == (3, 40, 48)
    assert (sample["label"], sample["idx"]) == (1, 4)
    assert len(dataset) == 12


def test_multi_view(source: dict[str, Any]) -> None:
    large = [dict(type="RandomCrop", size=24), dict(type="ToTensor")]
    small = [dict(type="RandomCrop", size=8), dict(type="ToTensor")]
    dataset = build_dataset(
        dict(
            type="MultiViewDataset", data_source=source, num_views=[2, 3], pipelines=[large, small]
        )
    )
    assert isinstance(dataset, MultiViewDataset)
    sample = dataset[5]
    assert [view.shape[-1] for view in sample["img"]] == [24, 24, 8, 8, 8]
    assert sample["idx"] == 5
    for num_views in ([2], [2, 0], [1, 1, 1]):
        with pytest.raises(ValueError, match="num_views needs a number from 1"):
            MultiViewDataset(source, num_views, [large, small])


def test_samples_speak_the_vocabulary(source: dict[str, Any], tmp_path: Path) -> None:
    views = MultiViewDataset(source, [2], [[dict(type="ToTensor")]])
    rows = "".join(f"{i},,,\n" for i in range(12))
    (tmp_path / "meta.csv").write_text("image,age_approx,anatom_site_general,sex\n" + rows)
    source["patients"] = str(tmp_path / "meta.csv")
    for dataset in (build_dataset(single(source)), views):
        sample = dataset[0]
        assert set(sample) <= set(BATCH_KEYS)
        made = {k for k, row in BATCH_KEYS.items() if type(dataset).__name__ in row.made_by}
        assert made == set(sample)


def test_an_image_and_its_mask(source: dict[str, Any]) -> None:
    mask = dict(type="SimMIMMaskGenerator", input_size=32, mask_patch_size=8, model_patch_size=4)
    pipeline = [dict(type="Resize", size=(32, 32)), dict(type="ToTensor"), mask]
    dataset = SingleViewDataset(source, pipeline)
    img, mask_ = torch.utils.data.default_collate([dataset[0], dataset[1]])["img"]
    assert img.shape == (2, 3, 32, 32)
    assert mask_.shape == (2, 8, 8)


def test_prefetch_yields_bytes(source: dict[str, Any]) -> None:
    dataset = SingleViewDataset(source, [], prefetch=True)
    image = dataset.data_source.get_img(2)
    assert dataset[2]["img"].dtype == torch.uint8
    np.testing.assert_array_equal(dataset[2]["img"].permute(1, 2, 0), np.asarray(image))


def test_concat_and_repeat(source: dict[str, Any]) -> None:
    both = build_dataset([single(source), single(source)])
    assert isinstance(both, ConcatDataset)
    assert len(both) == 24
    assert both.CLASSES == ["MEL", "NV", "BCC"]
    assert both[14]["idx"] == 14  # a memory bank has a row for each image
    assert both[-1]["idx"] == 23
    repeated = build_dataset(dict(type="RepeatDataset", dataset=single(source), times=3))
    assert isinstance(repeated, RepeatDataset)
    assert len(repeated) == 36
    assert torch.equal(repeated[25]["img"], repeated[1]["img"])
    scores = np.eye(3)[np.arange(24) % 12 % 3]
    assert both.evaluate(dict(head0=scores))["accuracy"] == 1


def test_repeated_images_keep_their_several_labels(source: dict[str, Any]) -> None:
    inner = build_dataset(single(source))
    inner.gt_labels = np.arange(24).reshape(12, 2) % 2
    repeated = RepeatDataset(inner, 3)
    assert repeated.gt_labels.shape == (36, 2)
    for i in range(36):
        np.testing.assert_array_equal(repeated.gt_labels[i], inner.gt_labels[i % 12])
    inner.gt_labels = list(range(12))  # a data set of the user may have a list
    np.testing.assert_array_equal(RepeatDataset(inner, 2).gt_labels, [*range(12), *range(12)])


def test_a_dataset_without_evaluation(source: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError, match="MultiViewDataset has no evaluation"):
        MultiViewDataset(source, [1], [[]]).evaluate({})


def test_small_tools(tmp_path: Path) -> None:
    assert to_numpy(Image.new("RGB", (5, 4))).shape == (3, 4, 5)
    assert to_numpy(Image.new("L", (5, 4))).shape == (1, 4, 5)
    assert rm_suffix("a/b.tar.gz") == "a/b.tar"
    assert rm_suffix("a/b.tar.gz", ".tar.gz") == "a/b"
    assert rm_suffix("README") == "README"
    path = tmp_path / "x"
    path.write_text("x")
    assert check_integrity(str(path), "9dd4e461268c8034f5c8564e155c67a6")


def test_a_repeated_data_set_has_an_end(source: dict[str, Any]) -> None:
    inner = build_dataset(single(source))
    repeated = RepeatDataset(inner, 2)
    number = len(inner)
    samples = zip(range(2 * number + 1), repeated, strict=False)  # a loop over it had no end
    assert [sample["idx"] for _, sample in samples] == [*range(number)] * 2
    assert repeated[-1]["idx"] == number - 1
    for idx in (2 * number, -2 * number - 1):
        with pytest.raises(IndexError, match=f"index {idx} of {2 * number} samples"):
            repeated[idx]
