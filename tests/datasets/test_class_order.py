"""Labels of all data of a run are numbered by the names of the classes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mmcv import Config
from PIL import Image

from mmselfsup.apis.test import score_model
from mmselfsup.apis.train import build_datasets
from mmselfsup.apis.training.hooks import register_hooks
from mmselfsup.datasets import build_dataset
from mmselfsup.datasets.class_order import new_numbers, use_classes
from mmselfsup.evaluation.features import labelled_datasets
from mmselfsup.evaluation.online_monitor import configured_parts
from mmselfsup.utils.errors import UserError

CLASSES = ["ant", "bee", "cat"]


def folders(root: Path, names: Sequence[str], **source: Any) -> Any:
    """Return a data set of one image for each class folder."""
    for name in names:
        (root / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(root / name / f"{name}.png")
    source = dict(type="ImageNet", data_prefix=str(root), **source)
    return build_dataset(dict(type="SingleViewDataset", data_source=source, pipeline=[]))


def labels(dataset: Any) -> dict[str, Any]:
    """Return the label of each image by its name."""
    names = [Path(name).stem for name in dataset.data_source.image_names()]
    return dict(zip(names, np.asarray(dataset.gt_labels).tolist(), strict=True))


def align(dataset: Any, classes: Sequence[str] | None = CLASSES) -> None:
    use_classes(dataset, classes, "data.val", "data.train")


def test_a_missing_class_folder_shifts_no_label(tmp_path: Path) -> None:
    dataset = folders(tmp_path, ["bee", "cat"])
    align(dataset)
    assert labels(dataset) == {"bee": 1, "cat": 2}
    assert dataset.CLASSES == dataset.data_source.CLASSES == CLASSES
    assert dataset.data_source.folder_to_idx == {"bee": 1, "cat": 2}
    assert [int(dataset[i]["label"]) for i in range(2)] == [1, 2]


def test_an_unknown_class_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.val has the class\(es\) zz_ant, which data\.train"):
        align(folders(tmp_path, ["bee", "cat", "zz_ant"]))


def test_a_renamed_folder_is_not_numbered_by_its_place(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="zz_ant are not among them"):
        folders(tmp_path, ["bee", "cat", "zz_ant"], classes=CLASSES)
    named = folders(tmp_path / "other", ["a", "b", "c"], classes=CLASSES)
    assert labels(named) == {"a": 0, "b": 1, "c": 2}


@pytest.mark.parametrize("order", [["cat", "ant", "bee"], ["cat", "bee", "ant"]])
def test_one_hot_columns_in_another_order(tmp_path: Path, order: list[str]) -> None:
    rows = [[f"{name}.png", *("1" if name == c else "0" for c in order)] for name in CLASSES]
    text = "\n".join(",".join(row) for row in [["image", *order], *rows])
    (tmp_path / "val.csv").write_text(text)
    source = dict(type="ImageList", data_prefix=str(tmp_path), ann_file=str(tmp_path / "val.csv"))
    dataset = build_dataset(dict(type="SingleViewDataset", data_source=source, pipeline=[]))
    align(dataset)
    assert labels(dataset) == {"ant": 0, "bee": 1, "cat": 2}


def listed(tmp_path: Path, text: str, classes: Sequence[str]) -> Any:
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.txt"
    path.write_text(text)
    source = dict(
        type="ImageList", data_prefix=str(tmp_path), ann_file=str(path), classes=list(classes)
    )
    return build_dataset(dict(type="SingleViewDataset", data_source=source, pipeline=[]))


def test_numbers_of_a_list_and_unknown_labels(tmp_path: Path) -> None:
    dataset = listed(tmp_path, "a.png 0\nb.png 1\nc.png -1\n", ["cat", "ant"])
    align(dataset)
    assert labels(dataset) == {"a": 2, "b": 0, "c": -1}


def test_several_labels_move_with_their_classes(tmp_path: Path) -> None:
    dataset = listed(tmp_path, "a.png 1 0\nb.png 0 1\n", ["cat", "ant"])
    align(dataset)
    assert labels(dataset) == {"a": [0, 0, 1], "b": [1, 0, 0]}


def test_a_further_class_at_the_end_stays(tmp_path: Path) -> None:
    dataset = listed(tmp_path, "a.png 3\n", [*CLASSES, "UNK"])
    align(dataset)
    assert labels(dataset) == {"a": 3}
    assert [*CLASSES, "UNK"] == dataset.CLASSES


def test_the_unknown_class_is_the_last_one_wherever_it_is_listed(tmp_path: Path) -> None:
    dataset = listed(tmp_path, "a.png 0\nb.png 1\nc.png 2\n", ["UNK", "cat", "ant"])
    align(dataset)
    assert labels(dataset) == {"a": 3, "b": 2, "c": 0}
    assert [*CLASSES, "UNK"] == dataset.CLASSES
    several = listed(tmp_path, "a.png 1 0 0\n", ["UNK", "cat", "ant"])
    align(several)
    assert labels(several) == {"a": [0, 0, 0, 1]}


@pytest.mark.parametrize(
    ("own", "classes", "numbers", "names"),
    [
        (["UNK", "ant"], ["ant", "unk"], [1, 0], ["ant", "unk"]),
        (["ant", "UNK"], ["ant", "unk"], None, ["ant", "unk"]),
        (["unk", "ant"], ["ant", "bee"], [2, 0], ["ant", "bee", "UNK"]),
        (["ant", "Unk "], ["ant"], None, ["ant", "UNK"]),
    ],
)
def test_the_unknown_class_in_another_case(
    own: list[str], classes: list[str], numbers: Any, names: list[str]
) -> None:
    assert new_numbers(own, classes, "data.val", "data.train") == (numbers, names)


def test_two_spellings_of_the_unknown_class_are_refused() -> None:
    with pytest.raises(UserError, match="class"):
        new_numbers(["UNK", "unk", "ant"], ["ant", "bee"], "data.val", "data.train")


def test_several_labels_get_a_column_for_each_further_class(tmp_path: Path) -> None:
    dataset = listed(tmp_path, "a.png 1 0\nb.png 1 1\n", ["ant", "bee"])
    align(dataset)
    assert labels(dataset) == {"a": [1, 0, 0], "b": [1, 1, 0]}


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        (["BEE", "Cat ", "ANT"], [1, 2, 0]),  # by name, although no name is the same
        (["Ant", "BEE", "cat"], [0, 1, 2]),
        (["cat", "Bee"], [2, 1]),
    ],
)
def test_another_case_is_the_same_name(tmp_path: Path, own: list[str], wanted: list[int]) -> None:
    dataset = listed(tmp_path, "".join(f"{i}.png {i}\n" for i in range(len(own))), own)
    align(dataset)
    assert list(labels(dataset).values()) == wanted
    assert dataset.CLASSES == CLASSES


def test_names_that_differ_in_their_case_only_stay_two(tmp_path: Path) -> None:
    dataset = listed(tmp_path, "0.png 0\n1.png 1\n", ["A", "a"])
    align(dataset, ["a", "A"])
    assert list(labels(dataset).values()) == [1, 0]
    with pytest.raises(UserError, match=r"has the class\(es\) A, which"):
        align(listed(tmp_path, "0.png 0\n", ["A", "a"]), ["a", "b"])


def test_two_sets_of_names_are_refused(tmp_path: Path) -> None:
    dataset = listed(tmp_path, "a.png 1\n", ["x", "y", "z"])
    with pytest.raises(UserError, match=r"x, y, z, data\.train .* no name is the same.*same_cla"):
        align(dataset)
    folder = folders(tmp_path / "folders", ["x", "y", "z"])
    with pytest.raises(UserError, match="no name is the same"):
        align(folder)


def test_the_data_may_say_that_two_sets_of_names_are_the_same(tmp_path: Path) -> None:
    dataset = folders(tmp_path, ["x", "y", "z"], same_classes=True)
    align(dataset)
    assert labels(dataset) == {"x": 0, "y": 1, "z": 2}
    assert dataset.CLASSES == CLASSES
    other = folders(tmp_path / "other", ["bee", "y", "z"], same_classes=True)
    with pytest.raises(UserError, match=r"has the class\(es\) y, z, which"):
        align(other)


@pytest.mark.parametrize(
    ("own", "classes"),
    [
        (["0", "1", "2"], CLASSES),
        (["class 0", "Class_1", "class2"], CLASSES),
        (["x", "y", "z"], ["0", "1", "2"]),
    ],
)
def test_numbers_for_names_are_reported(
    tmp_path: Path, caplog: Any, monkeypatch: Any, own: list[str], classes: list[str]
) -> None:
    monkeypatch.setattr(logging.getLogger("mmselfsup"), "propagate", True)
    caplog.set_level(logging.WARNING, "mmselfsup")  # other tests leave another one
    dataset = listed(tmp_path, "a.png 1\n", own)
    align(dataset, classes)
    assert labels(dataset) == {"a": 1}
    assert "taken for the same in this order" in caplog.text


def test_without_names_nothing_happens(tmp_path: Path) -> None:
    dataset = folders(tmp_path, ["bee", "cat"])
    align(dataset, None)
    assert labels(dataset) == {"bee": 0, "cat": 1}


def test_joined_and_repeated_data_sets(tmp_path: Path) -> None:
    configs = []
    for part, names in (("a", CLASSES), ("b", ["bee", "cat"])):
        dataset = folders(tmp_path / part, names)
        source = dict(type="ImageNet", data_prefix=str(tmp_path / part))
        configs.append(dict(type="SingleViewDataset", data_source=source, pipeline=[]))
        assert len(dataset) == len(names)
    joined = build_dataset(configs)
    assert joined.gt_labels.tolist() == [0, 1, 2, 1, 2]
    repeated = build_dataset(dict(type="RepeatDataset", times=2, dataset=configs[1]))
    align(repeated)
    assert repeated.gt_labels.tolist() == [1, 2, 1, 2]
    assert repeated.CLASSES == CLASSES
    with pytest.raises(UserError, match="which the first of them does not have"):
        build_dataset(configs[::-1])


def config_of(root: Path, names: Sequence[str]) -> dict[str, Any]:
    """Return the config of a data set of one image for each class folder."""
    folders(root, names)
    source = dict(type="ImageNet", data_prefix=str(root))
    return dict(type="SingleViewDataset", data_source=source, pipeline=[dict(type="ToTensor")])


def test_frozen_features_number_both_lists_alike(tmp_path: Path) -> None:
    data = dict(
        train=config_of(tmp_path / "train", CLASSES), val=config_of(tmp_path / "val", CLASSES[1:])
    )
    for datasets in (
        labelled_datasets(Config(dict(data=data)), "a.py"),
        dict(zip(("train", "val"), configured_parts(data, 3, 2), strict=True)),
    ):
        val = getattr(datasets["val"], "dataset", datasets["val"])
        assert labels(val) == {"bee": 1, "cat": 2}


def test_a_test_numbers_the_labels_as_the_checkpoint(tmp_path: Path, monkeypatch: Any) -> None:
    dataset = build_dataset(config_of(tmp_path, ["bee", "cat"]))
    scores = {"head0": np.eye(3)[1:]}  # right for bee and cat as the checkpoint numbers them
    monkeypatch.setattr("mmselfsup.apis.test.collect_results", lambda *_: scores)
    cfg = Config(dict(data=dict(samples_per_gpu=1, workers_per_gpu=0)))
    result = score_model(SimpleNamespace(CLASSES=CLASSES), dataset, cfg)  # type: ignore[arg-type]
    assert result.metrics["accuracy"] == 1.0
    assert result.classes == CLASSES
    other = build_dataset(config_of(tmp_path / "other", ["bee", "zz"]))
    with pytest.raises(UserError, match="zz, which the checkpoint does not have"):
        score_model(SimpleNamespace(CLASSES=CLASSES), other, cfg)  # type: ignore[arg-type]


def test_the_validation_of_a_training_is_numbered_as_its_images(
    tmp_path: Path, monkeypatch: Any
) -> None:
    found: list[Any] = []

    def loader(dataset: Any, *_: Any) -> Any:
        found.append(dataset)
        raise KeyboardInterrupt

    monkeypatch.setattr("mmselfsup.apis.training.hooks.build_eval_loader", loader)
    val = config_of(tmp_path / "val", CLASSES[1:])
    cfg = Config(dict(data=dict(val=val), evaluation=dict(interval=1)))
    train = SimpleNamespace(dataset=SimpleNamespace(CLASSES=CLASSES))
    runner: Any = SimpleNamespace(register_training_hooks=lambda **_: None)
    with pytest.raises(KeyboardInterrupt):
        register_hooks(runner, cfg, [train], False)
    assert labels(found[0]) == {"bee": 1, "cat": 2}
    workflow = Config(
        dict(
            data=dict(train=config_of(tmp_path / "train", CLASSES), val=val),
            workflow=[("train", 1), ("val", 1)],
        )
    )
    assert labels(build_datasets(workflow)[1]) == {"bee": 1, "cat": 2}
