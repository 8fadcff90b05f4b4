"""A user's own images in a config: data sources, classes, weights, mean and deviation."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmcv import Config
from PIL import Image

from mmselfsup.config.load import load_config
from mmselfsup.config.overrides import parse_options
from mmselfsup.config.own_data import Facts, class_weights, config_in, resolve, set_sources
from mmselfsup.config.text import config_text
from mmselfsup.datasets import build_datasource
from mmselfsup.datasets.data_sources import ImageList
from mmselfsup.datasets.data_sources.lists import read_list
from mmselfsup.datasets.statistics import pixel_statistics, read_statistics, statistics_key
from mmselfsup.models import ALGORITHMS, Classification, build_algorithm
from mmselfsup.utils.errors import UserError

CONFIGS = Path(__file__).parents[2] / "configs"
CUSTOM = CONFIGS / "benchmarks/classification/custom"
SMALL = CUSTOM / "resnet18_1xb32-coslr-30e_custom-64.py"
NAMES = ("mole", "burn", "wart")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """30 pictures of three classes, as a table with columns of other names, and in folders."""
    rng = np.random.default_rng(0)
    rows = ["Photo,Finding,Patient,red"]
    for i in range(30):
        name = NAMES[0 if i < 15 else 1 + i % 2]
        pixels = rng.integers(0, 200, (90, 70, 3), dtype=np.uint8)
        for folder in (tmp_path / "all", tmp_path / "folders" / name):
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{i}.png")
        rows.append(f"{i}.png,{name},p{i // 2},{i % 3 // 2}")
    (tmp_path / "table.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def read(config: Path = SMALL, **own: Any) -> Config:
    return load_config(str(config), {f"own_data.{key}": value for key, value in own.items()})


def columns(photos: Path) -> dict[str, str]:
    return dict(
        ann_file=str(photos / "table.csv"), data_prefix=str(photos / "all"), image_column="Photo",
        label_column="Finding", group_column="Patient",
    )  # fmt: skip


def test_a_table_becomes_plain_values(photos: Path, tmp_path: Path) -> None:
    cfg = read(**columns(photos))
    resolve(cfg, folder=str(tmp_path))
    text = config_text(cfg._cfg_dict)
    assert "auto" not in text
    assert "own_data" not in text
    assert cfg.model.head.num_classes == 3
    train, val = (build_datasource(cfg.data[p].data_source) for p in ("train", "val"))
    assert train.CLASSES == val.CLASSES == sorted(NAMES)
    assert len(train) + len(val) == 30
    assert not set(train.lesions) & set(val.lesions)
    counts = np.bincount(train.get_gt_labels())
    weights = 1 / np.sqrt(counts)
    np.testing.assert_allclose(cfg.model.head.class_weight, weights / weights.mean(), atol=1e-4)
    files = [Path(train.path(i)) for i in range(len(train))]
    expected = pixel_statistics(files, [64], workers=1)
    np.testing.assert_allclose(cfg.img_norm_cfg.mean, expected.mean, atol=5e-5)
    np.testing.assert_allclose(cfg.img_norm_cfg.std, expected.std, atol=5e-5)
    for part in ("train", "val"):
        assert cfg.data[part].pipeline[-1] == {"type": "Normalize", **cfg.img_norm_cfg}


def test_folders_are_classes(photos: Path) -> None:
    cfg = read(data_prefix=str(photos / "folders"))
    resolve(cfg)
    assert cfg.data.train.data_source.type == "ImageNet"
    assert cfg.data.train.data_source.classes == sorted(NAMES)


def test_the_order_of_given_classes_counts(photos: Path) -> None:
    cfg = read(data_prefix=str(photos / "folders"), classes=list(NAMES))
    resolve(cfg)
    assert cfg.data.val.data_source.classes == list(NAMES)


def test_own_validation_images(photos: Path) -> None:
    other = {"data_prefix": str(photos / "all"), "ann_file": str(photos / "table.csv")}
    cfg = read(**columns(photos), val=other, test=other)
    resolve(cfg)
    assert "split" not in cfg.data.train.data_source
    assert cfg.data.val.data_source.image_column == "Photo"
    assert cfg.data.test.data_source.ann_file == other["ann_file"]


def test_statistics_are_measured_once_and_kept(photos: Path, tmp_path: Path, monkeypatch) -> None:
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    first = read(**columns(photos))
    resolve(first, folder=str(work_dir))
    monkeypatch.setattr("mmselfsup.config.image_facts.source_statistics", None)  # not called again
    again = read(**columns(photos))
    resolve(again, folder=str(work_dir))
    assert again.img_norm_cfg == first.img_norm_cfg
    (photos / "all" / "statistics.txt").write_text(
        "# 9 images\nimg_norm_cfg = dict(mean=[0.1, 0.2, 0.3], std=[0.4, 0.5, 0.6])\n"
    )
    beside = read(**columns(photos))
    resolve(beside)
    assert beside.img_norm_cfg == {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}


def test_statistics_of_changed_images_are_measured_again(photos: Path, tmp_path: Path) -> None:
    """The same names with other pixels, or read in another way."""
    (tmp_path / "work").mkdir()

    def found(**own: Any) -> list[float]:
        cfg = read(**columns(photos), **own)
        resolve(cfg, folder=str(tmp_path / "work"))
        return cfg.img_norm_cfg.mean

    first = found()
    for path in (photos / "all").iterdir():
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
        os.utime(path, (9, 9))
    changed = found()
    assert changed != first
    assert found() == changed


def test_the_key_of_statistics(photos: Path) -> None:
    def key(size: int | None = 64, **kwargs: Any) -> str:
        return statistics_key(ImageList(str(photos / "all"), **kwargs), size)

    first = key()
    assert key() == first
    others = [key(None), key(value_range=[0, 9]), key(channel_order="bgr")]
    others.append(key(color_type="grayscale"))
    (photos / "all" / "7.png").rename(photos / "all" / "70.png")
    others.append(key())
    os.utime(photos / "all" / "3.png", (9, 9))
    others.append(key())
    assert len({first, *others}) == 7


@pytest.mark.parametrize("line", ["", "img_norm_cfg = 1", "img_norm_cfg = dict(mean=[1], std=[1])"])
def test_a_file_without_statistics(tmp_path: Path, line: str) -> None:
    path = tmp_path / "statistics.txt"
    path.write_text(line + "\n")
    with pytest.raises(UserError, match=r"statistics\.txt: no line 'img_norm_cfg"):
        read_statistics(path)


def test_a_trained_model_knows_its_classes(photos: Path) -> None:
    """A test, or a prediction, needs neither the training images nor their statistics."""
    trained = read(**columns(photos))
    resolve(trained)
    state = {"meta": {"config": config_text(trained._cfg_dict)}}
    cfg = read(
        ann_file=str(photos / "table.csv"), data_prefix="elsewhere", image_column="Photo",
        label_column="Finding", group_column="Patient",
    )  # fmt: skip
    resolve(cfg, known=config_in(state))
    assert cfg.model == trained.model
    assert cfg.img_norm_cfg == trained.img_norm_cfg
    assert cfg.data.val.data_source.classes == trained.data.val.data_source.classes
    bare = read()  # without a description: the images that it was trained and validated on
    resolve(bare, known=config_in(state))
    assert bare.data.val.data_source == trained.data.val.data_source
    with pytest.raises(UserError, match="the checkpoint's config does not tell it"):
        resolve(read(**columns(photos)), known={"img_norm_cfg": trained.img_norm_cfg})


def test_several_labels(photos: Path) -> None:
    config = CUSTOM / "resnet18_1xb32-coslr-30e_multi-label_custom-64.py"
    own = {**columns(photos), "label_column": ["red"]}
    cfg = read(config, **own)
    resolve(cfg)
    labels = build_datasource(cfg.data.train.data_source).get_gt_labels()
    assert cfg.model.head.num_classes == 1
    positive = int(labels.sum())
    expected = np.sqrt((len(labels) - positive) / positive)
    assert cfg.model.head.class_weight == pytest.approx([expected], abs=1e-4)


def test_a_pretraining_takes_the_same_description(photos: Path) -> None:
    config = CONFIGS / "selfsup/simclr/simclr_resnet18_1xb128-coslr-100e_isic2019-64.py"
    table = photos / "unlabelled.csv"
    table.write_text("Photo\n" + "".join(f"{i}.png\n" for i in range(30)))
    own = {"ann_file": str(table), "data_prefix": str(photos / "all"), "image_column": "Photo"}
    cfg = load_config(
        str(config), {**{f"own_data.{k}": v for k, v in own.items()}, "img_norm_cfg": "auto"}
    )
    resolve(cfg)
    assert len(build_datasource(cfg.data.train.data_source)) == 30
    steps = [s for pipeline in cfg.data.train.pipelines for s in pipeline if s.type == "Normalize"]
    assert steps
    assert all(step.mean == cfg.img_norm_cfg.mean for step in steps)
    folder = load_config(str(config), {"own_data.data_prefix": str(photos / "folders")})
    resolve(folder)  # folders of classes, but no label is read
    assert folder.data.train.data_source.type == "ImageList"
    assert folder.img_norm_cfg.mean == [0.7632, 0.5465, 0.5711]  # not asked for


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ann_file": None, "data_prefix": None}, "describe your images: own_data.ann_file=LIST"),
        ({"label_column": "Patientt"}, "label_column='Patientt'.*did you mean Patient"),
        ({"data_prefix": None}, "table.csv lists images: name their folder by own_data.data_pref"),
        ({"data_prefix": "nowhere"}, "nowhere: no such folder of images"),
        ({"classes": ["mole", "burn"]}, r"line 17: label 'wart' must be one of mole, burn"),
    ],
)
def test_errors_of_a_description(photos: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve(read(**{**columns(photos), **change}))


def test_an_image_without_a_label_is_named(photos: Path) -> None:
    table = photos / "table.csv"
    table.write_text(table.read_text().replace("\n3.png,mole", "\n3.png,"))
    with pytest.raises(UserError, match=r"table\.csv, line 5: .*3\.png has no label \(1 of 30"):
        resolve(read(**columns(photos)))


def test_one_class_is_refused(photos: Path) -> None:
    table = photos / "table.csv"
    table.write_text(table.read_text().replace("burn", "mole").replace("wart", "mole"))
    with pytest.raises(UserError, match=r"all 24 images are of one class \(mole\)"):
        resolve(read(**columns(photos)))


@pytest.mark.parametrize("key", ["own_data.label_colunm", "own_data.val.anfile"])
def test_a_misspelt_key(key: str) -> None:
    with pytest.raises(UserError, match=key.rpartition(".")[0]):
        load_config(str(SMALL), {"own_data.val": {}, key: "x"})


def test_weights_of_classes() -> None:
    assert class_weights(Facts(2, counts=(1, 4))) == [1.3333, 0.6667]
    assert class_weights(Facts(2, counts=(2, 8), num_images=10, several=True)) == [2.0, 0.5]
    # A class without an image changes nothing of the others.
    assert class_weights(Facts(3, counts=(1, 0, 4))) == [1.3333, 1.0, 0.6667]
    several = Facts(3, counts=(0, 2, 8), num_images=10, several=True)
    assert class_weights(several) == [1.0, 2.0, 0.5]
    assert class_weights(Facts(2, counts=(0, 0))) == [1.0, 1.0]


@pytest.mark.parametrize("written", [2, 3, 5])
def test_weights_beside_a_written_number_of_classes(
    written: int, photos: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("mmselfsup"), "propagate", True)
    path = photos / "list.txt"
    path.write_text("".join(f"{i}.png {i % 3}\n" for i in range(30)))
    own = dict(ann_file=str(path), data_prefix=str(photos / "all"))
    described = {f"own_data.{key}": value for key, value in own.items()}
    cfg = load_config(str(SMALL), {**described, "model.head.num_classes": written})
    if written < 3:
        with pytest.raises(UserError, match="num_classes=2 is written"):
            resolve(cfg)
        return
    resolve(cfg)
    weights = cfg.model.head.class_weight
    assert len(weights) == cfg.model.head.num_classes == written
    assert np.mean(weights[:3]) == pytest.approx(1, abs=1e-3)
    assert weights[3:] == [1.0] * (written - 3)
    build_algorithm(cfg.model)
    warned = [r.getMessage() for r in caplog.records if "no image of" in r.getMessage()]
    assert [line.partition("no image of ")[2] for line in warned] == (
        ["the class(es) 3, 4, whose weight is 1"] if written == 5 else []
    )


def test_other_configs_stay_as_they_are() -> None:
    cfg = load_config(str(CONFIGS / "benchmarks/classification/knn_isic2019.py"))
    before = config_text(cfg._cfg_dict)
    resolve(cfg)
    assert config_text(cfg._cfg_dict) == before


def advice(own: dict[str, Any], start: str) -> str:
    """Return what the message about labels without a 0 tells to do, from ``start`` on."""
    with pytest.raises(UserError, match=r"the labels are 1 to .* and none is 0") as error:
        resolve(read(**own))
    told = str(error.value).partition("; if it is a class")[0]
    return told[told.index(start) :]


@pytest.mark.parametrize("name", ["list.txt", "a list's.txt"])
def test_labels_from_1_of_a_text_list_name_the_command(name: str, photos: Path) -> None:
    path = photos / name
    files = [f"all/{i}.png" for i in range(28)] + ["all/a 1  b.png", "all/a\tb 2.png"]
    for number, file in enumerate(files[28:]):
        (photos / file).write_bytes((photos / f"all/{number}.png").read_bytes())
    lines = [f"{file} {1 + i % 3}\n" for i, file in enumerate(files)]
    path.write_text("\n" + "".join(lines) + "\n  \n", encoding="utf-8-sig")
    own: dict[str, Any] = dict(ann_file=str(path), data_prefix=str(photos))
    command, _, option = advice(own, "python -c").rpartition(", and own_data.ann_file=")
    command = command.replace("python", shlex.quote(sys.executable), 1)
    subprocess.run(command, shell=True, check=True, cwd=photos)
    assert subprocess.run(command, shell=True, cwd=photos, capture_output=True).returncode != 0
    cfg = read(ann_file=str(photos / option), data_prefix=str(photos))
    resolve(cfg)
    assert cfg.model.head.num_classes == 3
    entries = read_list(str(photos / option))
    assert [entry.name for entry in entries] == files
    assert [entry.label for entry in entries] == [i % 3 for i in range(30)]


@pytest.mark.parametrize("count", [3, 15])
def test_labels_from_1_of_a_table_name_the_option(count: int, photos: Path) -> None:
    path = photos / "list.csv"
    rows = "".join(f"{i}.png,{1 + i % count}\n" for i in range(30))
    path.write_text("image,label\n" + rows)
    own: dict[str, Any] = dict(ann_file=str(path), data_prefix=str(photos / "all"))
    option = advice(own, "own_data.classes").replace("python", shlex.quote(sys.executable), 1)
    printed = subprocess.run(f"printf %s {option}", shell=True, check=True, capture_output=True)
    (names,) = parse_options([printed.stdout.decode()]).values()
    cfg = read(**own, classes=names)
    resolve(cfg)
    assert cfg.model.head.num_classes == count
    assert 0 in build_datasource(cfg.data.train.data_source).get_gt_labels()


@pytest.mark.parametrize("ending", ["txt", "csv"])
def test_labels_from_1_pass_with_a_written_number(ending: str, photos: Path) -> None:
    path, sign = photos / f"list.{ending}", "," if ending == "csv" else " "
    head = "image,label\n" if ending == "csv" else ""
    path.write_text(head + "".join(f"{i}.png{sign}{1 + i % 3}\n" for i in range(30)))
    own = dict(ann_file=str(path), data_prefix=str(photos / "all"))
    described = {f"own_data.{key}": value for key, value in own.items()}
    cfg = load_config(str(SMALL), {**described, "model.head.num_classes": 4})
    resolve(cfg)
    assert cfg.model.head.num_classes == len(cfg.model.head.class_weight) == 4
    assert cfg.model.head.class_weight[0] == 1.0  # of the class without an image


def test_a_class_0_that_only_the_validation_has(photos: Path) -> None:
    own = dict(ann_file=str(photos / "one.csv"), data_prefix=str(photos / "all"))
    rows = [f"{i}.png,{0 if i == 7 else 1 + i % 2}\n" for i in range(30)]
    (photos / "one.csv").write_text("image,label\n" + "".join(rows))
    cfg = read(**own)
    resolve(cfg)
    assert cfg.model.head.num_classes == 3


@pytest.mark.parametrize("kind", ["mmselfsup.Classification", "ClassifierOfUsers", "wrapped"])
def test_a_classifier_of_another_name_has_a_validation_of_its_own(kind: str, photos: Path) -> None:
    """It was validated on its training images: only ``Classification`` was known to read labels."""
    if kind == "ClassifierOfUsers" and kind not in ALGORITHMS:
        ALGORITHMS.register_module(kind, module=type(kind, (Classification,), {}))
    options = {f"own_data.{key}": value for key, value in columns(photos).items()}
    cfg = load_config(str(SMALL), options)
    cfg.model.type = "MMClsImageClassifierWrapper" if kind == "wrapped" else kind
    resolve(cfg)
    train, val = (build_datasource(cfg.data[part].data_source) for part in ("train", "val"))
    assert (len(train), len(val)) == (24, 6)


@pytest.fixture
def arrays(tmp_path: Path) -> str:
    """A file in the layout of MedMNIST: 20 training, 6 validation and 6 test images."""
    parts: dict[str, Any] = {}
    for part, number in (("train", 20), ("val", 6), ("test", 6)):
        parts[f"{part}_images"] = np.full((number, 28, 28, 3), 7, np.uint8)
        parts[f"{part}_labels"] = np.arange(number)[:, None] % 2
    np.savez(tmp_path / "arrays.npz", **parts)
    return str(tmp_path / "arrays.npz")


def with_sources(**own: Any) -> Config:
    """The config with the data sources of a description."""
    cfg = read(**own)
    set_sources(cfg, {key: value for key, value in cfg.own_data.items() if value is not None})
    return cfg


def rows(cfg: Config, part: str) -> list[str]:
    """The names of the images of a data set."""
    source = build_datasource(cfg.data[part].data_source)
    return [source.data_infos[i]["img_info"]["filename"] for i in range(len(source))]


def test_folds_of_one_part_of_a_medmnist_file(arrays: str) -> None:
    """With ``subset`` the training images were the validation, in silence."""
    cfg = with_sources(ann_file=arrays)
    assert [len(rows(cfg, part)) for part in ("train", "val")] == [20, 6]
    found = []
    for fold in range(2):
        cfg = with_sources(ann_file=arrays, subset="train", fold=fold)
        train, val = rows(cfg, "train"), rows(cfg, "val")
        assert (len(train), len(val)) == (16, 4)
        assert not set(train) & set(val)
        found.append(val)
    assert found[0] != found[1]


def test_a_fold_beside_another_validation_is_refused(arrays: str, photos: Path) -> None:
    """Five runs with other folds would be the same run."""
    with pytest.raises(UserError, match=r"own_data\.fold=2 .*the parts of a MedMNIST file are one"):
        resolve(read(ann_file=arrays, fold=2))
    other = {"ann_file": str(photos / "table.csv")}
    with pytest.raises(UserError, match=r"own_data\.fold=1 .*own_data\.val are one: leave it out"):
        resolve(read(**columns(photos), val=other, fold=1))


@pytest.mark.parametrize(("name", "size"), [("knn_custom", 224), ("knn_custom-64", 64)])
def test_the_data_sets_of_frozen_features_have_the_size_of_their_name(name: str, size: int) -> None:
    """Each has a classifier's test images in both parts: features of another size are others."""
    data = load_config(str(CONFIGS / f"benchmarks/classification/{name}.py")).data
    for part in (data.train, data.val):
        assert [step.type for step in part.pipeline[:2]] == ["Resize", "CenterCrop"]
        assert part.pipeline[1].size == size
