"""A whole study on a user's own images, with tools that write at once what real ones train."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmselfsup.apis.study_data.study_source import make_source
from mmselfsup.study import descriptions, pipeline
from mmselfsup.study.find_configs import find_finetune_config, find_ssl_config
from mmselfsup.study.report.words import write_words
from mmselfsup.study.settings import StudyRequest, StudySettings
from mmselfsup.utils.study_data import Words
from tests.study.fake_tools import calls

ROOT = Path(__file__).parents[2]
CLASSES = [f"kind {k}" for k in range(8)]
TOOLS = ("train", "test")
PREPARE = """
import runpy, sys
sys.argv[0] = {tool!r}
runpy.run_path({tool!r}, run_name="__main__")
"""


def clinic(root: Path) -> descriptions.Description:
    """48 images of 24 patients in two folders, one of them not on disk."""
    rng = np.random.default_rng(0)
    rows = [("Photo", "Finding", "Patient")]
    for i in range(48):
        rows.append((f"p{i}.png", CLASSES[i // 2 % 8], f"P{i // 2}"))
        if i:
            (root / f"part{i % 2}").mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / f"part{i % 2}" / f"p{i}.png")
    with (root / "my.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return descriptions.Description(
        "Clinic", table=("my.csv",), images=("part0", "part1"), image_column="Photo",
        label_column="Finding", group_column="Patient", group=("patient", "patients"),
    )  # fmt: skip


def own_study(study: StudySettings, root: Path) -> StudySettings:
    description, place = clinic(root / "photos"), root / "work_dirs" / "clinic" / "source"
    facts = make_source(description, root / "photos", place, 64, descriptions.NAMES)
    data = descriptions.study_data(description, facts["classes"])
    tool = root / "tools" / "prepare_study.py"
    tool.write_text(PREPARE.format(tool=str(ROOT / "tools" / "prepare_study.py")))
    study = replace(
        study,
        data=data,
        data_root=place,
        ssl_configs={"simclr": find_ssl_config(ROOT / "configs", "simclr", "64", data)},
        finetune_config=find_finetune_config(ROOT / "configs", "64", data),
        lrs=(0.1,),
    )
    write_words(study.work_dir, Words(description.name, *data.group, facts["prepared"]))
    request = StudyRequest(study.work_dir, (study,), several=False)
    return request.with_options(descriptions.training_options(place.relative_to(root))).studies[0]


def test_a_study_on_own_images(study: StudySettings, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    settings = own_study(study, tmp_path)
    results = pipeline.run_study(settings)
    assert not [call for call in calls(tmp_path) if call.startswith("explain")]
    assert list(results.split["test"]) == CLASSES
    assert sum(results.split["train"].values()) + sum(results.split["test"].values()) == 47
    assert {run.arm for run in results.runs} == {"scratch", "simclr"}
    trainings = [command for command in results.commands if "tools/train.py" in command]
    assert trainings
    for command in trainings:
        assert "img_norm_cfg=auto" in command
        assert "own_data.statistics=work_dirs/clinic/source/statistics.txt" in command
        assert f"data_prefix={tmp_path}/photos" in command
        assert ("model.head.num_classes=8" in command) == ("finetune" in command)
    page = (settings.work_dir / "report.html").read_text()
    text = re.sub(r"<(style|svg|pre)\b.*?</\1>", "", page, flags=re.DOTALL)
    assert "47 of 48 listed images were there; normalised by their own mean" in text
    assert "Clinic" in text
    assert "patients" in text
    assert not re.search(r"lesion|ISIC|skin", re.sub(r"configs/\S+|isic2019\S*", "", text))


@pytest.mark.usefixtures("no_drawing")
def test_it_is_up_to_date_when_called_again(
    study: StudySettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    settings = own_study(study, tmp_path)
    pipeline.run_study(settings)
    calls(tmp_path)
    pipeline.run_study(settings)
    assert calls(tmp_path) == []
    assert "splits: up to date" in capsys.readouterr().out


def test_weights_of_classes_are_those_of_the_training_images(
    study: StudySettings, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    settings = own_study(study, tmp_path)
    assert "weights" not in descriptions.read_facts(settings.data_root)
    results = pipeline.run_study(settings)
    of = {kind: [c for c in results.commands if f"tools/{kind}.py" in c] for kind in TOOLS}
    finetuned = [command for command in of["train"] if "--work_dir work/finetune" in command]
    assert len(finetuned) == 2
    assert all("model.head.class_weight=auto" in command for command in finetuned)
    assert not any("class_weight" in command for command in of["train"] if command not in finetuned)
    # What is not trained has no training images to count.
    assert of["test"]
    assert all("model.head.class_weight=None" in command for command in of["test"])
