"""The patient of each image, from the metadata of a data source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mmselfsup.datasets import build_dataloader, build_dataset, build_datasource
from mmselfsup.datasets.data_sources.metadata import read_patients
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.patients import encode_patient

HEADER = "image,age_approx,anatom_site_general,lesion_id,sex\n"
PEOPLE = [
    (
        str(5 * i) if i else "",
        ["head/neck", "", "lower extremity"][i % 3],
        ["male", "female"][i % 2],
    )
    for i in range(12)
]


def row(i: int) -> str:
    age, site, sex = PEOPLE[i]
    return f"{i},{age},{site},,{sex}\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Metadata in another order than the list, with a row for an image that isn't there."""
    path = tmp_path / "meta.csv"
    path.write_text("\ufeff" + HEADER + "".join(map(row, reversed(range(12)))) + "99,,,,\n")
    return path


@pytest.fixture
def source(image_folder: Path, image_list: Path, table: Path) -> dict[str, Any]:
    return dict(
        type="ImageList",
        data_prefix=str(image_folder),
        ann_file=str(image_list),
        patients=str(table),
    )


def single(source: dict[str, Any]) -> dict[str, Any]:
    return dict(type="SingleViewDataset", data_source=source, pipeline=[dict(type="ToTensor")])


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_table_of_a_spreadsheet(source: dict[str, Any], table: Path, delimiter: str) -> None:
    """Other delimiters, their line for Excel, and empty rows at the end."""
    wanted = build_datasource(source).patients
    text = table.read_text(encoding="utf-8-sig").replace(",", delimiter)
    table.write_text(f"sep={delimiter}\n{text}" + 2 * (4 * delimiter + "\n"))
    np.testing.assert_array_equal(build_datasource(source).patients, wanted)


def test_each_image_has_its_patient(source: dict[str, Any]) -> None:
    patients = build_datasource(source).patients
    assert patients.shape == (12, 14)
    for i, person in enumerate(PEOPLE):
        np.testing.assert_array_equal(patients[i], encode_patient(*person))


def test_batches(source: dict[str, Any]) -> None:
    dataset = build_dataset(single(source))
    loader = build_dataloader(dataset, samples_per_gpu=5, workers_per_gpu=0, shuffle=True)
    seen = []
    for batch in loader:
        assert batch["patient"].dtype == torch.float32
        for patient, idx in zip(batch["patient"], batch["idx"].tolist(), strict=True):
            np.testing.assert_array_equal(patient, encode_patient(*PEOPLE[idx]))
            seen.append(idx)
    assert sorted(seen) == list(range(12))


def test_nothing_changes_where_nobody_asked(source: dict[str, Any], table: Path) -> None:
    del source["patients"]
    source["metadata"] = str(table)  # the lesions alone
    text = table.read_text(encoding="utf-8-sig")
    table.write_text(text.replace(",,male", ",HAM_1,male"))
    dataset = build_dataset(single(source))
    assert set(dataset[0]) == {"img", "label", "idx"}
    assert dataset.data_source.patients is None
    assert not dataset.has_patients


def test_a_skipped_image_takes_its_patient_along(source: dict[str, Any]) -> None:
    Path(source["data_prefix"], "3.jpg").write_bytes(b"broken")
    sample = build_dataset(single({**source, "on_error": "skip"}))[3]
    np.testing.assert_array_equal(sample["patient"], encode_patient(*PEOPLE[4]))
    assert sample["label"] == 4 % 3


def test_joined_data_sets(source: dict[str, Any]) -> None:
    without = {key: value for key, value in source.items() if key != "patients"}
    repeated = dict(type="RepeatDataset", dataset=single(source), times=2)
    joined = build_dataset([repeated, single(source)])
    np.testing.assert_array_equal(joined[25]["patient"], encode_patient(*PEOPLE[1]))
    assert joined.has_patients
    assert not build_dataset([single(without)] * 2).has_patients
    for pair in ([repeated, single(without)], [single(without), single(source)]):
        with pytest.raises(UserError, match="some of the joined data sets have patients"):
            build_dataset(pair)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + row(0), r"meta\.csv has no row for the image 1\.jpg \(11 of 12 images lack one"),
        (HEADER + row(0) + row(0), r"2 rows may be that of the image 0\.jpg.*\(line 2, line 3\)"),
        (
            HEADER.replace("sex", "sex,sex") + "0,5,,,male,female\n",
            r"meta\.csv: 2 columns are called sex: rename one",
        ),
        ("image,age\n1,5\n", r"lacks the column\(s\) age_approx, anatom_site_general, sex; it has"),
        (HEADER + "0,5_5,,,\n", r"meta\.csv, line 2 \(0\): age '5_5' must be years"),
        (HEADER + "0,x,,,\n", r"meta\.csv, line 2 \(0\): age 'x' must be years"),
        (HEADER + "\n0,5,nose,,\n", r"line 3 \(0\): site 'nose' must be one of anterior torso"),
        (HEADER + "0,5,,,m\n", r"line 2 \(0\): sex 'm' must be one of female, male"),
        (HEADER + "0,5,head\n", "line 2: 3 cells, the header has 5"),
        (HEADER + "0,5,head,neck,,\n", "line 2: 6 cells, the header has 5"),
    ],
)
def test_mistakes(source: dict[str, Any], table: Path, text: str, message: str) -> None:
    have = {line.partition(",")[0] for line in text.splitlines()}
    rest = (
        ""
        if "lack" in message or "called" in message
        else "".join(row(i) for i in range(12) if str(i) not in have)
    )
    table.write_text(text + rest)
    with pytest.raises(UserError, match=message):
        build_datasource(source)


def test_images_of_equal_names_in_two_folders(table: Path) -> None:
    """Each has its own patient, or none: never that of the other folder."""
    names = ["p1/1.jpg", "p2/1.jpg"]
    table.write_text(HEADER + "p1/1,30,,,male\np2/1,60,,,female\n")
    found = read_patients(str(table), names)
    np.testing.assert_array_equal(found[1], encode_patient("60", None, "female"))
    table.write_text(HEADER + "p1/1,30,,,male\n")
    with pytest.raises(UserError, match=r"no row for the image p2/1\.jpg \(1 of 2 images"):
        read_patients(str(table), names)


def test_no_such_file(source: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"gone\.csv: no such CSV file of metadata"):
        build_datasource({**source, "patients": "gone.csv"})


def test_a_folder_without_a_list(source: dict[str, Any]) -> None:
    del source["ann_file"]
    Image.new("RGB", (4, 4)).save(Path(source["data_prefix"]) / "99.png")
    found = build_datasource(source)
    place = found.image_names().index("99.png")
    np.testing.assert_array_equal(found.patients[place], encode_patient())
