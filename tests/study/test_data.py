"""Lists of the study's own or of the user's, the official CSVs, and what results.json says."""

import dataclasses
import itertools
from pathlib import Path

import pytest

from mmselfsup.isic.challenge import GROUND_TRUTH, METADATA
from mmselfsup.study import pipeline
from mmselfsup.study.data import PARTS, check_class_order, data_facts, metadata_csv
from mmselfsup.study.records import read_results
from mmselfsup.study.resolved import ResolvedStudy
from mmselfsup.study.settings import StudySettings
from mmselfsup.study.stages import test
from mmselfsup.study.stages.lr_search import search_stage
from mmselfsup.study.stages.prepare import splits_stage
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import sha256
from tests.study.fake_tools import calls

pytestmark = pytest.mark.usefixtures("no_drawing")


def test_ready_lists_are_used_and_reported(study: StudySettings) -> None:
    ready = Path("my lists")
    ready.mkdir()
    for part in PARTS:
        (ready / f"ISIC_2019_{part}_fold0.txt").write_text("ISIC_1.jpg 0\nISIC_2.jpg 1\n")
    study = dataclasses.replace(study, ready_splits=ready, lrs=(0.1,), gpus=0)
    pipeline.run_study(study)
    assert not any(call.startswith("splits") for call in calls(study.root))
    results = read_results(study.work_dir / "results.json")
    assert (results.study.gpus, results.study.lrs) == (1, (0.1,))
    data = results.study.data
    assert data is not None
    assert data.images == str((study.root / "isic" / "images").resolve())
    assert data.sha256["test"] == sha256(study.split("test"))
    assert results.split["train"]["NV"] == 1
    assert all(run.config_sha256 for run in results.runs)
    assert all(ssl.config_sha256 for ssl in results.ssl)

    other = dataclasses.replace(study, fold=1)  # one hash for all folds
    for part in PARTS:
        other.split(part).write_text("ISIC_1.jpg 0\n")
    facts = [data_facts(each, Path("isic/images")) for each in (study, other)]
    assert facts[0].lists == facts[1].lists != data.lists
    assert facts[0].sha256 == data.sha256 != facts[1].sha256


def test_the_classifier_numbers_classes_as_the_lists_do(study: StudySettings) -> None:
    study.splits_dir.mkdir(parents=True)
    (study.splits_dir / "splits.json").write_text('{"classes": ["MEL", "NV", "BCC"]}')
    for fine in (None, ["MEL", "NV"], ["MEL", "NV", "BCC", "UNK"], ["melanoma", "nevus", "BCC"]):
        check_class_order(study, fine)
    with pytest.raises(UserError, match=r"names class 0 NV, and the lists of .* MEL: name the"):
        check_class_order(study, ["NV", "MEL", "BCC"])
    (study.splits_dir / "splits.json").unlink()
    check_class_order(study, ["NV", "MEL", "BCC"])


def test_another_order_of_classes_ends_the_study_before_a_training(study: StudySettings) -> None:
    option = "data.test.data_source.classes=[NV,MEL,BCC,AK,BKL,DF,VASC,SCC]"
    with pytest.raises(UserError, match="names class 0 NV"):
        pipeline.run_study(dataclasses.replace(study, finetune_options=(option,)))
    assert not [call for call in calls(study.root) if call.startswith("train")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ISIC_1.jpg 8", r"test_fold0.txt, line 2: 'ISIC_1.jpg' must have one label, a .*0 to 7"),
        ("ISIC_1.jpg", r"test_fold0.txt, line 2: 'ISIC_1.jpg' must have one label"),
        ("gone.jpg 1", r"test_fold0.txt, line 2: gone.jpg is not in .* \(1 of 2 images"),
    ],
)
def test_ready_lists_are_read_before_anything_is_trained(
    study: StudySettings, line: str, message: str
) -> None:
    ready = Path("lists")
    ready.mkdir()
    for part in PARTS:
        last = line if part == "test" else "ISIC_1.jpg 1"
        (ready / f"ISIC_2019_{part}_fold0.txt").write_text(f"ISIC_1.jpg 0\n{last}\n")
    with pytest.raises(UserError, match=message):
        pipeline.run_study(dataclasses.replace(study, ready_splits=ready))
    assert not calls(study.root)


def test_lists_depend_on_both_csvs_and_the_options(study: StudySettings) -> None:
    images = study.data_root / "images"
    stamps = [splits_stage(study, images).stamp()]
    for name in (GROUND_TRUTH, METADATA):
        (study.data_root / name).write_text("image\n")
        stamps.append(splits_stage(study, images).stamp())
    study = dataclasses.replace(study, splits=("--group-duplicates",))
    stamps.append(splits_stage(study, images).stamp())
    assert all(one != other for one, other in itertools.pairwise(stamps))
    argv = splits_stage(study, images).argv
    assert argv[argv.index("--metadata") + 1] == str(study.data_root / METADATA)
    assert argv[-1] == "--group-duplicates"

    given = study.data_root / "own.csv"
    given.write_text("image\n")
    for options in (("--metadata", str(given)), (f"--metadata={given}",)):
        assert metadata_csv(dataclasses.replace(study, splits=options)) == given


def test_validation_and_test_know_the_lesions(study: StudySettings) -> None:
    resolved = ResolvedStudy(study, study.data_root / "images")
    assert not any("metadata" in word for word in test.test_stage(resolved, "scratch").argv)
    (study.data_root / METADATA).write_text("image,lesion_id\n")
    resolved = ResolvedStudy(study, resolved.images)  # it looks for the file once
    path = f"isic/{METADATA}"
    assert f"data.test.data_source.metadata={path}" in test.test_stage(resolved, "scratch").argv
    assert f"data.val.data_source.metadata={path}" in search_stage(resolved, "scratch", 0.1).argv
    options = ("data.test.data_source.metadata=own.csv",)
    resolved = ResolvedStudy(dataclasses.replace(study, finetune_options=options), resolved.images)
    assert f"data.test.data_source.metadata={path}" not in test.test_stage(resolved, "scratch").argv
