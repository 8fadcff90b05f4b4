"""Any data set in the form that the study reads: tables, statistics, folds."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmselfsup.apis.study_data import study_source
from mmselfsup.apis.study_data.study_source import make_lists, make_source
from mmselfsup.isic.duplicates import Duplicates
from mmselfsup.study.descriptions import NAMES, Description
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.fold_lists import PARTS

CLASSES = ("bkl", "mel", "nv")


@pytest.fixture
def ham(tmp_path: Path) -> Path:
    """40 images of 20 lesions in HAM10000's own layout, two of which are not on disk."""
    rng = np.random.default_rng(0)
    rows = [("lesion_id", "image_id", "dx")]
    for i in range(40):
        lesion = i // 2
        rows.append((f"HAM_{lesion:03d}", f"ISIC_{i:03d}", CLASSES[lesion % 3]))
        if i in (38, 39):
            continue
        folder = tmp_path / f"part_{i % 2 + 1}"
        folder.mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (16, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"ISIC_{i:03d}.png")
    with (tmp_path / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return tmp_path


def described(**change: object) -> Description:
    values: dict = dict(
        name="HAM", table=("other.csv", "metadata.csv"), images=("part_1", "part_2", "part_3"),
        sources=True, folds=3,
    )  # fmt: skip
    return Description(**{**values, **change})


def read(path: Path) -> list[list[str]]:
    return [line.rsplit(" ", 1) for line in path.read_text().splitlines()]


def test_a_published_layout(ham: Path, tmp_path: Path) -> None:
    place = tmp_path / "source"
    facts = make_source(described(), ham, place, 16, NAMES)
    assert facts["classes"] == list(CLASSES)
    assert (facts["num_listed"], facts["num_not_on_disk"]) == (40, 2)
    assert facts["prepared"].startswith(
        "38 of 40 listed images were there; normalised by their own"
    )
    assert Path(facts["images"], facts["examples"][0]).is_file()
    summary = make_lists(place, tmp_path / "splits", "ham", NAMES, facts["classes"], 3)
    assert summary["num_groups"] == 19
    lesion = {f"ISIC_{i:03d}": i // 2 for i in range(40)}
    tested = []
    for fold in range(3):
        lists = {part: read(tmp_path / "splits" / f"ham_{part}_fold{fold}.txt") for part in PARTS}
        names = {part: [row[0] for row in rows] for part, rows in lists.items()}
        of = {part: {lesion[Path(n).stem] for n in found} for part, found in names.items()}
        assert not of["train"] & of["test"]
        assert not of["subtrain"] & of["val"]
        assert sorted(names["subtrain"] + names["val"]) == sorted(names["train"])
        assert all(CLASSES[int(k)] == CLASSES[lesion[Path(n).stem] % 3] for n, k in lists["test"])
        assert all(Path(facts["images"], name).is_file() for name in names["train"])
        tested += names["test"]
    assert len(tested) == len(set(tested)) == 38


def test_fewer_folds_take_the_old_lists_away(ham: Path, tmp_path: Path) -> None:
    facts = make_source(described(), ham, tmp_path / "source", 16, NAMES)
    for num_folds in (4, 3):
        make_lists(
            tmp_path / "source", tmp_path / "splits", "ham", NAMES, facts["classes"], num_folds
        )
    assert len(list((tmp_path / "splits").glob("ham_*.txt"))) == 3 * len(PARTS)


@pytest.mark.parametrize("image_column", ["isic", "image_id", None])
def test_a_table_of_groups_whose_images_have_another_column(
    ham: Path, tmp_path: Path, image_column: str | None
) -> None:
    """The groups are those of the second table, whatever its column of images is called."""
    rows = [["image_id", "lesion", "site"]]
    rows += [
        [f"ISIC_{i:03d}", f" L{i // 4} ", "arm"] for i in range(36)
    ]  # the last two are missing
    with (ham / "groups.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    text = (ham / "metadata.csv").read_text()
    name = image_column or "image"  # of the first table alone
    (ham / "metadata.csv").write_text(text.replace("image_id", name, 1))
    given = described(
        image_column=image_column, groups_table=("none.csv", "groups.csv"), group_column="lesion",
        sources=False, name="my set", label_column="dx",
    )  # fmt: skip
    make_source(given, ham, tmp_path / "source", 16, NAMES)
    with (tmp_path / "source" / "groups.csv").open() as file:
        found = {Path(row["image"]).stem: row["lesion_id"] for row in csv.DictReader(file)}
    assert found["ISIC_000"] == found["ISIC_003"] == "my-set_L0"
    assert found["ISIC_004"] == "my-set_L1"
    assert found["ISIC_036"] == ""  # the table of groups has no row of it
    with pytest.raises(UserError, match=r"no column 'nest' \(.*groups.csv has image_id"):
        make_source(
            described(**{**given.__dict__, "group_column": "nest"}), ham, tmp_path / "s", 16, NAMES
        )


def test_statistics_are_measured_once(ham: Path, tmp_path: Path, monkeypatch) -> None:
    place = tmp_path / "source"
    make_source(described(), ham, place, 16, NAMES)
    before = (place / "statistics.txt").read_text()
    monkeypatch.setattr("mmselfsup.apis.study_data.study_source.source_statistics", None)
    make_source(described(), ham, place, 16, NAMES)
    assert (place / "statistics.txt").read_text() == before


def test_near_duplicates_stay_together(ham: Path, tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(16), np.arange(20)) * 6
    for i in (0, 10, 20, 30):  # one picture in four lesions
        Image.fromarray(smooth.astype(np.uint8)).convert("RGB").save(
            ham / "part_1" / f"ISIC_{i:03d}.png"
        )
    place = tmp_path / "source"
    facts = make_source(described(), ham, place, 16, NAMES)
    make_lists(
        place, tmp_path / "s", "ham", NAMES, facts["classes"], 3, duplicates=Duplicates(True, 10, 1)
    )
    tests = [{n for n, _ in read(tmp_path / "s" / f"ham_test_fold{k}.txt")} for k in range(3)]
    wanted = {f"part_1/ISIC_{i:03d}.png" for i in (0, 10, 20, 30)}
    assert [len(wanted & found) for found in tests].count(4) == 1


def test_a_medmnist_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {}
    for part in ("train", "val", "test"):
        arrays[f"{part}_images"] = rng.integers(0, 256, (8, 6, 6, 3), dtype=np.uint8)
        arrays[f"{part}_labels"] = (np.arange(8) % 2)[:, None]
    np.savez(tmp_path / "x.npz", **arrays)
    description = Description("X", table=("x.npz",), classes=("no", "yes"), folds=2)
    facts = make_source(description, tmp_path, tmp_path / "source", 6, NAMES)
    image = np.asarray(Image.open(Path(facts["images"], "val_000001.png")))
    assert (image == arrays["val_images"][1]).all()
    assert facts["num_listed"] == 24


def test_folders_of_classes(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(4):
            pixels = np.random.default_rng(i).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{i}.png")
    description = Description("Pets", images=(str(tmp_path / "pets"),), folds=2)
    facts = make_source(description, tmp_path, tmp_path / "source", 8, NAMES)
    assert facts["classes"] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"table": ("other.csv",)}, "table: there is no file .*other.csv"),
        ({"images": ("part_3",), "table": ()}, "none of the folders .*part_3 is there"),
        ({"folds": 30}, "an image of each in all 30 folds"),
        ({"label_column": "diagnosis"}, "label_column='diagnosis' is none of its columns"),
    ],
)
def test_errors(ham: Path, tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_source(described(**change), ham, tmp_path / "source", 16, NAMES)


def test_no_image_is_there(ham: Path, tmp_path: Path) -> None:
    for folder in ("empty_1", "empty_2"):
        (ham / folder).mkdir()
    for images in (("empty_1",), ("empty_1", "empty_2")):
        with pytest.raises(UserError, match="none of its 40 images is in"):
            make_source(described(images=images), ham, tmp_path / "source", 16, NAMES)


def test_labels_from_1_are_names_of_classes(tmp_path: Path) -> None:
    (tmp_path / "pets").mkdir()
    for i in range(8):
        pixels = np.random.default_rng(i).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pets" / f"{i}.png")
    rows = "".join(f"{i}.png,{1 + i % 2}\n" for i in range(8))
    (tmp_path / "labels.csv").write_text(f"image,label\n{rows}")
    description = Description("Pets", table=("labels.csv",), images=("pets",), folds=2)
    facts = make_source(description, tmp_path, tmp_path / "source", 8, NAMES)
    assert facts["classes"] == ["1", "2"]  # no class 0 without an image


def test_numbers_are_classes_in_the_order_of_their_values(tmp_path: Path) -> None:
    """Else a list of the same numbers would mean other classes."""
    for i in range(24):
        Image.new("RGB", (8, 8), (10 * i, 9, 9)).save(tmp_path / f"{i}.png")
    (tmp_path / "list.txt").write_text("".join(f"{i}.png {i % 12}\n" for i in range(24)))
    description = Description("Twelve", table=("list.txt",), folds=2)
    facts = make_source(description, tmp_path, tmp_path / "source", 8, NAMES)
    assert facts["classes"] == [str(number) for number in range(12)]


def test_classes_of_equal_values_have_one_order(tmp_path: Path, monkeypatch: Any) -> None:
    """Columns of classes may be called 01 and 1; a set of names has another order in each run."""
    rows = [f"{i}.png,{i % 2},{1 - i % 2}\n" for i in range(4)]
    (tmp_path / "my.csv").write_text("image,1,01\n" + "".join(rows))
    for i in range(4):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / f"{i}.png")
    description = Description("Two", table=("my.csv",), label_column=("1", "01"), folds=2)
    for backwards in (False, True):
        monkeypatch.setattr(
            study_source, "set", lambda names, b=backwards: sorted(set(names), reverse=b), False
        )
        facts = make_source(description, tmp_path, tmp_path / "source", 8, NAMES)
        assert facts["classes"] == ["01", "1"]


def test_a_column_of_groups_that_is_not_read(
    ham: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ham / "metadata.csv").read_text().replace("image_id", "image").replace("dx", "label")
    (ham / "metadata.csv").write_text(text)
    make_source(described(), ham, tmp_path / "source", 16, NAMES)
    assert "metadata.csv: the column lesion_id is not read" in capsys.readouterr().err
    make_source(described(group_column="lesion_id"), ham, tmp_path / "source", 16, NAMES)
    assert "warning" not in capsys.readouterr().err


def test_several_folders_without_a_table(ham: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="one folder has the folders of the classes, and 2 are"):
        make_source(described(table=()), ham, tmp_path / "source", 16, NAMES)


def test_cells_of_groups_that_say_nothing(ham: Path, tmp_path: Path) -> None:
    """As in the table of the labels: such images are no patient."""
    rows = [f"ISIC_{i:03d},{'nan' if i < 6 else f'P{i // 4}'}" for i in range(40)]
    (ham / "patients.csv").write_text("\n".join(["image,patient", *rows]))
    change = {"groups_table": ("patients.csv",), "group_column": "patient"}
    make_source(described(**change), ham, tmp_path / "source", 16, NAMES)
    with (tmp_path / "source" / "groups.csv").open(newline="") as file:
        groups = {Path(row["image"]).stem: row["lesion_id"] for row in csv.DictReader(file)}
    assert (groups["ISIC_005"], groups["ISIC_006"]) == ("", "P1")


def test_a_table_of_groups_of_equal_names_in_folders(tmp_path: Path) -> None:
    """Each patient has a folder, in which the files are numbered from 0."""
    images, groups = ["image,label"], ["image,patient"]
    for patient in range(15):
        folder = tmp_path / f"p{patient}"
        folder.mkdir()
        for number in range(2 + patient % 3):
            Image.new("RGB", (16, 16), (10 * patient, 90, 9)).save(folder / f"{number}.png")
            images.append(f"p{patient}/{number}.png,{'ab'[patient % 2]}")
            groups.append(f"p{patient}/{number}.png,P{patient}")
    (tmp_path / "images.csv").write_text("\n".join(images))
    (tmp_path / "patients.csv").write_text("\n".join(groups))
    description = described(
        table=("images.csv",), images=(), groups_table=("patients.csv",), group_column="patient",
    )  # fmt: skip
    place = tmp_path / "source"
    facts = make_source(description, tmp_path, place, 16, NAMES)
    make_lists(place, tmp_path / "splits", "own", NAMES, facts["classes"], 3)
    for fold in range(3):
        train, test = (
            {
                name.split("/")[0]
                for name, _ in read(tmp_path / "splits" / f"own_{part}_fold{fold}.txt")
            }
            for part in ("train", "test")
        )
        assert not train & test
    (tmp_path / "patients.csv").write_text("\n".join(groups).replace("\np", "\nq"))
    with pytest.raises(UserError, match=r"patients.csv has none of .* is in another folder"):
        make_source(description, tmp_path, place, 16, NAMES)


def test_statistics_of_changed_images_are_measured_again(tmp_path: Path) -> None:
    """The same names with other pixels, as after a correction of colours in place."""
    found = []
    for value in (40, 200):
        for name in "abcd":
            folder = tmp_path / "images" / name[0]
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(3):
                pixels = np.full((16, 16, 3), value + number, dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
                os.utime(folder / f"{number}.png", (value, value))
        description = Description("own", images=(str(tmp_path / "images"),), folds=2)
        make_source(description, tmp_path, tmp_path / "source", 16, NAMES)
        found.append((tmp_path / "source" / NAMES["statistics"]).read_text().splitlines()[-1])
    assert found[0] != found[1]
