"""Features, masks and thumbnails of an earlier run are not taken for those of another."""

import copy
import inspect
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from mmselfsup.apis import explain
from mmselfsup.evaluation.feature_comparison import find_neighbours
from mmselfsup.evaluation.features import (
    LabelledFeatures,
    dataset_digest,
    network_origin,
    read_features,
    write_features,
)
from mmselfsup.isic import dark_border, lesion_mask
from mmselfsup.utils.errors import UserError


def test_other_settings_of_the_same_weights_are_another_network(tmp_path: Path) -> None:
    """``out_indices`` chooses the features of another stage."""
    torch.manual_seed(0)
    model = nn.ModuleDict({"backbone": nn.Linear(2, 2)})
    backbone = dict(type="ResNet", depth=18, out_indices=[4], init_cfg=dict(type="Pretrained"))
    cfg = Config(dict(model=dict(backbone=backbone)))
    origin = network_origin(model, cfg)
    data = LabelledFeatures(*(np.zeros((1, 2), np.float32), np.zeros(1, np.int64)) * 2)
    path = str(tmp_path / "cached.npz")
    write_features(path, data, origin)
    other = copy.deepcopy(cfg)
    other.model.backbone.out_indices = [3]
    with pytest.raises(UserError, match="come from other network settings; delete it"):
        read_features(path, network_origin(model, other))
    cfg.model.backbone.pop("init_cfg")  # the weights themselves are compared
    assert network_origin(model, cfg) == origin
    old = {part: digest for part, digest in origin.items() if part != "network settings"}
    write_features(path, data, old)  # a file of an older version
    assert read_features(path, origin).train.shape == (1, 2)


def test_the_normalisation_of_the_loader_is_part_of_the_images() -> None:
    dataset = SimpleNamespace(gt_labels=[0, 1])
    norm = dict(mean=[0.5] * 3, std=[0.2] * 3)
    val = dict(type="SingleViewDataset", prefetch=True, pipeline=[dict(type="CenterCrop", size=8)])
    cfg = Config(dict(data=dict(val=val), prefetch=True, img_norm_cfg=norm))
    first = dataset_digest(cfg.data.val, dataset, cfg, "val")
    cfg.img_norm_cfg.mean = [0.1] * 3
    assert dataset_digest(cfg.data.val, dataset, cfg, "val") != first
    cfg.prefetch = False  # then the pipeline normalises, or nothing does
    unused = dataset_digest(cfg.data.val, dataset, cfg, "val")
    cfg.img_norm_cfg.mean = [0.5] * 3
    assert dataset_digest(cfg.data.val, dataset, cfg, "val") == unused


def comparison(folder: Path, colour: int) -> bytes:
    """Compare one grey image; return the thumbnail of the query."""
    (folder / "images").mkdir(exist_ok=True)
    name = f"{colour}.png"
    Image.new("RGB", (99, 99), (colour,) * 3).save(folder / "images" / name)
    info = dict(img_prefix=str(folder / "images"), img_info=dict(filename=name), gt_label=0)
    source = SimpleNamespace(data_infos=[info])
    datasets = dict.fromkeys(("train", "val"), SimpleNamespace(data_source=source))
    data = LabelledFeatures(*(np.ones((1, 2), np.float32), np.zeros(1, np.int64)) * 2)
    (query,) = find_neighbours({"before": data, "after": data}, datasets, [0], folder / "thumbs")
    assert query.image == query.before[0].image == name
    return (folder / "thumbs" / query.thumb).read_bytes()


def test_thumbnails_are_those_of_the_images(tmp_path: Path) -> None:
    """They are named by index, so that another list has the same names."""
    assert comparison(tmp_path, 30) != comparison(tmp_path, 220)


def left(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], bool]:
    mask = np.zeros(pixels.shape[:2], bool)
    mask[:, : len(mask) // 2] = True
    return mask, False


def test_masks_of_other_code_are_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, code = list[str](), list[str]()

    def find_masks(source: Any, cfg: Config, find_mask: Any) -> dict[str, NDArray[Any]]:
        found.append(code[-1])
        return {"packed": np.zeros((1, 4608), np.uint8), "guessed": np.zeros(1, bool)}

    monkeypatch.setattr(explain, "find_masks", find_masks)
    monkeypatch.setattr(explain.inspect, "getsource", lambda module: code[-1])
    dataset = SimpleNamespace(data_source=None)
    for version in ("a", "a", "b", "b"):
        code.append(version)
        explain._masks(tmp_path, dataset, "the images", Config(), left)
    assert found == ["a", "b"]
    with np.load(tmp_path / "masks.npz") as file:
        assert set(json.loads(str(file["origin"]))) == {"images", "code"}


def test_the_code_of_masks_is_that_of_all_modules_behind_it() -> None:
    """What is dark stands in another module than the search for the lesion."""
    sources = list(explain._sources(lesion_mask.find_lesion.__module__))
    assert sources[0] == inspect.getsource(lesion_mask)
    assert inspect.getsource(dark_border) in sources
    assert len(sources) < 20
