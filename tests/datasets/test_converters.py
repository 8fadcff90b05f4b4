"""Lists and targets from the files of other data sets."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mmselfsup.datasets.data_sources.converters import (
    VOC_CLASSES,
    convert_imagenet_subset,
    convert_inaturalist,
    convert_voc,
    draw_low_shot,
)
from mmselfsup.utils.errors import UserError
from tests.tools.command import ROOT, run_tool


def test_imagenet_subset(tmp_path: Path) -> None:
    source, output = tmp_path / "1percent.txt", tmp_path / "train_1percent.txt"
    folders = [f"n{number:08d}" for number in range(1000)]
    source.write_text("".join(f"{folder}_7.JPEG\n" for folder in reversed(folders)))
    assert convert_imagenet_subset(str(source), str(output)) == 1000
    lines = output.read_text().splitlines()
    assert lines[0] == "n00000999/n00000999_7.JPEG 999"
    assert lines[-1] == "n00000000/n00000000_7.JPEG 0"
    source.write_text("n00000001_7.JPEG\n")
    with pytest.raises(UserError, match="images of 1 class"):
        convert_imagenet_subset(str(source), str(output))
    source.write_text("n00000001_7.JPEG\ncat.jpg\n")
    with pytest.raises(UserError, match=r"line 2: 'cat\.jpg'"):
        convert_imagenet_subset(str(source), str(output))


def test_inaturalist(tmp_path: Path) -> None:
    source, output = tmp_path / "train.json", tmp_path / "train.txt"
    content = dict(
        images=[dict(id=5, file_name="a/x.jpg"), dict(id=3, file_name="b/y.jpg")],
        annotations=[dict(image_id=3, category_id=8141), dict(image_id=5, category_id=0)],
    )
    source.write_text(json.dumps(content))
    assert convert_inaturalist(str(source), str(output)) == 2
    assert output.read_text() == "b/y.jpg 8141\na/x.jpg 0\n"
    source.write_text("[]")
    with pytest.raises(UserError, match="no annotations of iNaturalist"):
        convert_inaturalist(str(source), str(output))


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """VOC2007 with three images of two parts; image i has class i, the last is difficult."""
    folder = tmp_path / "VOCdevkit" / "VOC2007"
    main = folder / "ImageSets" / "Main"
    main.mkdir(parents=True)
    for part, start in (("trainval", 1), ("test", 30)):
        ids = [f"{start + number:06d}" for number in range(20)]
        (main / f"{part}.txt").write_text("\n".join(ids) + "\n")
        for number, name in enumerate(VOC_CLASSES):
            values = ["-1"] * 20
            values[number], values[(number + 1) % 20] = " 1", " 0"
            rows = [f"{i} {value}" for i, value in zip(ids, values, strict=True)]
            (main / f"{name}_{part}.txt").write_text("\n".join(rows) + "\n")
    return folder


def test_voc(voc: Path, tmp_path: Path) -> None:
    lines = list(convert_voc(str(voc), str(tmp_path / "out"), as_json=True))
    assert lines == ["train: 20 images, 20 labels", "test: 20 images, 20 labels"]
    targets = np.load(tmp_path / "out" / "train_targets.npy")
    expected = np.eye(20, dtype=int) - np.roll(np.eye(20, dtype=int), 1, axis=0)
    np.testing.assert_array_equal(targets, expected)
    assert str(np.load(tmp_path / "out" / "test_images.npy")[0]).endswith("JPEGImages/000030.jpg")
    rows = json.loads((tmp_path / "out" / "train_targets.json").read_text())
    assert rows["000001"] == expected[0].tolist()
    (voc / "ImageSets" / "Main" / "cat_test.txt").write_text("000030 5\n")
    with pytest.raises(UserError, match=r"cat_test\.txt: needs a line"):
        list(convert_voc(str(voc), str(tmp_path / "out")))


def test_few_images_of_each_class(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    targets = np.eye(4, dtype=np.int64)[rng.integers(0, 4, 200)]
    targets[rng.random(targets.shape) < 0.1] = -1
    path = str(tmp_path / "train_targets.npy")
    np.save(path, targets)
    assert draw_low_shot(path, str(tmp_path / "a"), [1, 8], num_samples=2) == 4
    assert draw_low_shot(path, str(tmp_path / "b"), [1, 8], num_samples=2) == 4
    files = {file.name: np.load(file) for file in (tmp_path / "a").iterdir()}
    assert set(files) == {f"train_targets_sample{s}_k{k}.npy" for s in (1, 2) for k in (1, 8)}
    for name, few in files.items():
        k = int(name.rpartition("k")[2].partition(".")[0])
        assert (few == 1).sum(axis=0).tolist() == [k] * 4
        assert ((few == 0).sum(axis=0) <= 3 * k).all()
        assert ((few == targets) | (few == -1)).all()
        np.testing.assert_array_equal(few, np.load(tmp_path / "b" / name))
    one, eight = (files[f"train_targets_sample1_k{k}.npy"] for k in (1, 8))
    assert ((one == 1) <= (eight == 1)).all()
    assert (one != files["train_targets_sample2_k1.npy"]).any()
    with pytest.raises(UserError, match="k = 99 needs more"):
        draw_low_shot(path, str(tmp_path / "a"), [99])


def test_command_lines(voc: Path, tmp_path: Path) -> None:
    argv = ("--data_source_dir", str(voc), "--output_dir", "labels")
    done = run_tool("data_converters/create_voc_data_files.py", *argv, folder=tmp_path)
    assert done.code == 0, done.text
    assert "test: 20 images, 20 labels" in done.text
    assert np.load(tmp_path / "labels" / "test_targets.npy").shape == (20, 20)
    argv = ("--targets_data_file", "labels/train_targets.npy", "--output_path", "few")
    tool = "data_converters/create_voc_low_shot_challenge_samples.py"
    done = run_tool(tool, *argv, folder=tmp_path)  # this data set is too small for k = 96
    assert done.code == 2
    assert "k = 96 needs more" in done.last_line
    (tmp_path / "a.json").write_text('{"images": [], "annotations": []}')
    tool = "data_converters/convert_inaturalist.py"
    assert run_tool(tool, "a.json", "a.txt", folder=tmp_path).last_line == "0 images: a.txt"
    tool = "data_converters/convert_imagenet_subsets.py"
    assert run_tool(tool, "gone.txt", "a.txt", folder=tmp_path).code == 2


def test_script_for_voc(voc: Path, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    script = str(ROOT / "tools" / "data_converters" / "prepare_voc07_cls.sh")
    env = {"PATH": "/usr/bin:/bin", "PYTHON": str(python)}

    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", script, *argv]
        return subprocess.run(command, capture_output=True, text=True, env=env, check=False)

    done = run(str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert f"--data_source_dir {voc} --output_dir {voc}/SVMLabels" in done.stdout
    assert f"--output_path {voc}/SVMLabels/low_shot/labels" in done.stdout
    lists = (voc / "Lists" / "trainvaltest.txt").read_text().split()
    assert len(lists) == 40
    assert (lists[0], lists[20]) == ("000001.jpg", "000030.jpg")
    (voc / "ImageSets" / "Main" / "test.txt").unlink()
    done = run(str(tmp_path))
    assert done.returncode == 2
    assert "unpack both archives" in done.stderr
    assert run().stderr.startswith("usage: ")
