"""Lists of any layout: named columns, several folders, several labels, a fold of one list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmselfsup.datasets.data_sources import ImageList, ImageNet
from mmselfsup.datasets.data_sources.columns import Columns
from mmselfsup.datasets.data_sources.lists import read_listed, read_table
from mmselfsup.datasets.data_sources.split import class_numbers, rows_of_part
from mmselfsup.utils.errors import ArgumentError, UserError


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def picture(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (value, 0, 0)).save(path)


def test_named_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Patient;Photo;Finding\np1;a.jpg;mole\n;b.jpg;burn\n")
    listed = read_table(path, columns=Columns("Photo", "Finding", "Patient"))
    assert [(e.name, e.label) for e in listed.entries] == [("a.jpg", 1), ("b.jpg", 0)]
    assert listed.classes == ["burn", "mole"]
    assert listed.groups == ["p1", ""]


@pytest.mark.parametrize(
    ("header", "row", "found"),
    [
        ("lesion_id,image_id,dx,dx_type,age", "HAM_1,ISIC_1,nv,histo,80", ("ISIC_1", "HAM_1")),
        (
            "image_name,patient_id,sex,diagnosis,benign_malignant,target",
            "ISIC_2,IP_7,male,nevus,benign,0",
            ("ISIC_2", "IP_7"),
        ),
    ],
)
def test_published_tables_are_known(tmp_path: Path, header: str, row: str, found: tuple) -> None:
    listed = read_table(write(tmp_path / "a.csv", f"{header}\n{row}\n"))
    assert (listed.entries[0].name, listed.groups) == (found[0], [found[1]])
    assert listed.classes in (["nv"], ["benign"])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (Columns(image="Foto"), "image_column='Foto' is none of its columns.*did you mean Photo"),
        (Columns("Photo", label="dx"), "label_column='dx'"),
        (Columns("Photo", group="p"), "group_column='p'"),
        (Columns(), "none of the columns Photo, Label, Patient names the image"),
    ],
)
def test_a_column_that_is_not_there(tmp_path: Path, columns: Columns, message: str) -> None:
    path = write(tmp_path / "a.csv", "Photo,Label,Patient\na,1,2\n")
    with pytest.raises(UserError, match=message):
        read_table(path, columns=columns)


def test_columns_of_a_text_list_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no CSV file with a header"):
        read_listed(write(tmp_path / "a.txt", "a.jpg 1\n"), columns=Columns(group="x"))


def test_a_word_among_numbers_is_an_error_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "image,label\na,1\nb,two\n")
    with pytest.raises(UserError, match=r"a\.csv, line 3: label 'two' must be a number"):
        read_table(path)


def test_an_unknown_word_comes_with_the_likely_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "image,label\na,mole\nb,bnrn\n")
    with pytest.raises(UserError, match=r"line 3: label 'bnrn' must be one of .*mean burn\?"):
        read_table(path, ["mole", "burn"])


def test_several_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "image,x,y,age\na,1,1,30\nb,0,,31\n")
    listed = read_table(path, columns=Columns(label=["x", "y"]), several=True)
    assert [e.label for e in listed.entries] == [[1, 1], [0, 0]]
    assert listed.classes == ["x", "y"]
    swapped = read_table(path, ["y", "x"], Columns(label=["x", "y"]), several=True)
    assert [e.label for e in swapped.entries] == [[1, 1], [0, 0]]
    words = write(tmp_path / "b.csv", "image,label\na,cyst|mass\nb,\nc,mass\n")
    listed = read_table(words, several="|")
    assert [e.label for e in listed.entries] == [[1, 1], [0, 0], [0, 1]]
    bad = write(tmp_path / "c.csv", "image,x,y\na,1,2\n")
    with pytest.raises(UserError, match="line 2: a column of a class holds 0 or 1, got '2'"):
        read_table(bad, columns=Columns(label=["x", "y"]), several=True)
    with pytest.raises(UserError, match=r"line 2: exactly one class must be 1.*multi_label"):
        read_table(path, columns=Columns(label=["x", "y"]))


def test_two_folders(tmp_path: Path) -> None:
    picture(tmp_path / "one" / "a.png", 10)
    picture(tmp_path / "two" / "sub" / "b.png", 20)
    folders = [str(tmp_path / "one"), str(tmp_path / "two")]
    listed = write(tmp_path / "l.txt", "sub/b 1\na.png 0\n")  # with and without extension
    source = ImageList(folders, ann_file=listed)
    assert [np.asarray(source.get_img(i))[0, 0, 0] for i in (0, 1)] == [20, 10]
    assert source.image_names() == ["two/sub/b.png", "one/a.png"]  # unique below one folder
    assert ImageList(folders).image_names() == ["one/a.png", "two/sub/b.png"]
    picture(tmp_path / "two" / "a.png", 30)
    with pytest.raises(UserError, match=r"line 2: 'a.png' is in more than one place"):
        ImageList(folders, ann_file=listed)
    with pytest.raises(UserError, match=r"line 1: 'c.png' is in none of the 2 folders"):
        ImageList(folders, ann_file=write(tmp_path / "m.txt", "c.png 0\n"))


def infos(labels: list[int], groups: list[str]) -> list[dict]:
    pairs = enumerate(zip(labels, groups, strict=True))
    return [
        {"gt_label": label, "group": group, "img_info": {"filename": f"{i}.png"}}
        for i, (label, group) in pairs
    ]


def test_the_parts_of_a_list() -> None:
    rng = np.random.default_rng(0)
    groups = [f"g{n}" for n in rng.integers(0, 40, 200)]
    labels = rng.choice(3, 200, p=[0.7, 0.2, 0.1]).tolist()
    rows = infos(labels, groups)
    seen = []
    for fold in range(4):
        val = rows_of_part(rows, "val", folds=4, fold=fold)
        train = rows_of_part(rows, "train", folds=4, fold=fold)
        assert sorted(val + train) == list(range(200))
        assert not {groups[i] for i in val} & {groups[i] for i in train}
        assert {labels[i] for i in val} == {0, 1, 2}  # stratified
        seen += val
    assert sorted(seen) == list(range(200))
    order = rng.permutation(200).tolist()  # the order of the list has no effect
    moved = rows_of_part([rows[i] for i in order], "val", folds=4)
    assert sorted(order[i] for i in moved) == rows_of_part(rows, "val", folds=4)


def test_lesions_of_one_image_leave_the_folds_as_they_are() -> None:
    rows = infos([i % 2 for i in range(60)], [""] * 60)
    lesions = [f"L{i}" if i % 3 else "" for i in range(60)]
    plain = rows_of_part(rows, "val", folds=4)
    assert rows_of_part(rows, "val", folds=4, lesions=lesions) == plain
    lesions[1] = lesions[2] = lesions[4] = "L1"
    together = rows_of_part(rows, "val", folds=4, lesions=lesions)
    assert len({1, 2, 4} & set(together)) in (0, 3)
    grouped = [{**row, "group": "L5" if i in (7, 8) else ""} for i, row in enumerate(rows)]
    together = rows_of_part(grouped, "val", folds=4, lesions=lesions)  # L5 is a lesion, too
    assert len({5, 7, 8} & set(together)) in (0, 3)


def test_parts_that_can_not_be() -> None:
    rows = infos([0, 1], ["", ""])
    with pytest.raises(ArgumentError, match=r"split\.part must be one of train, val"):
        rows_of_part(rows, "test")
    with pytest.raises(ArgumentError, match=r"split\.fold must be 0 to 4"):
        rows_of_part(rows, "val", fold=5)
    with pytest.raises(UserError, match=r"can't split 2 images: .*\(own_data\.folds\)"):
        rows_of_part(rows, "val")


def test_several_labels_are_dealt_by_their_rarest() -> None:
    assert class_numbers([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 0, 1]]) == [1, 0, 3, 2]
    assert class_numbers([2, -1]) == [2, -1]


def test_a_fold_of_class_folders(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for i in range(4):
            picture(tmp_path / name / f"{i}.png")
    parts = [ImageNet(str(tmp_path), split=dict(part=part, folds=2)) for part in ("train", "val")]
    assert [len(part) for part in parts] == [4, 4]
    assert sorted(parts[0].image_names() + parts[1].image_names()) == sorted(
        f"{name}/{i}.png" for name in "ab" for i in range(4)
    )
    assert [name for name, _ in parts[1].samples] == parts[1].image_names()
    assert parts[0].get_gt_labels().tolist() == [0, 0, 1, 1]


def test_the_group_is_the_lesion_of_intervals(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    listed = write(tmp_path / "l.csv", "image,label,who\na.png,0,p1\n")
    assert ImageList(str(tmp_path), ann_file=listed, group_column="who").lesions == ["p1"]
    assert ImageList(str(tmp_path), ann_file=listed).lesions is None


def test_a_split_does_not_divide_the_lesions_of_metadata(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(40)]
    rows = "".join(f"{name},{i % 2},p{i // 8}\n" for i, name in enumerate(names))
    listed = write(tmp_path / "l.csv", f"image,label,who\n{rows}")
    cells = "".join(f"{i},{'' if i > 35 else f'L{i // 4}'}\n" for i in range(40))
    metadata = write(tmp_path / "m.csv", f"image,lesion_id\n{cells}")

    def parts(**kwargs: Any) -> list[ImageList]:
        options = dict(ann_file=listed, metadata=metadata, **kwargs)
        split = [dict(part=part, folds=4) for part in ("train", "val")]
        return [ImageList(str(tmp_path), split=one, **options) for one in split]

    train, val = parts()
    assert sorted([*train.image_names(), *val.image_names()]) == sorted(names)
    assert not (set(train.lesions) & set(val.lesions)) - {""}
    for part in (train, val):  # lesions stand beside their own images
        numbers = [int(name.removesuffix(".png")) for name in part.image_names()]
        assert part.lesions == [f"L{i // 4}" if i < 36 else "" for i in numbers]
    train, val = parts(group_column="who")  # of groups that were named, lesions are parts
    people = [
        {int(name.removesuffix(".png")) // 8 for name in p.image_names()} for p in (train, val)
    ]
    assert not people[0] & people[1]
