"""The data set whose labels come from a clustering."""

import numpy as np
import pytest

from mmselfsup.datasets import build_dataloader, build_dataset


@pytest.fixture
def dataset(image_list, image_folder):
    source = {"type": "ImageList", "data_prefix": str(image_folder), "ann_file": str(image_list)}
    pipeline = [{"type": "Resize", "size": (8, 8)}, {"type": "ToTensor"}]
    cfg = {"type": "DeepClusterDataset", "data_source": source, "pipeline": pipeline}
    return build_dataset(cfg)


def test_samples(dataset):
    assert dataset[3]["pseudo_label"] == -1
    dataset.assign_labels(np.arange(12)[::-1])
    sample = dataset[3]
    assert (sample["pseudo_label"], sample["idx"], tuple(sample["img"].shape)) == (8, 3, (3, 8, 8))
    assert dataset.clustering_labels.tolist() == list(range(11, -1, -1))


def test_one_label_for_each_image(dataset):
    with pytest.raises(AssertionError, match="12 images"):
        dataset.assign_labels([0, 1])


def test_nothing_to_evaluate(dataset):
    with pytest.raises(NotImplementedError):
        dataset.evaluate({})


def test_workers_that_stay_see_new_labels(dataset):
    loader = build_dataloader(
        dataset, samples_per_gpu=4, workers_per_gpu=1, persistent_workers=True, shuffle=False
    )
    for shift in (0, 5):
        loader.dataset.assign_labels(np.arange(12) + shift)
        labels = [x for batch in loader for x in batch["pseudo_label"].tolist()]
        assert labels == [i + shift for i in range(12)]


def test_two_data_sets_can_share_their_images(dataset):
    other = build_dataset(
        {"type": "DeepClusterDataset", "data_source": dataset.data_source, "pipeline": []}
    )
    assert len(other) == 12
    assert other.data_source is dataset.data_source
