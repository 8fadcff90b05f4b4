"""Descriptions of data sets: files, command-line values, what the study makes of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmselfsup.study.descriptions import (
    Description,
    find_description,
    find_images,
    find_table,
    make_description,
    read_description,
    study_data,
    training_options,
)
from mmselfsup.study.report.words import words, words_of, write_words
from mmselfsup.study.settings import StudyRequest, StudySettings
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.study_data import Words

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "configs" / "study_data").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_descriptions(path: Path) -> None:
    description, _ = find_description(path.stem, ROOT)
    assert description == read_description(path)
    data = study_data(description, ["a", "b"])
    for tool in (data.split_command, data.compare_command, data.explain_command or ("",)):
        assert (ROOT / tool[0]).exists()
    assert (ROOT / data.guide).is_file()
    assert data.list_name("train", 0).endswith("_train_fold0.txt")


def test_there_are_the_promised_ones() -> None:
    assert {"ham10000", "isic2018", "isic2019", "isic2020", "dermamnist"} <= {
        path.stem for path in SHIPPED
    }


def test_a_table_a_folder_and_a_file(tmp_path: Path) -> None:
    table = tmp_path / "My moles.csv"
    table.write_text("image,label\n")
    description, folder = find_description(str(table), ROOT)
    assert (description.name, description.folder) == ("My moles", "my-moles")
    assert (description.table, folder) == ((str(table),), tmp_path)
    assert find_description(str(tmp_path), ROOT)[0].images == (str(tmp_path),)
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"name": "Own", "table": "a.csv", "folds": 3}))
    assert find_description(str(own), ROOT)[0] == Description("Own", table=("a.csv",), folds=3)
    with pytest.raises(UserError, match=r"no such table, folder or description.*ham10000"):
        find_description("nothing.csv", ROOT)
    sheet = tmp_path / "moles.xlsx"
    sheet.touch()
    with pytest.raises(UserError, match=r"moles.xlsx: a table ends with one of .csv.*'CSV UTF-8'"):
        find_description(str(sheet), ROOT)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"tabel": "a"}, "unknown key 'tabel'; there are name, table"),
        ({"group": ["patient"]}, "group has two words"),
        ({"mask": "eye"}, "mask is 'lesion' or left out, not 'eye'"),
        ({"folds": 1}, "folds must be a whole number from 2"),
    ],
)
def test_errors(content: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_description({"name": "x", **content}, "here")


@pytest.mark.parametrize("text", ["[1, 2", "- a", "table: a.csv"])
def test_a_file_that_is_no_description(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"a\.yaml: "):
        read_description(path)


def test_a_source_folder(tmp_path: Path) -> None:
    facts = {"images": "/photos", "examples": ["a.jpg"], "classes": ["x", "y z"], "weights": [1, 1]}
    (tmp_path / "source.json").write_text(json.dumps({**facts, "value_range": [0, 4095]}))
    assert find_images(tmp_path) == (Path("/photos"), {"a.jpg": "a.jpg"})
    with pytest.raises(UserError, match=r"labels\.csv is not in"):
        find_table(tmp_path, "labels.csv", "--labels")
    options = training_options(tmp_path)
    assert options["options"] == [
        "img_norm_cfg=auto", f"own_data.statistics={tmp_path}/statistics.txt"
    ]  # fmt: skip
    assert "model.head.num_classes=2" in options["finetune_options"]
    assert "data.test.data_source.classes=['x','y z']" in options["finetune_options"]
    assert options["ssl_options"] == ["data.train.data_source.value_range=[0,4095]"]


def test_the_options_of_the_user_come_last(tmp_path: Path) -> None:
    facts = {"images": "/photos", "examples": [], "classes": ["x", "y"], "weights": [1, 1]}
    (tmp_path / "source.json").write_text(json.dumps(facts))
    given = ("img_norm_cfg=None", "runner.max_epochs=1")
    study = StudySettings(tmp_path, tmp_path, tmp_path, {}, Path("c.py"), options=given)
    request = StudyRequest(tmp_path, (study,), several=False)
    made = request.with_options(training_options(tmp_path)).studies[0]
    assert made.options[0] == "img_norm_cfg=auto"
    assert made.options[-2:] == given
    assert "model.head.num_classes=2" in made.finetune_options


def test_words_of_a_report(tmp_path: Path) -> None:
    own = Words("Clinic", "patient", "patients", "9 of 10 listed images were there")
    write_words(tmp_path, own)
    assert words().group == "lesion"
    for folder in (tmp_path, tmp_path / "fold0_seed0"):
        with words_of(folder):
            assert words() == own
    with words_of(tmp_path / "a" / "b"):
        assert words() == Words("ISIC-2019")
    (tmp_path / "data_words.json").write_text("{")
    with pytest.raises(UserError, match="data_words"), words_of(tmp_path):
        pass
