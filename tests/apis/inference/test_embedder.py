"""Features of folders, files and images in memory, their files, and a picture of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from mmcv import Config
from PIL import Image

from mmselfsup.apis.inference import embeddings as embeddings_module
from mmselfsup.apis.inference.embedder import Embedder, plain_pipeline
from mmselfsup.apis.inference.embedding_picture import check_picture_options, write_picture_of
from mmselfsup.apis.inference.embeddings import Embeddings, check_features_file
from mmselfsup.config.text import config_text
from mmselfsup.core.checkpoint import export_backbone, save_checkpoint
from mmselfsup.models import build_algorithm
from mmselfsup.utils.errors import UserError

BACKBONE = dict(type="ResNet", depth=18, stem_channels=8, base_channels=8, out_indices=[4])
NORMALIZE = dict(type="Normalize", mean=[0.5, 0.4, 0.3], std=[0.2, 0.2, 0.2])
VIEWS = [dict(type="RandomResizedCrop", size=64), dict(type="ToTensor"), NORMALIZE]


def config() -> dict[str, Any]:
    """SimCLR as it is trained: with random views only."""
    neck = dict(type="LinearNeck", in_channels=64, out_channels=8)
    head = dict(type="ContrastiveHead")
    source = dict(type="ImageList", data_prefix="nowhere")
    train = dict(type="MultiViewDataset", data_source=source, num_views=[2], pipelines=[VIEWS])
    model = dict(type="SimCLR", backbone=BACKBONE, neck=neck, head=head)
    return {"model": model, "data": dict(samples_per_gpu=4, train=train)}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("run") / "latest.pth"
    torch.manual_seed(0)
    save_checkpoint(
        build_algorithm(config()["model"]), str(path), meta={"config": config_text(config())}
    )
    return str(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for n in range(5):
        pixels = np.random.default_rng(n).integers(0, 256, (72, 72, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{n}.png")
    return tmp_path / "images"


def reference(checkpoint: str, path: Path) -> Any:
    """Return the map and the feature of one image by hand."""
    model = build_algorithm(config()["model"])
    model.load_state_dict(torch.load(checkpoint, weights_only=False)["state_dict"])
    centre = np.array(Image.open(path))[4:68, 4:68]  # 72 pixels need no resizing
    img = torch.from_numpy(centre).permute(2, 0, 1)[None] / 255
    mean, std = (torch.tensor(NORMALIZE[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        maps = model.backbone.eval()((img - mean) / std)[-1][0].numpy()
    return maps, maps.mean(axis=(1, 2))


def test_a_pre_training_alone_is_enough(checkpoint: str, folder: Path) -> None:
    found = Embedder(checkpoint, batch_size=2)(folder, maps=True)
    assert found.images == [str(folder / f"{n}.png") for n in range(5)]
    assert found.maps is not None
    for n in range(5):
        maps, feature = reference(checkpoint, folder / f"{n}.png")
        np.testing.assert_allclose(found.maps[n], maps, atol=1e-5)
        np.testing.assert_allclose(found.features[n], feature, atol=1e-5)
    assert Embedder(checkpoint)(folder).maps is None


def test_bare_weights_need_a_config(checkpoint: str, folder: Path, tmp_path: Path) -> None:
    model = build_algorithm(config()["model"])
    model.load_state_dict(torch.load(checkpoint, weights_only=False)["state_dict"])
    bare = str(tmp_path / "backbone.pth")
    export_backbone(model, bare)
    with pytest.raises(UserError, match="holds no config"):
        Embedder(bare)
    found = Embedder(bare, Config(config()))(folder)
    np.testing.assert_array_equal(found.features, Embedder(checkpoint)(folder).features)


def test_another_config_prepares_the_images(checkpoint: str, folder: Path, tmp_path: Path) -> None:
    pipeline = [dict(type="Resize", size=[32, 32]), dict(type="ToTensor"), NORMALIZE]
    val = dict(type="SingleViewDataset", data_source=dict(type="ImageList"), pipeline=pipeline)
    (tmp_path / "data.py").write_text(f"data = dict(val={val})")
    small = Embedder(checkpoint, dataset_config=str(tmp_path / "data.py"))
    assert small(folder, maps=True).maps.shape[2:] == (1, 1)  # type: ignore[union-attr]


def test_the_largest_of_several_views_sets_the_size() -> None:
    small = [dict(type="RandomResizedCrop", size=32), *VIEWS[1:]]
    cfg = Config(config())
    cfg.data.train.pipelines = [small, VIEWS]
    assert [step.get("size") for step in plain_pipeline(cfg)[:2]] == [72, 64]
    assert plain_pipeline(cfg)[3] == NORMALIZE
    cfg.data.train.pipelines = [[dict(type="ToTensor")]]
    with pytest.raises(UserError, match="--dataset-config"):
        plain_pipeline(cfg)


def test_files(checkpoint: str, folder: Path, tmp_path: Path) -> None:
    found = Embedder(checkpoint)(folder, maps=True)
    found.write(str(tmp_path / "new" / "f.npz"))
    with np.load(tmp_path / "new" / "f.npz") as file:
        assert file["images"].tolist() == found.images
        np.testing.assert_array_equal(file["features"], found.features)
        np.testing.assert_array_equal(file["maps"], found.maps)
    with pytest.raises(UserError, match="maps are no table"):
        found.write(str(tmp_path / "f.csv"))
    plain = Embeddings(found.images, found.features)
    plain.write(str(tmp_path / "f.csv"))
    table = pd.read_csv(tmp_path / "f.csv")
    assert list(table)[:3] == ["image", "f0", "f1"]
    np.testing.assert_allclose(table.iloc[:, 1:].to_numpy(), found.features, rtol=1e-5)


def test_a_broken_image_is_nan(checkpoint: str, folder: Path, tmp_path: Path) -> None:
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:100])
    embedder = Embedder(checkpoint)
    found = embedder(folder)
    assert list(found.errors) == [1]
    assert np.isnan(found.features).all(axis=1).tolist() == [False, True, False, False, False]
    write_picture_of(str(tmp_path / "p.png"), embedder, found, folder)
    with Image.open(tmp_path / "p.png") as picture:
        pixels = np.array(picture)
    tiles = pixels.reshape(24, 48, 24, 48, 3)
    drawn = (tiles != 255).any(axis=(1, 3, 4)).sum()
    assert 1 < drawn <= 4  # two may share a cell


def test_bad_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"ends with \.npz, \.csv, \.parquet"):
        check_features_file(str(tmp_path / "f.txt"), False)
    monkeypatch.setattr(embeddings_module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install pyarrow"):
        check_features_file(str(tmp_path / "f.parquet"), False)
    monkeypatch.setattr("mmselfsup.apis.inference.embedding_picture.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install umap-learn"):
        check_picture_options(str(tmp_path / "p.png"), "umap")
    with pytest.raises(UserError, match=r"name a \.png"):
        check_picture_options(str(tmp_path / "p.gif"), "tsne")
