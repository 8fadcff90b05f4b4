"""Training, k-NN and testing on whatever files there are; one that is broken is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mmselfsup.apis.features.frozen_features  # noqa: F401  (for the forks, once)
from tests.odd_images import broken_files, good_files, write_files
from tests.tools.command import Done, run_tool

BROKEN = "half of a file.jpg"
CACHE = "data.train.data_source.cache={'dir':'cache','short_side':40}"


@pytest.fixture
def odd_place(place: Path) -> Path:
    """``place`` with the odd files as its images, in three classes by turns."""
    names = write_files(place / "images", good_files())
    (place / "list.txt").write_text("".join(f"{n} {i % 3}\n" for i, n in enumerate(names)))
    return place


def break_one(place: Path) -> str:
    """Put a broken image into the middle of the list; returns how it should be named."""
    write_files(place / "images", {BROKEN: broken_files()["half.jpg"]})
    lines = (place / "list.txt").read_text().splitlines()
    lines.insert(6, f"{BROKEN} 0")
    (place / "list.txt").write_text("\n".join(lines) + "\n")
    return f"images/{BROKEN} (line 7 of list.txt): the file is damaged (its end is missing)"


def train(place: Path, config: str, *options: str) -> Done:
    size = f"data.{'samples' if config == 'simclr.py' else 'imgs'}_per_gpu=19"
    argv = ("--work_dir", config.removesuffix(".py"), "--seed", "0")
    options = ("runner.max_epochs=1", size, *options)
    return run_tool("train.py", config, *argv, "--cfg-options", *options, folder=place)


def knn(place: Path, *weights: str) -> Done:
    argv = ("simclr.py", "--dataset-config", "classifier.py", "--work-dir", "out", *weights)
    tool = "benchmarks/classification/test_knn.py"
    return run_tool(tool, *argv, "--num-knn", "1", "--out", "knn.json", folder=place)


def score(place: Path) -> Done:
    argv = ("classifier.py", "classifier/latest.pth", "--out", "scores.json")
    return run_tool("test.py", *argv, folder=place)


@pytest.mark.parametrize("options", [[], [CACHE]])
def test_train_extract_and_test(odd_place: Path, options: list[str]) -> None:
    for config in ("simclr.py", "classifier.py"):
        done = train(odd_place, config, *options)
        assert done.code == 0, done.text
        assert "Epoch [1][2/2]" in done.text
    done = knn(odd_place, "--checkpoint", "simclr/latest.pth")
    assert done.code == 0, done.text
    result = json.loads((odd_place / "knn.json").read_text())["results"]["kNN, k=1"]
    assert result["accuracy"] > 0.89  # each is its own neighbour, but two pairs show the same
    done = score(odd_place)
    assert done.code == 0, done.text
    assert (odd_place / "scores.json").exists()

    named = break_one(odd_place)
    done = score(odd_place)
    assert (done.code, done.last_line[: len(named) + 7]) == (2, f"error: {named}")


@pytest.mark.parametrize("options", [[], [CACHE], ["data.workers_per_gpu=2"]])
@pytest.mark.parametrize("config", ["simclr.py", "classifier.py"])
def test_training_names_a_broken_file(odd_place: Path, config: str, options: list[str]) -> None:
    named = break_one(odd_place)
    # 39 images in batches of 3: a last batch of one image would be an error of its own.
    done = train(odd_place, config, *options, "data.samples_per_gpu=3")
    assert done.code == 2, done.text
    assert done.last_line.startswith("error: ")
    assert f"{named}; replace it" in done.last_line


def test_knn_names_a_broken_file(odd_place: Path) -> None:
    named = break_one(odd_place)
    done = knn(odd_place, "--random")
    assert done.code == 2, done.text
    assert done.last_line.startswith("error: ")
    assert f"{named}; replace it" in done.last_line


def test_training_skips_a_broken_file_and_names_it(odd_place: Path) -> None:
    named = break_one(odd_place)
    options = ["data.train.data_source.on_error=skip", "data.drop_last=True"]
    done = train(odd_place, "simclr.py", *options)
    assert done.code == 0, done.text
    assert f"skipped an image (1 so far): {named}" in done.text


def test_a_last_batch_of_one_image_is_left_out(odd_place: Path) -> None:
    odd_place.joinpath("list.txt").write_text("grey.jpg\ncmyk.jpg\nalpha.png\n")
    done = train(odd_place, "simclr.py", "data.samples_per_gpu=2")
    assert done.code == 0
    assert "data.drop_last: the last batch of an epoch would have 1 image" in done.text
