"""Features of several layers: extract.py for the SVMs, and visualize_tsne.py."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tools.command import Done, run_tool

EXTRACT = "benchmarks/classification/svm_voc07/extract.py"
TSNE = "analysis_tools/visualize_tsne.py"
DATA = """
split_at = [8]
split_name = ["part1", "part2"]
data = dict(samples_per_gpu=4, workers_per_gpu=0, extract=dict(
    type="SingleViewDataset",
    data_source=dict(type="ImageList", data_prefix="images", ann_file="list.txt"),
    pipeline=[dict(type="Resize", size=(64, 64)), dict(type="ToTensor"),
              dict(type="Normalize", mean=[0.5] * 3, std=[0.2] * 3)]))
"""
NARROW = "model.backbone.out_indices=[4]"


@pytest.fixture
def data(place: Path) -> Path:
    (place / "data.py").write_text(DATA)
    return place


def run(tool: str, place: Path, *argv: str) -> Done:
    argv = ("simclr.py", "--dataset-config", "data.py", "--work_dir", "out", *argv)
    return run_tool(tool, *argv, folder=place)


def test_extract(data: Path) -> None:
    assert run_tool("train.py", "simclr.py", "--work_dir", "ssl", folder=data).code == 0
    done = run(EXTRACT, data, "--checkpoint", "ssl/latest.pth", "--layer-ind", "0,1")
    # The kernels of the protocol are for images of 224 pixels; the first two fit 64, too.
    assert done.code == 0, done.text
    folder = data / "out" / "features"
    shapes = {file.stem: np.load(file).shape for file in folder.iterdir()}
    assert {name: shape[0] for name, shape in shapes.items()} == {
        "part1_feat1": 8, "part1_feat2": 8, "part2_feat1": 4, "part2_feat2": 4,
    }  # fmt: skip
    again = run(EXTRACT, data, "--checkpoint", "ssl/epoch_1.pth", "--layer-ind", "0")
    assert again.code == 0, again.text
    assert np.load(folder / "part2_feat1.npy").shape == shapes["part2_feat1"]


def test_wrong_settings_of_extract(data: Path) -> None:
    done = run(EXTRACT, data, "--layer-ind", "4")  # 2 pixels are less than a kernel
    assert (done.code, "are for images of 224 pixels" in done.last_line) == (2, True)
    done = run(EXTRACT, data, "--layer-ind", "a")
    assert (done.code, "give numbers such as 0,1,2,3,4" in done.last_line) == (2, True)
    (data / "data.py").write_text(DATA.replace("[8]", "[80]"))
    done = run(EXTRACT, data, "--layer-ind", "0")
    assert done.code == 2
    assert "don't cut a list of 12 images into 2 parts" in done.last_line
    (data / "data.py").write_text("data = dict()\n")
    assert "has no data.extract" in run(EXTRACT, data).last_line


def test_tsne(data: Path) -> None:
    argv = ("--pool_type", "adaptive", "--perplexity", "3", "--n_iter", "250", "--layer_ind", "3,4")
    done = run(TSNE, data, *argv, "--max-num-class", "2")
    assert done.code == 0, done.text
    (folder,) = filter(Path.is_dir, (data / "out").glob("tsne_*"))
    assert sorted(file.name for file in folder.iterdir()) == [
        "feat4.npy", "feat4.png", "feat5.npy", "feat5.png",
    ]  # fmt: skip
    positions = np.load(folder / "feat5.npy")
    assert positions.shape == (8, 2)  # a third class of 4 images is left out
    assert np.isfinite(positions).all()
    assert Image.open(folder / "feat5.png").size[0] > 200
    done = run(TSNE, data, *argv[:2], "--layer-ind", "4")
    assert done.code == 2
    assert "below the number of images, 12" in done.last_line


def test_tokens_of_a_transformer_are_pooled() -> None:
    from mmselfsup.apis.features.layer_features import LayerProcess

    process = LayerProcess("adaptive", layer_indices=[0, 1])
    tokens = (torch.rand(2, 6, 4, 4), torch.rand(2, 6))  # patches as a map, class token
    found = process.pool([tokens, tokens])
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "feat1": (2, 6), "feat2": (2, 6),
    }  # fmt: skip
