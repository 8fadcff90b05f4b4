"""The official CSV files, and what may be wrong with them."""

import re
from pathlib import Path

import pytest

from mmselfsup.isic.challenge import read_ground_truth, read_lesion_ids
from mmselfsup.utils.errors import UserError

HEAD = "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\n"
NV = "0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0"


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def test_labels_follow_the_columns_names_not_their_order(csv: Path) -> None:
    csv.write_text(
        "SCC,image,NV,MEL,BCC,AK,BKL,DF,VASC,weight\n1,a,0,0,0,0,0,0,0,.5\n0,b,0,1,0,0,0,0,0,1\n"
    )
    assert read_ground_truth(csv).to_dict("list") == {"image": ["a", "b"], "label": [7, 0]}


def test_names_lose_extension_spaces_and_byte_order_mark(csv: Path) -> None:
    csv.write_text(HEAD + f" ISIC_1.JPG ,{NV}\n\nISIC_2_downsampled,{NV}\n", encoding="utf-8-sig")
    assert read_ground_truth(csv)["image"].to_list() == ["ISIC_1", "ISIC_2_downsampled"]


def test_names_are_those_of_lists_and_scores(csv: Path) -> None:
    """A folder and an extension of any image don't count, as in metadata, lists and scores."""
    csv.write_text(f"{HEAD}part/ISIC_1.jpg,{NV}\nISIC_2.gif,{NV}\n")
    assert read_ground_truth(csv)["image"].to_list() == ["ISIC_1", "ISIC_2"]


def test_unknown_is_label_eight(csv: Path) -> None:
    csv.write_text(HEAD + "a,0,0,0,0,0,0,0,0,1\n")
    assert read_ground_truth(csv)["label"].to_list() == [8]


def test_missing_lesion_ids_are_empty(csv: Path) -> None:
    csv.write_text("image,age_approx,lesion_id\na,5,HAM_1\nb,5,\nc,, NaN\nd,,BCN_2 \n")
    assert read_lesion_ids(csv) == {"a": "HAM_1", "b": "", "c": "", "d": "BCN_2"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"lacks the column\(s\) image, MEL, .*; it has: none$"),
        (HEAD, "has a header but no rows"),
        ("image;MEL;NV\na;0;1\n", r"lacks the column\(s\) image, MEL, .*; it has: image;MEL;NV"),
        (HEAD.replace("DF,", "") + "a,0,1,0,0,0,0,0,0\n", r"lacks the column\(s\) DF; it has"),
        (HEAD + f"a,{NV}\nb,{NV}\n\na,{NV}\n", r"image a is listed .* \(lines 2, 5\)"),
        (HEAD + f"a,{NV}\na.jpg,{NV}\n", r"image a is listed .* \(lines 2, 3\)"),
        (HEAD + f",{NV}\n", "line 2: the image name is missing"),
        (HEAD + f"a,{NV}\nb,1,1,0,0,0,0,0,0,0\n", r"line 3 \(b\): exactly one .* MEL=1 NV=1"),
        (HEAD + "a,0,0,0,0,0,0,0,0,0\n", r"line 2 \(a\): exactly one"),
        (HEAD + "a,0,.5,.5,0,0,0,0,0,0\n", r"line 2 \(a\): exactly one"),
        (HEAD + "a,0,2,-1,0,0,0,0,0,0\n", r"line 2 \(a\): exactly one"),
        (
            HEAD + "a,yes,1,0,0,0,0,0,0,0\nb,0,0,0,0,0,0,0,0,0\n",
            r"MEL=yes .*\(2 such rows in all\)",
        ),
    ],
)
def test_bad_ground_truth_says_what_and_where(csv: Path, text: str, message: str) -> None:
    csv.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read_ground_truth(csv)
    assert str(csv) in str(caught.value)


def test_metadata_need_a_lesion_column(csv: Path) -> None:
    csv.write_text("image,age_approx,anatom_site_general,sex\na,5,,\n")
    with pytest.raises(UserError, match=r"lacks the column\(s\) lesion_id; it has: image, age"):
        read_lesion_ids(csv)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "image,site,lesion_id\nISIC_1,head, neck,HAM_1\nISIC_2,back,HAM_2\n",
            r"table.csv, line 2: 4 cells, the header has 3: a cell that has a comma",
        ),
        ("image,site,lesion_id\n\nISIC_1,head\n", r"line 3: 2 cells, the header has 3: .* cut off"),
        (
            'image,lesion_id\nISIC_1,"HAM_1\nISIC_2,HAM_2\n',
            "is no CSV file: unexpected end of data",
        ),
        ("image,lesion_id,lesion_id\nISIC_1,HAM_1,HAM_2\n", "2 columns are called lesion_id"),
    ],
)
def test_rows_whose_cells_are_in_other_columns(csv: Path, text: str, message: str) -> None:
    """Else images would be taken for others of one lesion, or for lesions of their own."""
    csv.write_text(text)
    with pytest.raises(UserError, match=message):
        read_lesion_ids(csv)


def test_empty_cells_at_the_end_of_a_row(csv: Path) -> None:
    csv.write_text("image,lesion_id\nISIC_1,HAM_1,,\n,,,\n")
    assert read_lesion_ids(csv) == {"ISIC_1": "HAM_1"}


def test_files_that_are_no_text(csv: Path) -> None:
    csv.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF" * 20)
    with pytest.raises(UserError, match=re.escape(f"{csv} is no CSV file")):
        read_ground_truth(csv)
    with pytest.raises(UserError, match="No such file or directory; check the path"):
        read_ground_truth(csv.with_name("absent.csv"))
    with pytest.raises(UserError, match=r"can't read .*directory"):
        read_lesion_ids(csv.parent)
