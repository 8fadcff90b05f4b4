"""A test set of another clinic: what counts, what is left out, what is wrong with it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmselfsup.apis.study_data.described_table import joined_table
from mmselfsup.apis.study_data.external_set import check_external, make_external
from mmselfsup.isic.duplicates import nearest_known
from mmselfsup.study.descriptions import Description, make_description
from mmselfsup.study.external import read_prepared
from mmselfsup.utils.errors import UserError

MODEL = ["MEL", "NV", "BCC", "AK", "SCC"]
ROWS = [
    ("a", "mel", "p1", "71", "male"),
    ("b", "akiec", "p1", "71", "male"),
    ("c", "nv", "p2", "30", "female"),
    ("d", "wart", "p3", "", "female"),
    ("e", "nv", "p4", "50", "female"),
    ("gone", "nv", "p5", "50", "female"),
]


def picture(path: Path, seed: int, size: int = 96) -> None:
    """Write an image of random blocks, which a hash tells from others at any size."""
    blocks = np.random.default_rng(seed).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(blocks).resize((size, size), Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    """A set of five images, the study's three, and one that both have."""
    for number, name in enumerate("abcde"):
        picture(tmp_path / "set" / "photos" / f"{name}.png", number)
    for number in (20, 21, 4):
        picture(tmp_path / "own" / f"{number}.png", number, size=192)
    (tmp_path / "own.txt").write_text("20.png 0\n21.png 1\n4.png 1\n")
    lines = ["photo,finding,patient,years,gender", *(",".join(row) for row in ROWS)]
    (tmp_path / "set" / "table.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def described(**changes: object) -> Description:
    content = {
        "name": "clinic",
        "table": "table.csv",
        "images": "photos",
        "image_column": "photo",
        "label_column": "finding",
        "group_column": "patient",
        "group": ["patient", "patients"],
        "map": {"mel": "MEL", "akiec": "AK or SCC", "nv": "NV", "wart": None, "bcc": "BCC"},
        "subgroups": {"age": "years", "sex": "gender"},
    }
    return make_description({**content, **changes}, "here")


def test_a_prepared_set(clinic: Path) -> None:
    out = clinic / "out" / "clinic"
    facts = make_external(
        described(), clinic / "set", out, MODEL, [clinic / "own.txt"], clinic / "own"
    )
    assert facts == json.loads((out / "external.json").read_text())
    assert (facts["listed"], facts["not_on_disk"]) == (6, 1)
    assert facts["near_duplicates"] == 1  # e is the study's 4, at half the size
    assert (out / "duplicates.csv").read_text().splitlines()[1].startswith("e.png,4.png,")
    assert facts["left_out"] == {"wart": 1}
    assert facts["classes"] == ["mel", "akiec", "nv"]
    assert facts["members"] == [["MEL"], ["AK", "SCC"], ["NV"]]
    assert facts["absent"] == ["BCC"]  # the map has it, the set has no image of it
    assert (out / "images.txt").read_text() == "a.png\nb.png\nc.png\n"
    prepared = read_prepared(out)
    assert prepared.labels == [0, 1, 2]
    assert prepared.groups == ["p1", "p1", "p2"]
    assert prepared.subgroups == {"age": ["71", "71", "30"], "sex": ["male", "male", "female"]}
    assert prepared.class_map.names_of(1) == ("AK", "SCC")
    kept = out.parent / "known_hashes.npz"
    time = kept.stat().st_mtime_ns
    make_external(described(), clinic / "set", out, MODEL, [clinic / "own.txt"], clinic / "own")
    assert kept.stat().st_mtime_ns == time  # the study's images are hashed once


def test_a_folder_for_each_class_and_a_list_of_numbers(clinic: Path) -> None:
    for number, name in enumerate(("MEL/a", "MEL/b", "NV/c")):
        picture(clinic / "folders" / f"{name}.png", number)
    folders = Description("folders", images=(str(clinic / "folders"),))
    known = ([clinic / "own.txt"], clinic / "own")
    facts = make_external(folders, clinic, clinic / "out" / "f", MODEL, *known)
    assert dict(zip(facts["classes"], facts["counts"], strict=True)) == {"MEL": 2, "NV": 1}
    (clinic / "list.txt").write_text("MEL/a.png 0\nNV/c.png 2\n")
    listed = Description("list", table=("list.txt",), images=("folders",))
    facts = make_external(listed, clinic, clinic / "out" / "l", MODEL, *known)
    assert facts["classes"] == ["BCC", "MEL"]


def test_two_tables_that_are_joined(clinic: Path) -> None:
    (clinic / "set" / "photos" / "p1").mkdir()
    for name in "ab":
        (clinic / "set" / "photos" / f"{name}.png").rename(
            clinic / "set" / "photos" / "p1" / f"{name}.png"
        )
    (clinic / "set" / "images.csv").write_text(
        "lesion_id,id,kind\np1,a,skin\np2,b,skin\np1,x,photo\n"
    )
    (clinic / "set" / "labels.csv").write_text("lesion_id,MEL,NV,OTHER\np1,1,0,0\np2,0,1,0\n")
    content = {
        "table": "images.csv",
        "labels_table": "labels.csv",
        "only": {"kind": "skin"},
        "file": "p1/{id:>1}.png",
        "image_column": None,
        "label_column": ["MEL", "NV", "OTHER"],
        "classes": ["MEL", "NV", "OTHER"],
        "group_column": "lesion_id",
        "map": {"MEL": "MEL", "NV": "NV", "OTHER": None},
        "subgroups": {"kind": "kind"},
    }
    out = clinic / "out" / "joined"
    facts = make_external(
        described(**content), clinic / "set", out, MODEL, [clinic / "own.txt"], clinic / "own"
    )
    assert facts["counts"] == [1, 1]
    prepared = read_prepared(out)
    assert prepared.images == ["p1/a.png", "p1/b.png"]
    assert prepared.groups == ["p1", "p2"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"table": "none.csv"}, "table: there is no file .*none.csv"),
        ({"image_column": "foto"}, "image_column='foto' is none of its columns"),
        ({"label_column": "disease"}, "label_column='disease' is none of its columns"),
        ({"group_column": "person"}, "group_column='person' is none of its columns"),
        ({"subgroups": {"age": "born"}}, "clinic: subgroups: no column 'born' .*table.csv has ph"),
        ({"images": "nowhere", "table": None}, "none of the folders .*nowhere is there"),
        ({"images": "empty"}, "none of its 6 images is in"),
        (
            {"map": {"mel": "MEL", "nv": "NV"}},
            r"^external set clinic: its map has no entry for a label of its images \(/.*table.csv, "
            r"line 3: label 'akiec' must be one of mel, nv\): add a line 'label: class', or",
        ),
        (
            {"map": {"mel": "MEL", "nv": "NV"}, "classes": ["mel", "nv"]},
            "^/.*line 3: label 'akiec' must be one of mel, nv$",
        ),
        (
            {"map": {"mel": "MEL", "akiec": "AKIEC", "nv": "NV", "wart": None}},
            "names the class 'AK",
        ),
        ({"map": {}}, "external set clinic: the class 'akiec' has no entry in its map"),
        ({"only": {"kind": "x"}}, "only: there is no column 'kind'; there are photo"),
        ({"only": {"gender": "none"}}, "no row has 'none' in its column gender"),
        ({"file": "{foto}.png"}, "has a column that is not there"),
        ({"file": "{photo.name}.png"}, r"has a column that is not there \(photo.name\)"),
        ({"file": "{photo:03d}.png"}, "Unknown format code 'd' .*; cells are text"),
        ({"file": "{photo.png"}, "give columns in braces"),
        ({"labels_table": "none.csv"}, "labels_table: there is no file"),
    ],
)
def test_what_is_wrong_is_one_line(clinic: Path, changes: dict, message: str) -> None:
    (clinic / "set" / "empty").mkdir()
    with pytest.raises(UserError, match=message) as error:
        check_external(described(**changes), clinic / "set", MODEL)
    assert "\n" not in str(error.value)


def test_a_folder_or_a_number_that_the_map_lacks(clinic: Path) -> None:
    for name in ("MEL/a", "NV/b", "wart/c"):
        picture(clinic / "folders" / f"{name}.png", 0)
    given = {"name": "folders", "images": "folders", "map": {"MEL": "MEL", "NV": "NV"}}
    with pytest.raises(UserError, match=r"^external set folders: its map .* wart are not among"):
        check_external(make_description(given, "here"), clinic, MODEL)
    (clinic / "list.txt").write_text("MEL/a.png 0\nNV/b.png 1\nwart/c.png 2\n")
    numbers = {**given, "table": "list.txt", "map": {"0": "MEL", "1": "NV"}}
    with pytest.raises(UserError, match=r"^external set folders: its map .*line 3: label 2 of"):
        check_external(make_description(numbers, "here"), clinic, MODEL)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (
            "lesion_id,image\np1,a\np2,b\n",
            "lesion_id,label\np1,MEL\np2,NV\np1,NV\n",
            "labels.csv: two rows have lesion_id 'p1', and they differ in label .MEL, NV.",
        ),
        (
            "lesion_id,image\np1,a\n,b\n",
            "lesion_id,label\np1,MEL\n,NV\n",
            "images.csv: a row has no lesion_id",
        ),
        (
            "lesion_id,lesion_id,image\np1,p2,a\n",
            "lesion_id,label\np1,MEL\n",
            "images.csv: 2 columns are called lesion_id: rename one",
        ),
        (
            "lesion_id,image,sex,sex\np1,a,f,m\n",
            "lesion_id,label\np1,MEL\n",
            "table.csv: subgroups: 2 columns are called sex: rename one",
        ),
    ],
)
def test_tables_that_say_two_things(clinic: Path, images: str, labels: str, message: str) -> None:
    (clinic / "set" / "images.csv").write_text(images)
    (clinic / "set" / "labels.csv").write_text(labels)
    content = {
        "table": "images.csv",
        "labels_table": "labels.csv",
        "image_column": "image",
        "label_column": "label",
        "group_column": None,
        "map": {"MEL": "MEL", "NV": "NV"},
        "subgroups": {"sex": "sex"},
    }
    with pytest.raises(UserError, match=message):
        check_external(described(**content), clinic / "set", MODEL)


def test_columns_that_are_not_read_may_differ_in_rows_of_a_group(tmp_path: Path) -> None:
    """As the ages at two visits of a patient; and a patient without an image counts for nothing."""
    (tmp_path / "images.csv").write_text("lesion_id,image\np1,a\np2,b\n")
    rows = "p1,a1,30,MEL\np1,a2,31,MEL\np2,b1,40,NV\np3,c1,50,MEL\np3,c2,50,NV\n"
    (tmp_path / "labels.csv").write_text("lesion_id,number,age,label\n" + rows)
    content = {
        "name": "visits",
        "table": "images.csv",
        "labels_table": "labels.csv",
        "label_column": "label",
    }
    joined_table(make_description(content, "here"), tmp_path, tmp_path)
    assert (tmp_path / "table.csv").read_text().split() == [
        "lesion_id,image,label",
        "p1,a,MEL",
        "p2,b,NV",
    ]
    for more in ({"subgroups": {"age": "age"}}, {"file": "{number}.png"}, {"label_column": None}):
        with pytest.raises(UserError, match="two rows have lesion_id 'p1', and they differ in"):
            joined_table(make_description({**content, **more}, "here"), tmp_path, tmp_path)


def test_a_set_whose_images_are_all_left_out(clinic: Path) -> None:
    """Of no image there are no hashes, which are compared nevertheless."""
    left_out = dict.fromkeys(("mel", "akiec", "nv", "wart"))
    none = described(map={**left_out, "a": "MEL", "b": "NV"})  # which the table lacks
    known = [clinic / "own.txt"], clinic / "own"
    with pytest.raises(UserError, match="0 images are left"):
        make_external(none, clinic / "set", clinic / "out" / "x", MODEL, *known)


def test_nothing_left(clinic: Path) -> None:
    (clinic / "own.txt").write_text("e.png 1\n")
    known = [clinic / "own.txt"], clinic / "set" / "photos"
    only = described(only={"finding": "nv"})
    with pytest.raises(UserError, match="1 class has images, two are needed; 1 image is left"):
        make_external(only, clinic / "set", clinic / "out" / "x", MODEL, *known)
    assert not (clinic / "out" / "x" / "external.json").exists()


def test_the_nearest_known_image() -> None:
    known = np.random.default_rng(0).random((5, 256)) < 0.5
    hashes = known[[3, 1, 2]].copy()
    hashes[0, :20] ^= True
    hashes[2, :30] ^= True
    assert nearest_known(hashes, known, 24) == {0: (3, 20), 1: (1, 0)}
    assert nearest_known(hashes, known[:0], 24) == {}
