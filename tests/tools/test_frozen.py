"""test_knn.py and test_linear.py: table, JSON, cached features, and one line for what is wrong."""

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv import Config

from mmselfsup.apis.features import frozen_features  # for the forks, once
from mmselfsup.apis.features.frozen_features import frozen_model, split_options
from mmselfsup.evaluation.features import (
    LabelledFeatures,
    cached_features,
    extract,
    labelled_datasets,
)
from mmselfsup.evaluation.protocol import Protocol, ProtocolResult
from mmselfsup.utils.cli import ArgumentParser, add_frozen_arguments
from mmselfsup.utils.errors import UserError
from tests.distributed.ranks import run_ranks
from tests.tools.command import ROOT, Done, run_tool

KNN, LINEAR = "benchmarks/classification/test_knn.py", "benchmarks/classification/test_linear.py"
ARGS = ["simclr.py", "--dataset-config", "classifier.py", "--work-dir", "out"]


def run(place: Path, *argv: str, tool: str = KNN) -> Done:
    return run_tool(tool, *ARGS, *argv, folder=place)


@pytest.fixture
def checkpoint(place: Path) -> Path:
    """Weights of the pre-training's model, unlike those of any seed."""
    model = frozen_model(Config.fromfile(str(place / "simclr.py")), None, seed=123)
    torch.save({"state_dict": model.state_dict(), "meta": {}}, place / "weights.pth")
    return place / "weights.pth"


def test_knn_and_probe_share_the_features(place: Path, checkpoint: Path) -> None:
    argv = ["--checkpoint", "weights.pth", "--features", "cached.npz", "--out", "knn.json"]
    done = run(place, *argv, "--num-knn", "1", "3")
    assert done.code == 0, done.text
    assert "kNN, k=1" in done.text
    assert "12 training and 12 test images, 64 features each, in float32; weights: " in done.text
    assert "features in float32; written: " in done.text
    result = json.loads((place / "knn.json").read_text())
    assert result["results"]["kNN, k=1"]["balanced_accuracy"] == 1.0
    assert result["precision"] == "float32"
    assert list(result["results"]) == ["kNN, k=1", "kNN, k=3"]
    image = place / "images" / "0.jpg"
    before = image.stat()
    os.utime(image, ns=(1, 1))
    again = ["--checkpoint", "weights.pth", "--features", "cached.npz", "--num-knn", "1"]
    assert "its features come from other train image files, " in run(place, *again).last_line
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    image.unlink()  # nothing is read a second time
    argv = ["--checkpoint", "weights.pth", "--features", "cached.npz", "-C", "0.1"]
    done = run(place, *argv, "--out", "linear.json", tool=LINEAR)
    assert done.code == 0, done.text
    result = json.loads((place / "linear.json").read_text())
    assert result["C"] == 0.1
    assert result["results"]["linear probe, C=0.1"]["recall_red"] == 1.0
    done = run(place, "--random", "--num-knn", "1", "--features", "cached.npz")
    assert done.code == 2
    assert "--features cached.npz: its features come from other weights;" in done.last_line
    argv = ["--checkpoint", "weights.pth", "--features", "cached.npz", "--num-knn", "1"]
    done = run(place, *argv, "--cfg-options", "amp.dtype=bfloat16")
    assert done.code == 2
    assert "come from other precision;" in done.last_line
    done = run(place, *argv, "--cfg-options", "data.val.data_source.data_prefix=./images")
    assert done.code == 2
    assert "come from other test images or pipeline;" in done.last_line
    (place / "cached.npz").write_bytes((place / "cached.npz").read_bytes()[:200])
    assert "an incomplete one; delete it" in run(place, *argv).last_line


def test_untrained_network_and_the_path_of_0x(place: Path) -> None:
    argv = ["--checkpoint", "none", "--seed", "3", "--num-knn", "2", "--use-cuda", "True"]
    done = run(place, *argv, tool="benchmarks/classification/knn_imagenet/test_knn.py")
    assert done.code == 0, done.text
    assert "weights: initial weights, seed 3" in done.text
    (path,) = (place / "out").glob("knn_*.json")
    assert json.loads(path.read_text())["checkpoint"] == "initial weights, seed 3"
    half = ["--random", "--num-knn", "2", "--out", "half.json"]
    assert run(place, *half, "--cfg-options", "amp.dtype=bfloat16").code == 0
    assert json.loads((place / "half.json").read_text())["precision"] == "bfloat16"


@dataclass(frozen=True)
class MajorityProtocol(Protocol):
    """The most frequent class, whatever the features."""

    scale: float

    def check(self, num_train: int) -> None:
        if num_train != 12:
            raise UserError(f"{num_train} samples")

    def evaluate(self, data: LabelledFeatures, logger: logging.Logger) -> ProtocolResult:
        assert data.train.shape == (12, 64)
        metrics = {"balanced_accuracy": self.scale / 3, "accuracy": float("nan")}
        metrics |= dict.fromkeys(("recall_red", "recall_green", "recall_blue"), 0.0)
        return ProtocolResult({"majority": metrics}, {"scale": self.scale})


def test_a_protocol_is_a_class_and_a_line(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setitem(frozen_features.PROTOCOLS, "majority", MajorityProtocol)
    parser = ArgumentParser()
    parser.add_argument("--scale", type=float)
    add_frozen_arguments(parser)
    frozen_features.run(parser.parse_args([*ARGS, "--random", "--scale", "3"]), "majority")
    (path,) = (place / "out").glob("majority_*.json")
    result = json.loads(path.read_text())
    assert result["scale"] == 3
    assert result["results"]["majority"]["balanced_accuracy"] == 1
    assert result["results"]["majority"]["accuracy"] is None
    assert "majority" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "name the weights by --checkpoint FILE, or ask for --random ones"),
        (["--checkpoint", "gone.pth"], "no checkpoint at gone.pth"),
        (["--checkpoint", "gone.pth", "--random"], "contradict each other"),
        (["--random", "--num-knn", "20"], "there are 12 training samples"),
        (["--random", "--features", "a.txt"], "--features a.txt: name a .npz file"),
        (
            ["--random", "--features", "list.txt/a.npz"],
            "can't write list.txt/a.npz: there is a file",
        ),
        (["--random", "--out", "list.txt/a.json"], "can't write list.txt/a.json: there is a file"),
        (["--random", "--dataset-config", "simclr.py"], "no data.val"),
        (
            ["--random", "--cfg-options", "data.val.data_source.ann_file=bare.txt"],
            "bare.txt: 1 of 2 images have no label",
        ),
        (["--random", "--cfg-options", "data.val.pipelin=1"], "did you mean 'pipeline'"),
    ],
)
def test_bad_input_is_one_line(place: Path, argv: list[str], message: str) -> None:
    (place / "bare.txt").write_text("0.jpg 0\n1.jpg\n")
    done = run(place, *argv)
    assert done.code == 2, done.text
    assert message in done.last_line
    assert done.last_line.startswith("error: ")
    assert "features:" not in done.text  # found before any image was read


def test_a_bad_penalty_is_found_before_the_extraction(place: Path) -> None:
    done = run(place, "--random", "-C", "0.1", "-1", tool=LINEAR)
    assert done.code == 2, done.text
    assert "-C -1.0: it must be above 0" in done.last_line
    assert "features:" not in done.text


def test_another_backbone_is_refused(place: Path, checkpoint: Path) -> None:
    cfg = Config.fromfile(str(place / "simclr.py"))
    cfg.model.backbone.depth = 34
    with pytest.raises(
        UserError, match=r"lacks 64 weights of the backbone, .*take the config it was trained"
    ):
        frozen_model(cfg, str(checkpoint), seed=0)


def test_options_are_shared_out() -> None:
    data = Config(dict(data=dict(train=dict(a=1), val=dict(a=1)), norm=1))
    options = ["model.depth=2", "data.*.a=3", "norm=2", "data.val.b=1"]
    model, rest = split_options(options, data)
    assert model == ["model.depth=2"]
    assert rest == ["data.train.a=3", "data.val.a=3", "norm=2", "data.val.b=1"]


def features_of(place: str, distributed: bool) -> LabelledFeatures:
    """Of the untrained network for the twelve images, in the place."""
    os.chdir(place)
    data = Config.fromfile("classifier.py")
    data.data.train.data_source.ann_file = "odd.txt"  # eleven images: unequal shares
    model = frozen_model(Config.fromfile("simclr.py"), None, seed=0)
    return extract(model, labelled_datasets(data, "classifier.py"), data, distributed)


def on_a_rank(rank: int, place: str) -> tuple[LabelledFeatures, str]:
    """The features, and what a rank hears of a file of features that can't be used."""
    data = features_of(place, True)
    with pytest.raises(UserError) as caught:
        cached_features("list.txt", {})
    return data, str(caught.value)


def test_two_ranks_have_the_features_of_one(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (place / "list.txt").read_text().splitlines(keepends=True)
    (place / "odd.txt").write_text("".join(lines[:11]))
    monkeypatch.chdir(place)
    alone = features_of(str(place), False)
    assert alone.train.shape == (11, 64)
    for data, message in run_ranks(on_a_rank, place, str(place)):
        np.testing.assert_allclose(data.train, alone.train, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(data.test, alone.test, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(data.train_labels, alone.train_labels)
        assert "--features list.txt: not a file that this tool wrote" in message


def test_the_default_data_are_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def default() -> str:
        parser = ArgumentParser()
        add_frozen_arguments(parser)
        return str(parser.get_default("dataset_config"))

    name = "configs/benchmarks/classification/knn_imagenet.py"
    monkeypatch.chdir(ROOT)
    assert default() == name
    monkeypatch.chdir(tmp_path)
    assert default() == str(ROOT / name)
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("")
    assert default() == name
