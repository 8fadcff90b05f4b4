"""explain.py on a few images: what it writes, that it resumes, what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv import Config
from PIL import Image

import mmselfsup.apis.explain  # noqa: F401  (for the forks, once)
from mmselfsup.models import build_algorithm
from tests.tools.command import Done, run_tool


def run(place: Path, *argv: str, config: str = "classifier.py") -> Done:
    args = [config, "weights.pth", "--out", "out", *argv]
    return run_tool("isic2019/explain.py", *args, folder=place)


def save_weights(place: Path, config: str = "classifier.py") -> None:
    """Weights of a classifier that names several classes."""
    torch.manual_seed(0)
    model = build_algorithm(Config.fromfile(str(place / config)).model)
    model.init_weights()
    torch.nn.init.normal_(model.head.fc_cls.weight)
    torch.save({"state_dict": model.state_dict(), "meta": {}}, place / "weights.pth")


@pytest.fixture
def trained(place: Path) -> Path:
    """The twelve images, and weights of the classifier."""
    save_weights(place)
    return place


def test_writes_numbers_masks_and_heat_maps(trained: Path) -> None:
    done = run(trained, "--seed", "3")
    assert done.code == 0, done.text
    found = json.loads((trained / "out" / "explain.json").read_text())
    assert found["classes"] == ["red", "green", "blue"]
    assert found["places"] == [1, 1]  # of 32 pixels
    assert (found["seed"], found["no_heat"]) == (3, "")
    numbers = found["blackout"]
    with np.load(trained / "out" / "masks.npz") as file:
        guessed, covered = int(file["guessed"].sum()), np.unpackbits(file["packed"]).mean()
    assert (numbers["num_images"], numbers["guessed"], numbers["by_lesion"]) == (12, guessed, False)
    assert guessed > 6  # noise has no lesion
    assert numbers["covered"] == pytest.approx(covered, abs=1e-4)
    assert numbers["chance"] == numbers["majority"] == pytest.approx(1 / 3)
    with np.load(trained / "out" / "as_is.npz") as file:
        right = file["scores"].argmax(axis=1) == np.arange(12) % 3
    assert numbers["views"]["as_is"]["accuracy"] == pytest.approx(right.mean(), abs=1e-4)
    correct = [case["label"] == case["predicted"] for case in found["cases"]]
    assert correct == sorted(correct, reverse=True)
    assert sum(correct) == min(4, right.sum())
    assert len(correct) - sum(correct) == min(4, (~right).sum())
    for case in found["cases"]:
        assert right[int(case["image"].removesuffix(".jpg"))] == (
            case["label"] == case["predicted"]
        )
        assert 1 / 3 <= case["probability"] <= 1
        for name in (case["picture"], case["heat"]):
            assert Image.open(trained / "out" / "pictures" / name).size == (176, 176)
    assert (trained / "out" / "masks.webp").is_file()


def test_resumes_and_gives_the_same(trained: Path) -> None:
    assert run(trained).code == 0
    first = (trained / "out" / "explain.json").read_bytes()
    (trained / "out" / "explain.json").unlink()
    (trained / "out" / "lesion_only.npz").unlink()  # stopped before the last view
    done = run(trained)
    assert done.code == 0, done.text
    assert "lesion hidden: 12 test images" not in done.text
    assert "lesion only: 12 test images" in done.text
    assert (trained / "out" / "explain.json").read_bytes() == first
    weights = torch.load(trained / "weights.pth")
    weights["state_dict"]["head.fc_cls.weight"] *= -1  # another classifier
    torch.save(weights, trained / "weights.pth")
    done = run(trained)
    assert "as is: 12 test images" in done.text
    assert (trained / "out" / "explain.json").read_bytes() != first


def test_images_that_the_loader_normalises_are_shown_as_they_are(trained: Path) -> None:
    assert run(trained).code == 0
    text = (trained / "classifier.py").read_text()
    text = "".join(line for line in text.splitlines(True) if not line.startswith("norm ="))
    fast = text.replace(', dict(type="ToTensor"), norm]\ndata', "]\ndata").replace(
        "pipeline=steps", "pipeline=steps, prefetch=True"
    )
    (trained / "fast.py").write_text(
        fast + "\nprefetch = True\nimg_norm_cfg = dict(mean=[0.5] * 3, std=[0.2] * 3)\n"
    )
    assert run(trained, "--out", "fast", config="fast.py").code == 0
    cases = json.loads((trained / "out" / "explain.json").read_text())["cases"]
    assert json.loads((trained / "fast" / "explain.json").read_text())["cases"] == cases
    for case in cases:
        for name in (case["picture"], case["heat"]):
            both = (
                np.asarray(Image.open(trained / f / "pictures" / name)) for f in ("out", "fast")
            )
            slow, quick = (picture.astype(int) for picture in both)
            assert np.abs(slow - quick).max() <= 8  # WebP


def test_an_image_without_a_label_is_one_line_of_error(trained: Path) -> None:
    (trained / "list.txt").write_text("0.jpg 0\n1.jpg\n")
    done = run(trained)
    assert done.code == 2
    assert "1 of 2 images have no label" in done.last_line


def test_a_broken_image_is_named(trained: Path) -> None:
    (trained / "images" / "7.jpg").write_bytes(b"no picture")
    done = run(trained)
    assert done.code == 2
    assert "7.jpg" in done.last_line
    assert not (trained / "out" / "explain.json").exists()


def test_broken_weights_are_one_line_of_error(trained: Path) -> None:
    weights = torch.load(trained / "weights.pth")
    weights["state_dict"]["head.fc_cls.bias"].fill_(float("nan"))
    torch.save(weights, trained / "weights.pth")
    done = run(trained)
    assert done.code == 2
    assert "values of its head.fc_cls.bias are not finite" in done.last_line


def test_a_missing_checkpoint_is_one_line_of_error(place: Path) -> None:
    done = run(place)
    assert done.code == 2
    assert "weights.pth" in done.last_line


def test_another_model_than_a_classifier_is_refused(trained: Path) -> None:
    text = (trained / "simclr.py").read_text()
    steps = 'pipeline=[dict(type="Resize", size=[32, 32]), dict(type="ToTensor"), norm]'
    part = f'\ndata["test"] = dict(type="SingleViewDataset", data_source=source, {steps})\n'
    (trained / "simclr.py").write_text(text + part)
    model = build_algorithm(Config.fromfile(str(trained / "simclr.py")).model)
    torch.save({"state_dict": model.state_dict(), "meta": {}}, trained / "weights.pth")
    done = run(trained, config="simclr.py")
    assert done.code == 2
    assert "SimCLR is no classifier" in done.last_line
