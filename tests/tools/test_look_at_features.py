"""look_at_features.py on a few images: what it writes, that it resumes, what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv import Config

import mmselfsup.apis.features.compare_features  # noqa: F401  (for the forks, once)
from mmselfsup.apis.features.frozen_features import frozen_model
from tests.tools.command import Done, run_tool

TEST = "\ndata['test'] = data['val']\n"


def run(place: Path, *argv: str) -> Done:
    args = ["simclr.py", "--checkpoint", "weights.pth", "--dataset-config", "classifier.py"]
    args += ["--images", "images", "--train", "train.txt", "--test", "held.txt", "--out", "out"]
    return run_tool("isic2019/look_at_features.py", *args, *argv, folder=place)


@pytest.fixture
def halves(place: Path) -> Path:
    """The twelve images in two lists, weights, and lesions of which one is in both lists."""
    lines = (place / "list.txt").read_text().splitlines()
    (place / "train.txt").write_text("\n".join(lines[:9]) + "\n")
    (place / "held.txt").write_text("\n".join(lines[9:]) + "\n")
    lesions = ["HAM_1", "BCN_2", "HAM_3", "", "BCN_4", "HAM_5", "BCN_6", "HAM_7", "HAM_8"]
    lesions += ["BCN_2", "", "MSK4_9"]
    rows = "".join(f"{i},{lesion}\n" for i, lesion in enumerate(lesions))
    (place / "meta.csv").write_text("image,lesion_id\n" + rows)
    (place / "classifier.py").write_text((place / "classifier.py").read_text() + TEST)
    model = frozen_model(Config.fromfile(str(place / "simclr.py")), None, seed=123)
    torch.save({"state_dict": model.state_dict(), "meta": {}}, place / "weights.pth")
    return place


def test_writes_points_neighbours_and_pictures(halves: Path) -> None:
    done = run(halves, "--metadata", "meta.csv")
    assert done.code == 0, done.text
    look = json.loads((halves / "out" / "looks.json").read_text())
    assert (look["num_train"], look["num_test"], look["all_test"]) == (9, 3, 3)
    assert look["shared_lesions"] == 1  # BCN_2; images without a lesion share none
    assert [query["image"] for query in look["queries"]] == ["9.jpg", "10.jpg", "11.jpg"]
    train = {f"{i}.jpg" for i in range(9)}
    for query in look["queries"]:
        for side in ("before", "after"):
            assert len(query[side]) == 6
            assert {neighbour["image"] for neighbour in query[side]} <= train
            cosines = [neighbour["cosine"] for neighbour in query[side]]
            assert cosines == sorted(cosines, reverse=True)
        assert query["before"] != query["after"]
    for query in look["queries"]:
        for image in (query, *query["before"], *query["after"]):
            assert (halves / "out" / "thumbs" / image["thumb"]).is_file()
    with np.load(halves / "out" / "points.npz") as points:
        assert points["names"].tolist() == ["9.jpg", "10.jpg", "11.jpg"]
        assert points["sources"].tolist() == ["BCN", "none", "MSK"]
        assert points["before"].shape == points["after"].shape == (3, 2)


def test_resumes_and_gives_the_same(halves: Path) -> None:
    assert run(halves).code == 0
    files = [halves / "out" / name for name in ("looks.json", "points.npz")]
    first = [file.read_bytes() for file in files]
    assert json.loads(first[0])["shared_lesions"] is None
    files[0].unlink()
    (halves / "out" / "after.npz").unlink()  # stopped behind the first of the two networks
    done = run(halves)
    assert done.code == 0, done.text
    assert "before pre-training: features of" not in done.text
    assert "after pre-training: features of" in done.text
    assert files[0].read_bytes() == first[0]
    with np.load(files[1]) as points, np.load(halves / "out" / "before.npz") as features:
        assert len(points["before"]) == len(features["test"])


def test_broken_weights_are_one_line_of_error(halves: Path) -> None:
    weights = torch.load(halves / "weights.pth")
    first = next(iter(weights["state_dict"]))
    weights["state_dict"][first].fill_(float("nan"))
    torch.save(weights, halves / "weights.pth")
    done = run(halves)
    assert done.code == 2
    assert "values of its backbone.conv1.weight are not finite" in done.last_line
    assert not (halves / "out" / "looks.json").exists()


def test_a_missing_checkpoint_is_one_line_of_error(halves: Path) -> None:
    done = run(halves, "--checkpoint", "none.pth")
    assert done.code == 2
    assert "none.pth" in done.last_line
