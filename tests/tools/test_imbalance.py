"""Losses and samplers for unbalanced classes, named on the command line."""

import json
from pathlib import Path

import torch

from tests.tools.command import run_tool


def test_loss_and_sampler_by_one_line_each(place: Path) -> None:
    options = ["model.head.loss.type=LDAMLoss", "data.sampler.type=ClassBalancedSampler"]
    argv = ["classifier.py", "--work-dir", "w", "--seed", "0", "--cfg-options", *options]
    done = run_tool("train.py", *argv, folder=place)
    assert done.code == 0, done.text
    state = torch.load(place / "w" / "latest.pth", weights_only=True)["state_dict"]
    assert {name for name in state if name.startswith("head")} == {
        "head.fc_cls.weight",
        "head.fc_cls.bias",
    }
    assert (place / "w" / "metrics" / "epoch_2.json").exists()
    argv = ["classifier.py", "w/latest.pth", "--out", "s.json", "--cfg-options", options[0]]
    done = run_tool("test.py", *argv, folder=place)
    assert done.code == 0, done.text
    assert "balanced_accuracy" in done.text
    assert "95 %:" in done.text
    found = json.loads((place / "s.json").read_text())
    assert found["images"][0] == "0.jpg"
    assert set(found["details"]["per_class"]) == {"red", "green", "blue"}


def test_mistakes_are_one_line(place: Path) -> None:
    for option, message in (
        ("model.head.loss.type=FocusLoss", "FocusLoss"),
        ("data.sampler.type=Balanced", "'Balanced' is none of"),
        ("data.val_dataloader.drop_last=True", "would leave the last images unmeasured"),
    ):
        done = run_tool("train.py", "classifier.py", "--cfg-options", option, folder=place)
        assert done.code == 2, done.text
        assert message in done.last_line


def test_nine_classes_of_labels_eight_of_the_network(place: Path) -> None:
    """The challenge's test: UNK is among the labels, the network doesn't know it."""
    done = run_tool("train.py", "classifier.py", "--work-dir", "w", folder=place)
    assert done.code == 0, done.text
    lines = (place / "list.txt").read_text().splitlines()
    (place / "test.txt").write_text("\n".join([*lines[:-2], *(f"{x[:-1]}3" for x in lines[-2:])]))
    options = [
        "data.val.data_source.ann_file=test.txt",
        "data.val.data_source.classes=['red','green','blue','UNK']",
    ]
    argv = ["test.py", "classifier.py", "w/latest.pth", "--cfg-options", *options]
    done = run_tool(*argv, folder=place)
    assert done.code == 2
    assert "the labels have 4 classes, UNK is one of them, the network 3" in done.last_line
    done = run_tool(*argv, "evaluation.unk_threshold=0.5", folder=place)
    assert done.code == 0, done.text
    assert "recall_UNK" in done.text
