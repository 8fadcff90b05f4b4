"""The lesion of each image, from the metadata of a data source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmselfsup.datasets import build_dataset, build_datasource
from mmselfsup.datasets.data_sources.metadata import read_lesions
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.patients import source_of


def test_sources() -> None:
    ids = ["HAM_0000550", "BCN_0000123", "MSK4_0011169", ""]
    assert [source_of(lesion) for lesion in ids] == ["HAM", "BCN", "MSK", "none"]


def test_evaluation_by_source(image_folder: Path, image_list: Path, tmp_path: Path) -> None:
    rows = "".join(f"{i},{'HAM_' if i < 6 else 'BCN_'}{i // 2}\n" for i in range(11))
    (tmp_path / "meta.csv").write_text("image, lesion_id\n" + rows + "11,NA\n")
    source: dict[str, Any] = dict(
        type="ImageList",
        data_prefix=str(image_folder),
        ann_file=str(image_list),
        classes=["MEL", "NV", "BCC"],
        metadata=str(tmp_path / "meta.csv"),
    )
    assert build_datasource(source).lesions == [
        *(f"HAM_{i // 2}" for i in range(6)), *(f"BCN_{i // 2}" for i in range(6, 11)), "",
    ]  # fmt: skip
    single = dict(type="SingleViewDataset", data_source=source, pipeline=[])
    scores = np.eye(3)[np.arange(12) % 3]
    scores[:2] = 1 / 3  # two HAM images of one lesion: MEL is right, NV is not
    found = build_dataset(single).evaluate(dict(head0=scores), bootstrap=20)
    assert found["source/HAM/accuracy"] == 5 / 6
    assert found["source/BCN/accuracy"] == found["source/none/accuracy"] == 1
    assert found["interval/accuracy/low"] <= 11 / 12
    both = build_dataset([single, single]).evaluate(dict(head0=np.concatenate((scores, scores))))
    assert both["source/HAM/accuracy"] == 5 / 6
    assert both["source/HAM/num_samples"] == 12


def test_equal_names_in_folders_of_patients(tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    table.write_text("image,lesion_id\np1/1.png,A\np1/2.png,A\np2/1.png,B\n")
    assert read_lesions(str(table), ["p1/1.png", "p2/1.png", "p1/2.png"]) == ["A", "B", "A"]
    with pytest.raises(UserError, match="may be that of the image"):
        read_lesions(str(table), ["1.png"])
    with pytest.raises(UserError, match=r"none of the 2 images \(e.g. q/1.png; p1/1.png is in ano"):
        read_lesions(str(table), ["q/1.png", "q/2.png"])
    with pytest.raises(UserError, match=r"none of the 1 image \(e.g. q/7.png\)"):
        read_lesions(str(table), ["q/7.png"])
