"""Pre-training on all images: what it sees, and that nobody who reads a table can miss it."""

import csv
import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console

from mmselfsup.study import pipeline
from mmselfsup.study.data import write_ssl_list
from mmselfsup.study.records import read_results
from mmselfsup.study.report.page import write_report
from mmselfsup.study.report.statistics import BALANCED
from mmselfsup.study.report.sweep import make_overview, print_overview, to_csv, to_latex, write_page
from mmselfsup.study.report.tables import print_results
from mmselfsup.study.settings import StudySettings
from mmselfsup.utils.errors import UserError
from tests.study.fake_tools import calls
from tests.study.study_data import make_ssl, write_finished_study
from tests.study.test_report import parse
from tests.study.test_sweep_report import run, write

LABEL = "SimCLR (pre-trained on all images, test images included)"


def write_lists(study: StudySettings, train: str, test: str) -> StudySettings:
    """Lists of the user's, of which the parts that a pre-training could see are given.

    Each image they name is there: a study looks for them before it starts.
    """
    for line in (train + test).splitlines():
        (study.data_root / "images" / line.rsplit(" ", 1)[0]).touch()
    folder = study.root / "lists"
    study = dataclasses.replace(study, ready_splits=folder, lrs=(0.1,))
    folder.mkdir(exist_ok=True)
    for part in ("train", "test", "subtrain", "val"):
        study.split(part).write_text({"test": test}.get(part, train))
    return study


def test_all_joins_both_lists_without_test_labels(study: StudySettings) -> None:
    study = write_lists(study, "a.jpg 0\nb c.jpg 1\n", "d.jpg 1\nb c.jpg 0\ne 7.jpg 1\n")
    write_ssl_list(study)
    assert study.ssl_list == study.split("train")
    study = dataclasses.replace(study, ssl_on="all", fold=0)
    write_ssl_list(study)
    assert study.ssl_list == Path("work/data/ISIC_2019_train+test_fold0.txt")
    assert study.ssl_list.read_text() == "a.jpg 0\nb c.jpg 1\nd.jpg -1\ne 7.jpg -1\n"
    study.split("test").write_text("")
    with pytest.raises(UserError, match=r"test_fold0\.txt: the list is empty"):
        write_ssl_list(study)
    assert study.ssl_list.read_text().startswith("a.jpg")  # the old one stays


@pytest.mark.usefixtures("no_drawing")
def test_a_changed_setting_restarts_the_pretraining(
    study: StudySettings, capfd: pytest.CaptureFixture[str]
) -> None:
    study = write_lists(study, "a.jpg 0\n", "b.jpg 1\n")
    results = pipeline.run_study(study)
    assert results.study.ssl_on == "train"
    assert [record.ssl_on for record in results.runs] == [None, "train"]
    assert "train+test" not in capfd.readouterr().out
    calls(study.root)

    changed = dataclasses.replace(study, ssl_on="all")
    redone = [
        "explain work/finetune/simclr/explain",
        "look work/looks/simclr",
        "test work/finetune/simclr/test",
        "train work/finetune/simclr/final",
        "train work/ssl/simclr",
    ]
    pipeline.run_study(changed)
    assert calls(study.root) == redone
    output = capfd.readouterr().out
    assert "data.train.data_source.ann_file=work/data/ISIC_2019_train+test_fold0.txt" in output
    assert "1 of the training list and 1 of the test list, without their labels" in output
    assert "simclr pre-training: restarts (data.train.data_source.ann_file changed" in output
    assert "Test on lesions that no fine-tuning has seen" in output
    assert "(pre-trained" in output

    found = read_results(study.work_dir / "results.json")
    assert found.study.ssl_on == "all"
    assert [record.ssl_on for record in found.runs] == [None, "all"]
    assert [ssl.images_of for ssl in (*found.ssl, *found.runs[1].ssl)] == ["all", "all"]

    pipeline.run_study(changed)
    assert calls(study.root) == []
    (study.data_root / "images" / "c.jpg").touch()
    changed.split("test").write_text("b.jpg 1\nc.jpg 0\n")  # other images to see
    pipeline.run_study(changed)
    assert set(redone) < set(calls(study.root))
    pipeline.run_study(study)
    assert set(redone) <= set(calls(study.root))


@pytest.mark.usefixtures("no_drawing")
def test_lesion_positives_have_nothing_to_keep_out(
    study: StudySettings, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ("data.train.lesion_positives.metadata=meta.csv",)
    study = dataclasses.replace(study, lrs=(0.1,), ssl_options=options, ssl_on="all")
    pipeline.run_study(study)
    output = capfd.readouterr().out
    assert "data.train.lesion_positives.held_out=None" in output
    assert "held_out=work" not in output


def test_the_report_and_the_table_of_a_study_say_it(tmp_path: Path) -> None:
    write_finished_study(tmp_path, ssl_on="all")
    text = io.StringIO()
    print_results(read_results(tmp_path / "results.json"), Console(file=text, width=100))
    words = " ".join(text.getvalue().split())
    assert "pre-training on all images, test images included, helps" in words
    assert "The pre-training has seen the test images" in words
    column = " ".join(line[:17].strip() for line in text.getvalue().splitlines()[3:9])
    assert LABEL in " ".join(column.split())

    parsed, _ = parse(write_report(tmp_path))
    page = " ".join(parsed.text.split())
    assert page.count(LABEL) == 2  # result, learning rates
    assert "The pre-training has seen the test images" in page
    assert "lesions that no fine-tuning has seen" in page
    assert "no training has seen" not in page
    assert "images: training and test list" in page


def test_the_report_of_the_training_list_does_not(finished_study: Path) -> None:
    parsed, _ = parse(write_report(finished_study))
    assert "all images" not in parsed.text
    assert "lesions that no training has seen" in parsed.text


def test_the_table_of_all_runs_tells_them_apart(tmp_path: Path) -> None:
    for fold in range(5):
        shift = 0.01 * (fold % 2)
        for ssl_on, gain in (("train", 0.1), ("all", 0.2)):
            runs = [run("scratch", 0.4 + shift, fold)]
            ssl = [make_ssl("simclr", ssl_on)]
            # Not the same gain in each fold: that would be no certainty.
            score = 0.4 + gain + shift + 0.001 * fold
            runs.append(run("simclr", score, fold, ssl_on=ssl_on, ssl=ssl))
            write(tmp_path / f"{ssl_on}{fold}", *runs, ssl_on=ssl_on)
    overview = make_overview(tmp_path)
    labels = [row.group.label for row in overview.rows]
    assert labels == ["from scratch", "SimCLR", LABEL]
    # the best of those that play by the rules is bold, though the other one is better
    assert [BALANCED in row.bold for row in overview.rows] == [False, True, False]
    assert not any("Numbers in brackets" in note for note in overview.notes())

    lines = list(csv.DictReader(io.StringIO(to_csv(overview))))
    assert [line["pre-trained on"] for line in lines] == ["", "train", "all"]
    latex = to_latex(overview)
    assert f"\n{LABEL} & " in latex
    assert "% Pre-trained on all images, test images included: the network has seen" in latex
    parsed, _ = parse(write_page(overview))
    # two tables, the figure, recipes, five single runs
    assert " ".join(parsed.text.split()).count(LABEL) >= 8
    text = io.StringIO()
    print_overview(overview, Console(file=text, width=100))
    assert "Pre-trained on all images, test images included" in text.getvalue()
