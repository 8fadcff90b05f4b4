"""Which arms have read labels: files of weights, and records of older versions."""

import dataclasses
import json
from pathlib import Path

import pytest

from mmselfsup.isic.challenge import METADATA
from mmselfsup.metrics.subgroups import Measured
from mmselfsup.study import pipeline
from mmselfsup.study.external_records import OWN, ExternalRecord, ExternalSet
from mmselfsup.study.label_reading import LABELLED, recorded_labels, weights_read_labels
from mmselfsup.study.records import read_results
from mmselfsup.study.report.external_tables import external_note, external_rows
from mmselfsup.study.report.statistics import find_runs
from mmselfsup.study.report.tables import arm_titles, labels_note, run_label, seen_note
from mmselfsup.study.report.training_section import moved_scores
from mmselfsup.study.resolved import ResolvedStudy
from mmselfsup.study.settings import StudySettings
from mmselfsup.study.starts import Start, read_starts
from mmselfsup.utils.errors import UserError
from tests.study.conftest import CONFIGS
from tests.study.study_data import make_run, make_ssl, write_finished_study

MARK = "pre-trained with all training labels"


def write_run(folder: Path, labels: bool, load_from: str | None = None) -> str:
    """Write what a pre-training leaves: weights, and its config in the form of mmcv."""
    folder.mkdir(parents=True)
    (folder / "backbone.pth").write_text("weights")
    (folder / "latest.pth").write_text("weights")
    (folder / "a.py").write_text(
        "model = dict(\n    type='SimCLR')\n"
        f"data = dict(\n    train=dict(\n        data_source=dict(), with_label={labels}))\n"
        f"load_from = {load_from!r}\n"
    )
    return str(folder / "backbone.pth")


def forget(folder: Path) -> None:
    """Take the key that older versions did not write out of results.json."""
    path = folder / "results.json"
    content = json.loads(path.read_text())
    for ssl in [*content["ssl"], *(ssl for run in content["runs"] for ssl in run["ssl"])]:
        del ssl["labels"]
    for run in content["runs"]:
        run.pop("start_labels", None)
    path.write_text(json.dumps(content))


def test_methods_with_labels_are_those_whose_configs_read_them() -> None:
    texts = {path: path.read_text() for path in (CONFIGS / "selfsup").glob("*/*.py")}
    assert {path.parent.name for path, text in texts.items() if "with_label=True" in text} == (
        LABELLED
    )


def test_labels_of_a_file_are_told_by_the_config_beside_it(tmp_path: Path) -> None:
    knowing = write_run(tmp_path / "a", labels=True)
    later = write_run(tmp_path / "b", labels=False, load_from="a/backbone.pth")
    alone = write_run(tmp_path / "c", labels=False)
    unknown = write_run(tmp_path / "d", labels=False, load_from="timm://resnet18")
    copied = tmp_path / "a" / "mine.pth"
    copied.write_text("weights")
    files = [knowing, later, alone, unknown, str(copied), "timm://resnet18", "none.pth"]
    read = [weights_read_labels(file, tmp_path) for file in files]
    assert read == [True, True, False, None, None, None, None]
    assert weights_read_labels("a/latest.pth", tmp_path)
    (tmp_path / "link.pth").symlink_to(knowing)
    assert weights_read_labels("link.pth", tmp_path)
    (tmp_path / "a" / "a.py").write_text("model = (")
    assert weights_read_labels(knowing, tmp_path) is None


def test_an_old_record_says_what_its_config_read(tmp_path: Path) -> None:
    ours = "configs/selfsup/{}/a.py".format
    assert recorded_labels(tmp_path, "supcon", ours("supcon"), [])
    assert recorded_labels(tmp_path, "simclr", ours("simclr"), []) is False
    assert recorded_labels(tmp_path, "mine", "mine/a.py", []) is None
    assert recorded_labels(tmp_path, "mine", "mine/a.py", ["data.train.with_label=True"])
    write_run(tmp_path / "mine", labels=True)
    assert recorded_labels(tmp_path / "mine", "mine", "mine/a.py", [])


def test_old_results_are_marked(tmp_path: Path) -> None:
    write_finished_study(tmp_path, {"scratch": 1.0, "simclr": 1.2, "supcon": 1.9}, ssl_on="all")
    forget(tmp_path)
    results = read_results(tmp_path / "results.json")
    assert [run.saw_labels for run in results.runs] == [False, False, True]
    assert [ssl.labels for ssl in results.ssl] == [False, True]
    assert "without their labels" not in seen_note(results.runs)
    assert "without their labels" in seen_note(results.runs[:2])


def test_what_no_config_says_is_not_known() -> None:
    ssl = dataclasses.replace(make_ssl("mine", "all"), labels=None)
    run = dataclasses.replace(make_run("mine", 1.0, ssl_on="all"), ssl=[ssl])
    assert "without their labels" not in seen_note([run])
    assert "not known of mine" in labels_note([run])
    assert MARK not in run_label(run)


def test_a_task_after_labels_has_seen_them(tmp_path: Path) -> None:
    write_finished_study(tmp_path, {"scratch": 1.0, "supcon+simclr": 1.2})
    path = tmp_path / "results.json"
    content = json.loads(path.read_text())
    first, last = ({**content["ssl"][0], "name": name} for name in ("supcon", "supcon+simclr"))
    first["config"], last["config"] = (f"configs/selfsup/{n}/a.py" for n in ("supcon", "simclr"))
    content["ssl"] = content["runs"][1]["ssl"] = [first, last]
    path.write_text(json.dumps(content))
    forget(tmp_path)
    results = read_results(path)
    assert [ssl.labels for ssl in results.ssl] == [True, True]
    assert results.runs[1].saw_labels


def test_an_old_and_a_new_run_are_one_row(tmp_path: Path) -> None:
    for number, labels in enumerate((None, True)):
        folder = tmp_path / str(number)
        write_finished_study(folder, {"scratch": 1.0, "mine": 1.2})
        path = folder / "results.json"
        content = json.loads(path.read_text())
        content["study"]["seed"] = number
        for run in content["runs"]:
            run["seed"] = number
        for ssl in [*content["ssl"], *content["runs"][1]["ssl"]]:
            ssl["labels"], ssl["config"] = labels, "mine/a.py"
        path.write_text(json.dumps(content))
    groups = [group for group in find_runs(tmp_path).groups if group.arm == "mine"]
    assert [len(group.runs) for group in groups] == [2]
    assert MARK in groups[0].label


def knowing_file(study: StudySettings, *texts: str) -> StudySettings:
    """Return a study that starts from weights which have read labels, and from others."""
    for name, labels in (("sup", True), ("plain", False)):
        write_run(study.root / name, labels)
    Path("pre.pth").write_text("weights")
    starts: tuple[Start, ...] = read_starts(texts, Path, ("simclr",))
    return dataclasses.replace(study, starts=starts, algorithms=("simclr",), lrs=(0.1,))


def test_arms_from_a_file_with_labels_are_marked(study: StudySettings) -> None:
    sup, plain = "sup=sup/backbone.pth", "plain=plain/backbone.pth"
    settings = knowing_file(study, "scratch", sup, f"{sup}+ssl", plain, "pre=pre.pth")
    resolved = ResolvedStudy(settings, settings.data_root)
    assert [resolved.saw_labels(arm) for arm in settings.arms] == [False, True, True, False, False]
    start = [resolved.start_labels(arm) for arm in settings.arms]
    assert start == [None, True, True, False, None]


def test_few_labels_without_an_arm_are_refused(
    study: StudySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    (study.root / study.data_root / METADATA).write_text("image,lesion_id\n")
    sup = "sup=sup/backbone.pth"
    settings = dataclasses.replace(knowing_file(study, sup, f"{sup}+ssl"), labels=(10.0,))
    with pytest.raises(UserError, match=r"--labels: all arms .*sup weights, SimCLR from sup weigh"):
        pipeline.check(settings)
    some = dataclasses.replace(settings, starts=read_starts(("scratch", sup), Path))
    pipeline.check(some)
    assert "warning: --labels leaves out sup weights" in capsys.readouterr().out


def test_tables_of_trainings_have_the_mark(finished_study: Path) -> None:
    results = read_results(finished_study / "results.json")
    ssl = [dataclasses.replace(results.ssl[0], labels=True)]
    runs = [results.runs[0], dataclasses.replace(results.runs[1], ssl=ssl)]
    log = finished_study / "ssl" / "simclr" / "20240101_000000.log.json"
    lines = [
        {"mode": "val", "epoch": epoch, "iter": 1, "knn_balanced_accuracy": 0.5} for epoch in (0, 1)
    ]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    marked = dataclasses.replace(results, runs=runs, ssl=ssl)
    rows = moved_scores(marked, finished_study / "ssl")
    assert [row.name for row in rows] == [arm_titles(runs)("simclr")]
    assert MARK in rows[0].name


def test_what_is_chosen_on_known_labels_is_said(
    study: StudySettings, finished_study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = knowing_file(study, "scratch", "sup=sup/backbone.pth", "plain=plain/backbone.pth")
    pipeline.check(settings)
    assert "pre-trained with the labels" not in capsys.readouterr().out  # one rate: none is chosen
    pipeline.check(dataclasses.replace(settings, lrs=(0.1, 0.2)))
    text = "warning: sup weights: pre-trained with the labels of the validation lesions on which"
    assert f"{text} the learning rate is chosen;" in capsys.readouterr().out
    results = read_results(finished_study / "results.json")
    assert "temperatures of" not in external_note(results)
    assert "has not seen them" not in external_note(results)
    ssl = [dataclasses.replace(results.ssl[0], labels=True)]
    runs = [results.runs[0], dataclasses.replace(results.runs[1], ssl=ssl)]
    known = external_note(dataclasses.replace(results, runs=runs))
    assert "The temperatures of SimCLR are fitted on images whose labels" in known


def test_names_in_external_csv_stay_those_of_the_arms(finished_study: Path) -> None:
    results = read_results(finished_study / "results.json")
    ssl = [dataclasses.replace(results.ssl[0], labels=True)]
    runs = [results.runs[0], dataclasses.replace(results.runs[1], ssl=ssl)]
    results = dataclasses.replace(results, runs=runs)
    one = Measured(0.5)
    numbers = (10, one, one, one, one, one, 0.1, 0.1, 1.0, {})
    results = dataclasses.replace(
        results,
        external=[ExternalRecord(run.arm, OWN, *numbers) for run in runs],
        external_sets=[ExternalSet(OWN, "", 10, 0, 0, {}, {"a": 10}, {"a": ["a"]}, [], (), 0)],
    )
    head, *rows = external_rows(results)
    named = [dict(zip(head, row, strict=True)) for row in rows]
    assert [row["classifier"] for row in named] == ["scratch", "simclr"]
    assert [row["training_labels"] for row in named] == ["no", "yes"]
