"""compare_frozen.py: equal numbers of views, a table, steps that aren't done twice."""

import csv
import json
import runpy
from dataclasses import replace
from pathlib import Path

import pytest
from mmcv import Config

import mmselfsup.study.benchmark_table  # noqa: F401  (for the forks, once)
from mmselfsup.config.inspect import find_dataset
from mmselfsup.datasets.builder import build_dataset
from mmselfsup.study import configs
from mmselfsup.study.benchmark import budget_options, epochs_for, make_settings, views_per_image
from mmselfsup.study.benchmark_table import FrozenRecord, beats_untrained
from mmselfsup.study.find_configs import find_ssl_config
from mmselfsup.utils.errors import UserError
from tests.tools.command import ROOT, Done, run_tool

CONFIGS = ROOT / "configs"
VIEWS = {
    "simclr": 2,
    "swav": 8,
    "npid": 1,
    "odc": 1,
    "deepcluster": 1,
    "rotation_pred": 4,
    "relative_loc": 9,
}


def config_of(name: str) -> Config:
    return configs.load(find_ssl_config(CONFIGS, name, "64"))


@pytest.mark.parametrize("name", VIEWS)
def test_views_are_those_the_data_set_gives(name: str, place: Path) -> None:
    cfg = config_of(name)
    assert views_per_image(cfg) == VIEWS[name]
    dataset = find_dataset(cfg, "train")[1]
    dataset.data_source.data_prefix = str(place / "images")
    dataset.data_source.ann_file = str(place / "list.txt")
    img = build_dataset(cfg.data.train)[0]["img"]
    if name == "relative_loc":  # eight pairs, stacked along the channels, of nine patches
        assert img.shape[:2] == (8, 6)
        patches = {patch.numpy().tobytes() for pair in img for patch in pair.split(3)}
        assert len(patches) <= VIEWS[name]
    elif isinstance(img, list):
        assert len(img) == VIEWS[name]
    else:
        assert (img.shape[0] if img.ndim == 4 else 1) == VIEWS[name]


@pytest.mark.parametrize("name", ["simclr", "swav", "npid"])
def test_epochs_come_nearest_to_the_budget(name: str) -> None:
    cfg, epoch = config_of(name), VIEWS[name] * 8_013
    for views in (8_013, 20_000, 64_000, 1_000_000):
        epochs = epochs_for(cfg, views, 8_013)
        assert epochs >= 1
        assert abs(epochs * epoch - views) <= abs((epochs + 1) * epoch - views)
        assert epochs == 1 or abs(epochs * epoch - views) <= abs((epochs - 1) * epoch - views)


def test_warm_up_is_a_twentieth_of_the_iterations() -> None:
    options = budget_options(config_of("simclr"), 4, 8_013)
    assert f"lr_config.warmup_iters={round(0.05 * 4 * (8_013 // 128))}" in options
    assert "lr_config.warmup_by_epoch=False" in options
    with pytest.raises(UserError, match="a batch of 128 images, but the training list has 100"):
        budget_options(config_of("simclr"), 1, 100)


def test_without_names_every_method_of_the_size_is_compared(place: Path) -> None:
    for name in ("train.txt", "test.txt"):
        (place / name).write_text("0.jpg 0\n")
    argv = ["--images", str(place), "--train", str(place / "train.txt")]
    parse_args = runpy.run_path(str(ROOT / "tools/isic2019/compare_frozen.py"))["parse_args"]
    argv += ["--test", str(place / "test.txt"), "--out", str(place / "out")]
    folders = {path.parent.name for path in CONFIGS.glob("selfsup/*/*_isic2019-64.py")}
    assert make_settings(parse_args(argv), ROOT).algorithms == tuple(sorted(folders))
    assert {"mocov1", "mocov2", "relative_loc"} <= folders
    argv += ["--size", "32"]
    with pytest.raises(UserError, match="knn_isic2019-32"):
        make_settings(parse_args(argv), ROOT)
    argv += ["--dataset-config", str(place / "classifier.py")]
    with pytest.raises(UserError, match=r"no config \*_isic2019-32\.py .* another --size"):
        make_settings(parse_args(argv), ROOT)


@pytest.fixture
def lists(place: Path) -> Path:
    """The place with lists of eight training and four test images, and ``probe_data.py``."""
    lines = [f"{i}.jpg {i % 3}\n" for i in range(12)]
    (place / "train.txt").write_text("".join(lines[:8]))
    (place / "test.txt").write_text("".join(lines[8:]))
    probe_data = Config.fromfile(str(place / "classifier.py"))
    Config(dict(data={**probe_data.data, "samples_per_gpu": 4})).dump(str(place / "probe_data.py"))
    return place


def compare(place: Path, *argv: str) -> Done:
    tiny = "model.backbone.stem_channels=8 model.backbone.base_channels=8 model.backbone.depth=18"
    options = f"data.workers_per_gpu=0 data.samples_per_gpu=4 log_config.interval=1 {tiny}"
    heads = ["model.neck.in_channels=64", "model.head.in_channels=64"]
    lists = ["--images", "images", "--train", "train.txt", "--test", "test.txt", "--num-knn", "2"]
    argv = (*lists, "--out", "out", "--jobs", "1", *argv)
    return run_tool(
        "isic2019/compare_frozen.py", *argv, "--cfg-options", *options.split(), *heads, folder=place
    )


def test_table_and_second_run(lists: Path) -> None:
    argv = ("--views", "64", "--algorithms", "simclr", "rotation_pred", "--dataset-config")
    done = compare(lists, *argv, "probe_data.py")
    assert done.code == 0, done.text
    found = json.loads((lists / "out" / "frozen.json").read_text())
    rows = {row["name"]: row for row in found["rows"]}
    assert list(rows) == ["untrained", "simclr", "rotation_pred"]
    assert [row["epochs"] for row in rows.values()] == [0, 4, 2]
    assert [row["views"] for row in rows.values()] == [0, 64, 64]
    assert all(0 <= row["knn"] <= 1 and 0 <= row["probe"] <= 1 for row in rows.values())
    assert rows["simclr"]["first_loss"] > 0
    with (lists / "out" / "frozen.csv").open() as file:
        assert [row["views"] for row in csv.DictReader(file)] == ["0", "64", "64"]
    assert (lists / "out" / "frozen.md").read_text().count("\n| ") == 3
    done = compare(lists, *argv, "probe_data.py")
    assert done.text.count("up to date, skipped") == 2 + 3 + 3
    assert json.loads((lists / "out" / "frozen.json").read_text())["rows"] == found["rows"]
    # Another test list: evaluated again, with features of its own, and nothing is trained again.
    (lists / "test.txt").write_text("8.jpg 2\n9.jpg 0\n10.jpg 1\n")
    done = compare(lists, *argv, "probe_data.py")
    assert done.code == 0, done.text
    assert done.text.count("up to date, skipped") == 2


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--views", "3"], "--views 3 is less than one view of each of the 8"),
        (["--views", "0"], "--views 0: give 1 or more"),
        (["--num-knn", "9"], "--num-knn 9: there are 8 training images"),
        (["--num-knn", "0"], "--num-knn 0: give 1 or more"),
        (["--jobs", "-1"], "--jobs -1: give 0 or more"),
        (["--seeds", "-1"], "--seeds -1: give 0 or more"),
        (["--test", "train.txt"], "8 images are in both lists, such as 0.jpg"),
        (["--test", "bare.txt"], "bare.txt, line 2: '9.jpg' must have one label, a number"),
        (["--train", "gone.txt"], "--train gone.txt: there is no such file"),
        (["--images", "gone"], "--images gone: there is no such folder"),
        (["--seeds", "1", "1"], "--seeds 1 1: give each once"),
        (["--algorithms", "simlcr"], "ALGORITHM=simlcr has no ISIC-2019 (SIZE=64) config"),
    ],
)
def test_bad_input_is_one_line(lists: Path, argv: list[str], message: str) -> None:
    (lists / "bare.txt").write_text("8.jpg 1\n9.jpg\n")
    done = compare(lists, "--dataset-config", "probe_data.py", *argv)
    assert done.code == 2
    assert message in done.last_line


def test_above_untrained_means_every_seed_and_both_numbers() -> None:
    row = FrozenRecord("untrained", "", 0, "", 0, 0, 0.20, 0.41, 0, 0, 0, None, None, None)
    floor = [row, replace(row, seed=1, knn=0.21, probe=0.40)]
    for knn, probe, above in ((0.22, 0.42, True), (0.205, 0.42, False), (0.22, 0.405, False)):
        record = replace(row, name="simclr", knn=knn, probe=probe)
        assert beats_untrained(record, [*floor, record]) is above
