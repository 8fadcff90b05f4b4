"""Labels and the classes of the head are compared before the first iteration."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config
from PIL import Image

from mmselfsup.apis.train import class_counts, data_size, train_model
from mmselfsup.datasets import build_dataset
from mmselfsup.evaluation.features import check_labels
from mmselfsup.metrics.heads import evaluate_heads
from mmselfsup.models import build_algorithm
from mmselfsup.utils.errors import UserError

PIPELINE = [
    dict(type="ToTensor"),
    dict(type="Normalize", mean=[0.5] * 3, std=[0.25] * 3),
]


class Lists:
    """Lists of one folder of four images."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for i in range(4):
            Image.new("RGB", (32, 32), (50 * i, 9, 9)).save(folder / f"{i}.png")

    def __call__(self, *labels: int) -> dict[str, Any]:
        path = self.folder / f"{'_'.join(map(str, labels))}.txt"
        path.write_text("".join(f"{i}.png {label}\n" for i, label in enumerate(labels)))
        source = dict(type="ImageList", data_prefix=str(self.folder), ann_file=str(path))
        return dict(type="SingleViewDataset", data_source=source, pipeline=PIPELINE)


@pytest.fixture
def lists(tmp_path: Path) -> Lists:
    return Lists(tmp_path)


def model(num_classes: int = 3, **head: Any) -> Any:
    backbone = dict(type="ResNet", depth=18, stem_channels=8, base_channels=8)
    head = dict(type="ClsHead", with_avg_pool=True, in_channels=64, **head)
    return build_algorithm(
        dict(type="Classification", backbone=backbone, head={**head, "num_classes": num_classes})
    )


def fit(num_classes: int, dataset: dict[str, Any], **head: Any) -> None:
    loader = SimpleNamespace(dataset=build_dataset(dataset), batch_size=2)
    model(num_classes, **head).fit_dataset(data_size(loader, distributed=False))


def test_a_label_beyond_the_head_is_named_by_its_line(lists: Lists) -> None:
    fit(3, lists(0, 1, 2, 2))
    message = (
        r"data\.train: .*2\.png \(line 3 of .*1_2_3_3\.txt\) has the label 3, the head has the "
        r"classes 0 to 2: .*model\.head\.num_classes=4"
    )
    for dataset in (
        lists(1, 2, 3, 3),
        dict(type="RepeatDataset", times=3, dataset=lists(1, 2, 3, 3)),
        [lists(0, 1, 2, 2), lists(1, 2, 3, 3)],
    ):
        with pytest.raises(UserError, match=message):
            fit(3, dataset)


def test_classes_without_an_image_are_logged(
    lists: Lists, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import logging

    monkeypatch.setattr(logging.getLogger("mmselfsup"), "propagate", True)
    with caplog.at_level("WARNING", "mmselfsup"):
        fit(4, lists(0, 1, 2, 3))
        assert caplog.text == ""
        fit(5, lists(0, 1, 3, 3))
    assert "2 of the 5 classes of the head (model.head.num_classes) have no image: 2, 4" in (
        caplog.text
    )


def config(lists: Lists, val: dict[str, Any], **evaluation: Any) -> Config:
    return Config(
        dict(
            log_level="ERROR",
            data=dict(samples_per_gpu=4, workers_per_gpu=0, val=val),
            optimizer=dict(type="SGD", lr=0.05),
            optimizer_config=dict(),
            lr_config=dict(policy="step", step=[1]),
            runner=dict(type="EpochBasedRunner", max_epochs=1),
            evaluation=dict(interval=1, **evaluation),
            work_dir=str(lists.folder / "out"),
            seed=0,
        )
    )


def test_labels_of_the_validation_are_checked_first(
    lists: Lists, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = build_dataset(lists(0, 1, 2, 2))
    runner = train_model(model(), train, config(lists, lists(0, 1, 3, 3), unk_threshold=0.4))
    assert runner.iter == 1  # 3 is the class UNK
    monkeypatch.setattr("mmselfsup.core.EpochBasedRunner.run", None)
    for val, options in ((lists(0, 1, 3, 3), {}), (lists(0, 1, 4, 3), {"unk_threshold": 0.4})):
        with pytest.raises(UserError, match=r"data\.val: .*2\.png \(line 3 of "):
            train_model(model(), train, config(lists, val, **options))
    cfg = config(lists, lists(0, 1, 2, 2))
    cfg.workflow = [("train", 1), ("val", 1)]
    with pytest.raises(UserError, match="data set 1 of the workflow"):
        train_model(model(), [train, build_dataset(lists(0, 1, 3, 3))], cfg)


def test_labels_beyond_the_scores_of_a_test() -> None:
    scores = {"head0": torch.eye(3).numpy()}
    with pytest.raises(
        UserError, match=r"classes 0 to 2, but the label of image 2 of the list is 3"
    ):
        evaluate_heads(scores, np.array([0, 3, 2]))


def test_a_large_integer_is_no_class() -> None:
    assert class_counts(np.array([3, 0, 3])) == (1, 0, 0, 2)
    for label in (1_234_567_890, 2**62):
        with pytest.raises(UserError, match=rf"a label is {label}; classes are numbered from 0"):
            class_counts(np.array([0, label]))


@pytest.mark.parametrize("part", ["data.train", "data.val"])
def test_several_labels_of_an_image_are_refused_before_the_first_step(
    lists: Lists, part: str
) -> None:
    config = lists("0 1 1", "1 0 0", "0 0 1", "1 1 1")  # type: ignore[arg-type]
    loader = SimpleNamespace(dataset=build_dataset(config), batch_size=2)
    size = data_size(loader, distributed=False)
    classifier = model(3)
    check = classifier.fit_dataset if part == "data.train" else classifier.check_labels
    arguments = (size,) if part == "data.train" else (size, part)
    with pytest.raises(UserError, match=f"{part}: each image has 3 labels, and ClsHead needs one"):
        check(*arguments)


def test_labels_of_frozen_features_take_no_memory_beyond_the_images() -> None:
    assert check_labels([0, 99_999], 2, "a.txt").tolist() == [0, 99_999]
    with pytest.raises(UserError, match=r"a\.txt: a label is 100000, of 2 images"):
        check_labels([0, 100_000], 2, "a.txt")


@pytest.mark.parametrize("label", [1.5, np.float32(0.1), float("nan")])
def test_a_decimal_label_of_an_own_source_is_refused(lists: Lists, label: Any) -> None:
    dataset = build_dataset(lists(0, 1, 0, 1))
    dataset.data_source.data_infos[1]["gt_label"] = label
    with pytest.raises(UserError, match="a gt_label is a decimal number"):
        dataset.data_source.get_gt_labels()


@pytest.mark.parametrize("label", [2, -1])
def test_several_labels_are_0_or_1(lists: Lists, label: int) -> None:
    config = lists("0 1 1", f"1 {label} 0", "0 0 1", "1 1 1")  # type: ignore[arg-type]
    loader = SimpleNamespace(dataset=build_dataset(config), batch_size=2)
    backbone = dict(type="ResNet", depth=18, stem_channels=8, base_channels=8)
    head = dict(type="MultiLabelClsHead", with_avg_pool=True, in_channels=64, num_classes=3)
    classifier: Any = build_algorithm(dict(type="Classification", backbone=backbone, head=head))
    with pytest.raises(UserError, match=r"data\.train: a label of .*1\.png \(line 2 .* neither"):
        classifier.fit_dataset(data_size(loader, distributed=False))


def test_a_validation_without_labels_is_refused_before_the_first_step(lists: Lists) -> None:
    for labels in ((-1, -1, -1, -1), (0, 1, 2, -1)):
        loader = SimpleNamespace(dataset=build_dataset(lists(*labels)), batch_size=2)
        with pytest.raises(UserError, match=r"data\.val: . of 4 images have no label, .*line"):
            model(3).check_labels(data_size(loader, distributed=False), "data.val")


@pytest.mark.parametrize("label", [None, "nevus"])
def test_a_label_of_an_own_source_that_is_no_number(lists: Lists, label: Any) -> None:
    source = build_dataset(lists(0, 1, 0, 1)).data_source
    source.data_infos = [dict(source.data_infos[0], gt_label=label)]
    with pytest.raises(UserError, match=f"an image has the gt_label {label!r}: give each the num"):
        source.get_gt_labels()
