"""predict.py on a few images: the table, its pictures, what it refuses."""

import argparse
import csv
from pathlib import Path

import pytest
import torch
from mmcv import Config

import mmselfsup.apis.inference.prediction_pictures  # noqa: F401  (for the forks, once)
from mmselfsup.apis.inference.image_input import given_images
from mmselfsup.config.text import config_text
from mmselfsup.models import build_algorithm
from mmselfsup.utils.cli import add_image_arguments
from mmselfsup.utils.errors import UserError
from tests.tools.command import Done, run_tool


def predict(place: Path, *argv: str) -> Done:
    return run_tool("predict.py", *argv, folder=place)


@pytest.fixture
def trained(place: Path) -> Path:
    """The twelve images, and a checkpoint with its config."""
    torch.manual_seed(0)
    cfg = Config.fromfile(str(place / "classifier.py"))
    model = build_algorithm(cfg.model)
    torch.nn.init.normal_(model.head.fc_cls.weight)
    meta = {"config": config_text(cfg._cfg_dict.to_dict()), "CLASSES": ["red", "green", "blue"]}
    torch.save({"state_dict": model.state_dict(), "meta": meta}, place / "weights.pth")
    return place


def test_a_table_and_heat_maps(trained: Path) -> None:
    folder = str(next(trained.rglob("*.jpg")).parent)
    done = predict(trained, "weights.pth", folder, "--out", "new/p.csv", "--grad-cam", "heat")
    assert done.code == 0, done.text
    rows = list(csv.DictReader((trained / "new" / "p.csv").read_text().splitlines()))
    assert list(rows[0]) == ["image", "predicted", "probability", "red", "green", "blue"]
    assert len(rows) == len(list((trained / "heat").iterdir())) == 12
    assert f"new/p.csv: {len(rows)} images (" in done.text
    again = predict(trained, "classifier.py", "weights.pth", folder, "--out", "q.csv")
    assert again.code == 0, again.text
    assert (trained / "q.csv").read_text() == (trained / "new" / "p.csv").read_text()


def test_a_broken_image_is_in_the_table_and_in_the_exit_code(trained: Path) -> None:
    first = next(trained.rglob("*.jpg"))
    broken = first.parent / "zz_broken.jpg"
    broken.write_bytes(first.read_bytes()[:-100])
    done = predict(trained, "weights.pth", str(first), str(broken), "--out", "p.csv")
    assert done.code == 2
    assert "1 of 2 images could not be read, such as" in done.last_line
    rows = list(csv.DictReader((trained / "p.csv").read_text().splitlines()))
    assert [bool(row["error"]) for row in rows] == [False, True]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["weights.pth"], "give a checkpoint of a training and the images"),
        (["weights.pth", "nowhere"], "nowhere: no such image, folder of images"),
        (["nowhere.pth", "."], "nowhere.pth"),
        (["weights.pth", ".", "--temperature", "0"], "give a number above 0"),
        (["weights.pth", ".", "--head", "head9"], "the model has the heads head4"),
        (["weights.pth", ".", "--out", "p.doc"], "p.doc: name a file that ends with .csv"),
        (["weights.pth", "x" * 300], "xxx: no such image, folder of images"),
        (["weights.pth", ".", "--data-prefix", "nope"], "(--data-prefix) nope holds for a list"),
        (["weights.pth", ".", "--image-column", "a"], "(--image-column) a holds for a list"),
    ],
)
def test_one_line_for_bad_input(trained: Path, argv: list[str], message: str) -> None:
    done = predict(trained, "--out", "p.csv", *argv)
    assert done.code == 2, done.text
    assert message in done.last_line
    assert "Traceback" not in done.text
    assert not (trained / "p.csv").exists()


def test_names_of_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "list.txt").write_text("a.jpg 0\n")
    with pytest.raises(UserError, match=r"list\.txt, line 1: a\.jpg is not in \. .*data_prefix"):
        given_images("list.txt")
    (tmp_path / "a.jpg").touch()
    assert given_images("list.txt") == ["a.jpg"]
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").touch()
    assert given_images("list.txt", data_prefix="~/photos") == [str(tmp_path / "photos/a.jpg")]


def test_names_of_a_list_in_several_folders(tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text("file_name;diagnosis\na;x\nb.jpg;y\n")
    folders = [str(tmp_path / name) for name in ("one", "two")]
    for folder, image in zip(folders, ("a.jpg", "b.jpg"), strict=True):
        Path(folder).mkdir()
        Path(folder, image).touch()
    parser = argparse.ArgumentParser()
    add_image_arguments(parser, "predict", batch_size=1)
    options = [f"--data-prefix={folder}" for folder in folders]
    prefix = parser.parse_args(["weights.pth", str(table), *options]).data_prefix
    given = given_images(str(table), "file_name", prefix)
    assert given == [str(tmp_path / "one/a.jpg"), str(tmp_path / "two/b.jpg")]
    Path(folders[1], "b.jpg").unlink()
    with pytest.raises(UserError, match=r"line 3: 'b\.jpg' is in none of the 2 folders"):
        given_images(str(table), "file_name", prefix)
