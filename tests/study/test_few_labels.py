"""--labels: parts of the training list, the same for all arms, drawn several times."""

import dataclasses
import math
import re
from pathlib import Path

import pytest
from scipy.stats import t

from mmselfsup.isic.challenge import METADATA
from mmselfsup.metrics.classification import standard_error
from mmselfsup.study import pipeline
from mmselfsup.study.arm_records import LabelRecord
from mmselfsup.study.few_labels import label_epochs, read_labels
from mmselfsup.study.records import Results, read_results
from mmselfsup.study.report.html import arm_colors, css_colors
from mmselfsup.study.report.intervals import on_one_fold
from mmselfsup.study.report.kinds import kinds
from mmselfsup.study.report.labels import label_curves
from mmselfsup.study.report.labels_section import labels_context
from mmselfsup.study.report.page import write_report
from mmselfsup.study.report.sweep import make_overview, write_page
from mmselfsup.study.report.tables import display_name
from mmselfsup.study.report.words import write_words
from mmselfsup.study.settings import StudySettings
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.study_data import Words
from tests.study.fake_tools import calls
from tests.study.study_data import make_run, make_ssl, write_finished_study


@pytest.mark.parametrize(
    ("texts", "percents"),
    [
        (["1%", "10%", "100%"], (1, 10)),
        (["5", "0.5%", "5%"], (0.5, 5)),
        (["33.3333%", "33.33333%"], (33.3333,)),  # one folder
    ],
)
def test_percentages(texts: list[str], percents: tuple[float, ...]) -> None:
    assert read_labels(texts) == percents


@pytest.mark.parametrize("text", ["0%", "101%", "many", "nan", "-1%"])
def test_wrong_percentages(text: str) -> None:
    with pytest.raises(UserError, match="--labels"):
        read_labels([text])


def test_a_tenth_of_the_labels_is_trained_for_twice_as_long() -> None:
    assert [label_epochs(50, percent) for percent in (100, 10, 1)] == [50, 100, 200]


@pytest.fixture
def few(study: StudySettings) -> StudySettings:
    """A study with two parts and two draws."""
    (study.root / study.data_root / METADATA).write_text("image,lesion_id\n")
    return dataclasses.replace(study, lrs=(0.01, 0.1), labels=(1.0, 10.0), draws=2)


@pytest.mark.usefixtures("no_drawing")
def test_every_arm_gets_the_same_lists(
    few: StudySettings, capfd: pytest.CaptureFixture[str]
) -> None:
    results = pipeline.run_study(few)
    done = calls(few.root)
    assert [call for call in done if "subsets" in call] == [
        "subsets work/data/labels/subtrain_fold0_draw1",
        "subsets work/data/labels/train_fold0_draw1",
        "subsets work/data/labels/train_fold0_draw2",
    ]
    for arm in ("scratch", "simclr"):
        for percent in (1, 10):
            folder = f"work/finetune/{arm}/labels_{percent}pct"
            assert {call for call in done if f"{folder}/" in call} == {
                *(f"train {folder}/{name}" for name in ("lr_0.01", "lr_0.1", "draw_1", "draw_2")),
                *(f"test {folder}/test_{draw}" for draw in (1, 2)),
            }
    output = capfd.readouterr().out
    lines = re.findall(r"\$ .*labels_10pct/draw_2 .*", output)
    assert len(lines) == 2
    lists = {re.search(r"ann_file=(\S*draw2\S*)", line)[1] for line in lines}  # type: ignore[index]
    assert lists == {"work/data/labels/train_fold0_draw2/ISIC_2019_train_fold0_10pct.txt"}
    assert all("runner.max_epochs=2" in line for line in lines)  # twice the one epoch
    assert [(r.arm, r.percent, r.draw) for r in results.labels] == [
        (arm, percent, draw)
        for percent in (1, 10)
        for arm in ("scratch", "simclr")
        for draw in (1, 2)
    ]
    assert {record.lr for record in results.labels} == {0.1}
    assert results.labels[0].tried.keys() == {"0.01", "0.1"}
    assert all(record.errors.keys() == {"scratch", "simclr"} for record in results.labels)
    assert all(run.errors.keys() == {"scratch", "simclr"} for run in results.runs)
    assert read_results(few.work_dir / "results.json").labels == results.labels
    pipeline.run_study(few)
    assert calls(few.root) == []


def test_lesions_are_needed(study: StudySettings) -> None:
    with pytest.raises(UserError, match=r"--labels draws whole lesions.*Metadata\.csv"):
        pipeline.run_study(dataclasses.replace(study, lrs=(0.1,), labels=(1.0,)))
    assert not calls(study.root)  # before any training


def with_labels(results: Results) -> Results:
    """Three draws of 10 % for each arm, with other scores."""
    records = []
    for run in results.runs:
        for draw in (1, 2, 3):
            other = make_run(run.arm, 0.5 + 0.1 * draw, seed=draw)
            records.append(
                LabelRecord(
                    run.arm, 10.0, draw, 200, 0.03, 16, other.balanced_accuracy, other.accuracy,
                    other.macro_auc, other.recall, other.confusion_matrix, 5.0,
                )
            )  # fmt: skip
    return dataclasses.replace(results, labels=records)


def test_mean_and_interval_of_a_point(finished_study: Path) -> None:
    results = with_labels(read_results(finished_study / "results.json"))
    few, whole = label_curves([(finished_study, results)])["simclr"]
    records = [record for record in results.labels if record.arm == "simclr"]
    values = [record.balanced_accuracy or 0.0 for record in records]
    mean = sum(values) / 3
    over_draws = sum((value - mean) ** 2 for value in values) / 2 / 3
    sampling = sum(standard_error(record.confusion_matrix) ** 2 for record in records) / 3
    assert (few.percent, few.images, few.runs) == (10, 200, 3)
    assert few.mean == pytest.approx(mean)
    freedom = (over_draws + sampling) ** 2 / (over_draws**2 / 2)  # Satterthwaite's
    quantile = t.ppf(0.975, freedom)
    assert few.half_width == pytest.approx(quantile * (over_draws + sampling) ** 0.5)
    assert few.gain is not None
    scratch = [record.balanced_accuracy or 0.0 for record in results.labels[:3]]
    assert few.gain.mean == pytest.approx(mean - sum(scratch) / 3)
    assert label_curves([(finished_study, results)])["scratch"][0].gain is None
    assert whole.percent == 100
    assert whole.mean == results.runs[1].balanced_accuracy
    assert whole.images == sum(results.split["train"].values())


def test_the_report_shows_the_curve(tmp_path: Path) -> None:
    write_finished_study(tmp_path)
    plain = write_report(tmp_path).read_text()
    assert "Few labels" not in plain
    with_labels(read_results(tmp_path / "results.json")).write(tmp_path / "results.json")
    page = write_report(tmp_path).read_text()
    assert "<h2>Few labels</h2>" in page
    assert page.count("<svg") == plain.count("<svg") + 1
    assert "10 %<br><small>200 images" in page


def test_the_note_calls_groups_as_the_study_does(tmp_path: Path) -> None:
    write_finished_study(tmp_path)
    with_labels(read_results(tmp_path / "results.json")).write(tmp_path / "results.json")
    note = "at least one {} of each"
    assert note.format("lesion") in write_report(tmp_path).read_text()
    for group, groups in (("patient", "patients"), ("image", "images")):
        write_words(tmp_path, Words("Clinic", group, groups))
        section = write_report(tmp_path).read_text().partition("<h2>Few labels</h2>")[2]
        section = section.partition("<h2>")[0]
        assert note.format(group) in section
        whole = {"patient": 2, "image": 0}  # of the test images, and in the draws
        assert section.count("by whole patients") == whole[group]
        assert "by whole images" not in section
        assert "lesion" not in section


def test_an_arm_has_the_colour_of_the_other_sections(tmp_path: Path) -> None:
    write_finished_study(tmp_path, {"scratch": 1.0, "supcon": 1.5, "simclr": 1.9})
    results = with_labels(read_results(tmp_path / "results.json"))
    knowing = dataclasses.replace(make_ssl("supcon"), labels=True)
    runs = [
        dataclasses.replace(run, ssl=[knowing]) if run.arm == "supcon" else run
        for run in results.runs
    ]
    context = labels_context([(tmp_path, dataclasses.replace(results, runs=runs))])
    assert context is not None
    assert context["arms"] == ["scratch", "simclr"]  # without the arm that knows all labels
    assert context["colors"]["simclr"] == css_colors(arm_colors(runs))["simclr"]
    assert context["colors"]["simclr"] != context["colors"]["supcon"]


def test_several_folds_share_a_curve(tmp_path: Path) -> None:
    studies = []
    for fold in (0, 1, 2):
        write_finished_study(tmp_path / f"fold{fold}")
        results = with_labels(read_results(tmp_path / f"fold{fold}" / "results.json"))
        runs = [dataclasses.replace(run, fold=fold) for run in results.runs]
        scores = [0.3 + 0.01 * fold + 0.001 * record.draw for record in results.labels]
        labels = [
            dataclasses.replace(record, balanced_accuracy=score)
            for record, score in zip(results.labels, scores, strict=True)
        ]
        study = dataclasses.replace(results.study, fold=fold)
        results = dataclasses.replace(results, runs=runs, labels=labels, study=study)
        results.write(tmp_path / f"fold{fold}" / "results.json")
        studies.append((tmp_path / f"fold{fold}", results))
    few = label_curves(studies)["simclr"][0]
    assert few.runs == 9
    assert few.mean == pytest.approx(0.312)
    # Nadeau and Bengio: the variance of the folds, 0.0001, times 1/3 + test/train images.
    error = (0.0001 * (1 / 3 + studies[0][1].runs[0].n_test / 200)) ** 0.5
    assert few.half_width == pytest.approx(4.302653 * error, rel=1e-6)
    assert "<h2>Few labels</h2>" in write_page(make_overview(tmp_path)).read_text()


def test_arms_of_one_name_are_not_mixed(tmp_path: Path) -> None:
    """Two pre-trainings of one method, in two studies of the same fold and seed."""
    errors = {
        "scratch": {"scratch": 0.10, "simclr": 0.05},
        "simclr": {"scratch": 0.05, "simclr": 0.09},
    }
    for number, epochs in enumerate((30, 60)):
        folder = tmp_path / f"study{number}"
        write_finished_study(folder)
        results = with_labels(read_results(folder / "results.json"))
        runs = [
            dataclasses.replace(
                run,
                ssl=[dataclasses.replace(ssl, epochs=epochs) for ssl in run.ssl],
                errors=errors[run.arm],
            )
            for run in results.runs
        ]
        scores = {"scratch": 0.2, "simclr": 0.3 + 0.1 * number}
        labels = [
            dataclasses.replace(
                record,
                balanced_accuracy=scores[record.arm] + 0.01 * record.draw,
                errors=errors[record.arm],
            )
            for record in results.labels
        ]
        dataclasses.replace(results, runs=runs, labels=labels).write(folder / "results.json")
    overview = make_overview(tmp_path)
    (studies,) = kinds(overview.found_runs)
    curves = label_curves(studies)
    means = {arm: round(points[0].mean, 6) for arm, points in curves.items()}
    assert sorted(means.values()) == [0.22, 0.32, 0.42]
    assert means["scratch"] == 0.22
    assert all(points[0].runs == 3 for points in curves.values())
    for arm, (few, whole) in curves.items():
        error = 0.10 if arm == "scratch" else 0.09
        assert whole.half_width == pytest.approx(1.959964 * error)
        spread = on_one_fold({draw: 0.01 * draw for draw in (1, 2, 3)}, error)
        assert few.half_width == pytest.approx(spread.half_width)
    assert {display_name(arm) for arm in curves} == {row.group.label for row in overview.rows}
    assert "SimCLR (2)" in write_page(overview).read_text().partition("<h2>Few labels</h2>")[2]


def dated_study(
    folder: Path, arms: dict[str, float], date: str, percents: tuple[float, ...]
) -> None:
    """A study of a day, with the trainings of ``with_labels`` on each part."""
    write_finished_study(folder, arms)
    results = read_results(folder / "results.json")
    records = with_labels(results).labels
    labels = [dataclasses.replace(r, percent=percent) for percent in percents for r in records]
    study = dataclasses.replace(results.study, date=date)
    dataclasses.replace(results, study=study, labels=labels).write(folder / "results.json")


def test_a_repeated_run_keeps_the_few_labels_of_the_older_study(tmp_path: Path) -> None:
    dated_study(tmp_path / "a", {"scratch": 1.0, "simclr": 1.9}, "2024-01-01", (1.0, 10.0))
    dated_study(tmp_path / "b", {"scratch": 1.5, "byol": 1.9}, "2024-02-01", ())
    (studies,) = kinds(make_overview(tmp_path).found_runs)
    curves = label_curves(studies)
    assert {arm: [p.percent for p in points] for arm, points in curves.items()} == {
        "scratch": [1, 10, 100],
        "simclr": [1, 10, 100],
    }
    assert all(point.gain is not None for point in curves["simclr"])
    # A newer study with one of the parts: its draws are not mixed with the older ones.
    dated_study(tmp_path / "c", {"scratch": 1.7}, "2024-03-01", (10.0,))
    overview = make_overview(tmp_path)
    (studies,) = kinds(overview.found_runs)
    scratch = label_curves(studies)["scratch"]
    assert [(p.percent, p.runs) for p in scratch] == [(1, 3), (10, 3), (100, 1)]
    assert scratch[2].mean == make_run("scratch", 1.7).balanced_accuracy
    assert any("newest that was measured there" in line for line in overview.notes())


def test_a_gain_is_over_scratch_of_the_same_study(tmp_path: Path) -> None:
    """Test images pair the arms of a study, not those of two."""
    paired = {
        "scratch": {"scratch": 0.08, "simclr": 0.02},
        "simclr": {"scratch": 0.02, "simclr": 0.08},
    }

    def write(name: str, skills: dict[str, float], date: str, shift: float) -> None:
        path = tmp_path / name / "results.json"
        dated_study(path.parent, skills, date, (10.0,))
        results = read_results(path)
        runs = [dataclasses.replace(run, errors=paired[run.arm]) for run in results.runs]
        labels = [
            dataclasses.replace(
                record, balanced_accuracy=shift + 0.01 * record.draw, errors=paired[record.arm]
            )
            for record in results.labels
        ]
        dataclasses.replace(results, runs=runs, labels=labels).write(path)

    write("a", {"scratch": 1.0, "simclr": 1.9}, "2024-01-01", 0.3)
    alone = label_curves(kinds(make_overview(tmp_path).found_runs)[0])["simclr"]
    write("b", {"scratch": 1.5}, "2024-02-01", 0.4)
    (studies,) = kinds(make_overview(tmp_path).found_runs)
    curves = label_curves(studies)
    assert curves["simclr"] == alone
    assert alone[0].gain is not None
    assert alone[0].gain.half_width == pytest.approx(1.959964 * 0.02)
    assert curves["scratch"][0].mean == pytest.approx(0.42)  # the newest, and it alone
    assert curves["scratch"][0].runs == 3
    # Without training from scratch in its own study an arm is compared with the newest one.
    write("a", {"simclr": 1.9}, "2024-01-01", 0.3)
    (studies,) = kinds(make_overview(tmp_path).found_runs)
    few = label_curves(studies)["simclr"][0]
    assert few.gain is not None
    assert few.gain.mean == pytest.approx(-0.1)
    assert few.gain.half_width == pytest.approx(1.959964 * math.hypot(0.08, 0.08))
