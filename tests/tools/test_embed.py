"""embed.py on a few images: features, picture, what it refuses."""

from pathlib import Path

import numpy as np
import torch
from mmcv import Config

import mmselfsup.apis.inference.embedding_picture  # noqa: F401  (for the forks, once)
from mmselfsup.models import build_algorithm
from tests.tools.command import run_tool


def test_features_and_picture(place: Path) -> None:
    torch.manual_seed(0)
    model = build_algorithm(Config.fromfile(str(place / "classifier.py")).model)
    torch.save({"state_dict": model.state_dict(), "meta": {}}, place / "weights.pth")
    folder = str(next(place.rglob("*.jpg")).parent)
    argv = ["classifier.py", "weights.pth", folder, "--out", "f.npz", "--picture", "p.png"]
    done = run_tool("embed.py", *argv, folder=place)
    assert done.code == 0, done.text
    assert "f.npz: 12 images," in done.text
    with np.load(place / "f.npz") as file:
        assert len(file["images"]) == len(file["features"]) == 12
    assert (place / "p.png").stat().st_size > 1000
    refused = run_tool("embed.py", "weights.pth", folder, "--out", "g.npz", folder=place)
    assert refused.code == 2
    assert "weights.pth holds no config" in refused.last_line
    assert not (place / "g.npz").exists()
