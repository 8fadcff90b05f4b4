"""Which weights that a study starts from saw images of its test fold."""

import dataclasses
from pathlib import Path

import pytest

from mmselfsup.study import pipeline
from mmselfsup.study.images_seen import weights_saw_images
from mmselfsup.study.records import read_results
from mmselfsup.study.report.statistics import find_runs
from mmselfsup.study.report.sweep import overview_notes
from mmselfsup.study.report.tables import compare, group_label, notes, run_label, unknown_note
from mmselfsup.study.settings import StudySettings
from mmselfsup.study.starts import read_starts
from tests.study.study_data import make_run, write_finished_study

MARK = "start weights saw test images"


def write_run(folder: Path, source: str, load_from: str | None = None) -> str:
    """Write what a training leaves: weights, and its config in the form of mmcv."""
    folder.mkdir(parents=True)
    (folder / "backbone.pth").write_text("weights")
    (folder / "a.py").write_text(
        "model = dict(type='SimCLR')\n"
        f"data = dict(train=dict(data_source=dict({source})))\nload_from = {load_from!r}\n"
    )
    return str(folder / "backbone.pth")


def test_the_list_beside_the_weights_says_what_they_saw(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / "images" / name).touch()
    (tmp_path / "other.txt").write_text("a.jpg 0\nb 1\n")
    (tmp_path / "own.txt").write_text("c.jpg 0\n")
    place = "data_prefix='images', ann_file="
    other = write_run(tmp_path / "1", f"{place}'other.txt'")
    own = write_run(tmp_path / "2", f"{place}'own.txt'")
    after = write_run(tmp_path / "3", f"{place}'own.txt'", load_from="1/backbone.pth")
    every = write_run(tmp_path / "4", "data_prefix='images'")
    gone = write_run(tmp_path / "5", f"{place}'gone.txt'")
    copy = write_run(tmp_path / "6", "data_prefix='copies', ann_file='other.txt'")
    far = write_run(tmp_path / "7", "data_prefix='copies', ann_file='own.txt'")
    part = write_run(tmp_path / "8", f"{place}'own.txt', split=dict(part='train')")
    files = [other, own, after, every, gone, copy, far, part, "timm://resnet18"]
    seen = [weights_saw_images(f, tmp_path, ["b.jpg", "x.jpg"], Path("images")) for f in files]
    assert seen == [True, False, True, True, None, None, False, None, None]


@pytest.mark.usefixtures("no_drawing")
def test_weights_of_another_fold_are_marked(
    study: StudySettings, capfd: pytest.CaptureFixture[str]
) -> None:
    first = dataclasses.replace(study, lrs=(0.1,))
    pipeline.run_study(first)
    test = first.split("test").read_text()
    images, _ = study.data.find_images(study.data_root)
    (study.root / "fold1.txt").write_text(test)
    (study.root / "fold0.txt").write_text("none_of_these.jpg 0\n")
    for fold in (0, 1):
        source = f"data_prefix={str(images)!r}, ann_file='fold{fold}.txt'"
        write_run(study.root / f"of{fold}", source)
    Path("pre.pth").write_text("weights")
    of1, of0 = "of1=of1/backbone.pth", "of0=of0/backbone.pth"
    texts = "scratch", of1, f"{of1}+ssl", of0, "pre=pre.pth"
    starts = read_starts(texts, Path, ("simclr",))
    settings = dataclasses.replace(first, starts=starts, algorithms=("simclr",))
    capfd.readouterr()
    results = pipeline.run_study(settings)
    output = " ".join(capfd.readouterr().out.split())
    assert [run.start_saw_test for run in results.runs] == [None, True, True, False, None]
    assert [MARK in run_label(run) for run in results.runs] == [False, True, True, False, False]
    assert output.count("warning: --start of1=of1/backbone.pth: these weights have seen") == 1
    assert "--start pre=pre.pth: whether these weights have seen images of the test" in output
    assert "that no fine-tuning has seen" in output
    lines = " ".join(notes(results))
    assert "weights of of1 weights, SimCLR from of1 weights have seen images of the test" in lines
    assert "Whether the start weights of pre weights have seen" in lines
    comparison = compare(results.runs[0], results.runs[1])
    assert comparison is not None
    assert MARK in comparison.text
    assert read_results(settings.work_dir / "results.json") == results


def test_a_group_is_marked_where_one_fold_was_seen(tmp_path: Path) -> None:
    write_finished_study(tmp_path)
    runs = [make_run("from-pre", 1.0), make_run("from-pre", 1.0, seed=1)]
    runs[1] = dataclasses.replace(runs[1], ssl_on=None, start_saw_test=True)
    assert MARK in group_label(runs)
    found = find_runs(tmp_path)
    assert not any(group.saw_test_images for group in found.groups)
    group = dataclasses.replace(found.groups[0], runs={(0, 0): runs[1]})
    assert group.saw_test_images
    lines = " ".join(overview_notes(dataclasses.replace(found, groups=[group])))
    assert "have seen images that it was tested on. Such rows are never bold" in lines
    assert "--ssl-on" not in lines
    assert "Pre-trained on all images" not in lines


def test_a_teacher_is_a_start_too() -> None:
    assert unknown_note([make_run("scratch", 1.0), make_run("simclr", 1.0)]) == ""
    assert "of distillation have" in unknown_note([make_run("distillation", 1.0)]).lower()
