"""predict.py, embed.py and test.py on shards: the same results as on the files they are made of."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv import Config

import mmselfsup.apis.inference.embedder
import mmselfsup.apis.inference.predictor  # noqa: F401  (for the forks, once)
from mmselfsup.apis.inference.image_input import given_images
from mmselfsup.config.text import config_text
from mmselfsup.datasets.data_sources import ImageList
from mmselfsup.datasets.data_sources.shard_writer import make_shards
from mmselfsup.models import build_algorithm
from mmselfsup.utils.errors import StorageError
from tests.datasets.range_server import serving
from tests.tools.command import run_tool

CLASSES = ["red", "green", "blue"]


@pytest.fixture
def trained(place: Path) -> Path:
    """The twelve images, shards of them, and a checkpoint with its config."""
    torch.manual_seed(0)
    cfg = Config.fromfile(str(place / "classifier.py"))
    model = build_algorithm(cfg.model)
    torch.nn.init.normal_(model.head.fc_cls.weight)
    meta = {"config": config_text(cfg._cfg_dict.to_dict()), "CLASSES": CLASSES}
    torch.save({"state_dict": model.state_dict(), "meta": meta}, place / "weights.pth")
    source = ImageList(str(place / "images"), ann_file=str(place / "list.txt"), classes=CLASSES)
    make_shards(source, place / "shards", 5)
    return place


def test_predictions_and_features_of_shards(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("http_proxy", raising=False)
    names = [f"{number}.jpg" for number in range(12)]
    files = [f"images/{name}" for name in names]
    assert run_tool("predict.py", "weights.pth", *files, "--out", "p.csv", folder=trained).code == 0
    assert run_tool("embed.py", "weights.pth", *files, "--out", "e.npz", folder=trained).code == 0
    expected = list(csv.DictReader((trained / "p.csv").read_text().splitlines()))
    features = np.load(trained / "e.npz")["features"]
    with serving(trained / "shards") as server:
        for given in ("shards", "shards/index.safetensors", server.url):
            argv = ["weights.pth", given, "--workers", "2", "--out"]
            done = run_tool("predict.py", *argv, "q.csv", "--grad-cam", "heat", folder=trained)
            assert done.code == 0, done.text
            rows = list(csv.DictReader((trained / "q.csv").read_text().splitlines()))
            assert [row.pop("image") for row in rows] == names
            assert rows == [{k: v for k, v in row.items() if k != "image"} for row in expected]
            assert len(list((trained / "heat").iterdir())) == 12
            done = run_tool("embed.py", *argv, "f.npz", folder=trained)
            assert done.code == 0, done.text
            found = np.load(trained / "f.npz")
            assert found["images"].tolist() == names
            np.testing.assert_allclose(found["features"], features, rtol=1e-5, atol=1e-6)


def test_scores_of_shards(trained: Path) -> None:
    part = "data.val.data_source"
    shards = [f"{part}.type=Shards", f"{part}.url=shards"]
    results = []
    for options in ([], shards, [*shards, f"{part}.ann_file=None"]):
        argv = ["classifier.py", "weights.pth", "--out", "s.json"]
        more = ["--cfg-options", *options] if options else []
        done = run_tool("test.py", *argv, *more, folder=trained)
        assert done.code == 0, done.text
        results.append(json.loads((trained / "s.json").read_text()))
    for key in ("metrics", "scores", "labels", "classes", "images"):
        assert results[0][key] == results[1][key] == results[2][key]


def test_broken_images_and_shards_of_other_images(trained: Path) -> None:
    (trained / "images" / "7.jpg").write_bytes(b"no image")
    source = ImageList(str(trained / "images"), ann_file=str(trained / "list.txt"))
    make_shards(source, trained / "broken", 5)
    done = run_tool("predict.py", "weights.pth", "broken", "--out", "p.csv", folder=trained)
    assert done.code == 2
    assert "1 of 12 images could not be read, such as 7.jpg in " in done.last_line
    path = trained / "shards" / "images-000001.tar"
    content = path.read_bytes()
    path.write_bytes(content[::-1])
    done = run_tool("embed.py", "weights.pth", "shards", "--out", "e.npz", folder=trained)
    assert done.code == 2
    assert "these bytes are not those that were indexed" in done.last_line
    assert not (trained / "e.npz").exists()
    path.write_bytes(content[:-512])
    with pytest.raises(StorageError, match=r"truncated or changed"):
        given_images(trained / "shards")
