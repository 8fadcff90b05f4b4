"""A study with a greedy curriculum, over tools that take no time."""

import csv
import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from mmselfsup.config.load import load_config
from mmselfsup.metrics.classification import standard_error
from mmselfsup.study import pipeline
from mmselfsup.study.fingerprint import forget_images
from mmselfsup.study.process import Machine
from mmselfsup.study.records import (
    Curriculum,
    GreedyFacts,
    GreedyTask,
    Score,
    Trial,
    read_results,
)
from mmselfsup.study.report.curriculum_section import reason, table_rows
from mmselfsup.study.report.page import write_report
from mmselfsup.study.report.sweep import make_overview, to_csv, to_latex, write_page
from mmselfsup.study.report.tables import print_results
from mmselfsup.study.settings import StudySettings
from mmselfsup.study.stages import curriculum
from mmselfsup.study.stages.context import StudyContext
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.json_records import from_json
from tests.study.fake_tools import calls
from tests.study.study_data import write_finished_study
from tests.study.test_report import parse
from tests.study.test_sweep_report import run, write

SetScores = Callable[..., None]


@pytest.fixture
def set_scores(monkeypatch: pytest.MonkeyPatch) -> SetScores:
    """Choose what the probe finds, by sequence."""

    def choose(**scores: float) -> None:
        named = {name.replace("_then_", "+"): value for name, value in scores.items()}
        monkeypatch.setenv("SCORES", json.dumps(named))

    choose(scratch=0.2, simclr=0.3, byol=0.4, byol_then_simclr=0.5)
    return choose


@pytest.fixture
def greedy(study: StudySettings, set_scores: SetScores) -> StudySettings:
    """Two pre-trainings whose order is chosen."""
    configs = {**study.ssl_configs, "byol": study.ssl_configs["simclr"]}
    return dataclasses.replace(study, ssl_configs=configs, lrs=(0.1,), min_gain=0.01)


def choose(study: StudySettings) -> Curriculum:
    """The part of a study that chooses, by itself."""
    study = dataclasses.replace(study, ready_splits=Path("lists"))
    Path("lists").mkdir(exist_ok=True)
    for part in ("train", "test", "subtrain", "val"):
        study.split(part).write_text("ISIC_1.jpg 0\nISIC_2.jpg 1\n")
    forget_images()
    context = StudyContext(study, Machine(cores=2, gpus=0, warm=True))
    context.resolve(Path("isic/images"))
    curriculum.run(context)
    assert context.curriculum is not None
    return context.curriculum


TRAINED = [
    "train work/ssl/byol",
    "train work/ssl/byol+simclr from work/ssl/byol/backbone.pth",
    "train work/ssl/byol+simclr+byol from work/ssl/byol+simclr/backbone.pth",
    "train work/ssl/simclr",
]
SCORED = [
    f"probe work/greedy/scores/{name}"
    for name in ("byol", "byol+simclr", "byol+simclr+byol", "scratch", "simclr")
]


@pytest.mark.usefixtures("no_drawing")
def test_the_classifier_starts_from_the_best_sequence(
    greedy: StudySettings, capfd: pytest.CaptureFixture[str]
) -> None:
    results = pipeline.run_study(greedy)
    done = calls(greedy.root)
    assert [call for call in done if "/ssl/" in call] == TRAINED
    assert [call for call in done if "probe" in call] == SCORED
    assert [call for call in done if "look" in call] == ["look work/looks/byol+simclr"]
    assert [record.arm for record in results.runs] == ["scratch", "byol+simclr"]
    assert results.runs[1].weights == "ssl/byol+simclr/backbone.pth"
    assert results.runs[1].chosen_from == ["simclr", "byol"]
    assert results.runs[0].chosen_from == []
    assert [ssl.name for ssl in results.ssl] == ["byol", "byol+simclr"]
    assert sum("test_linear" in command for command in results.commands) == 5

    output = capfd.readouterr().out
    probe = "test_linear.py {} --checkpoint work/ssl/byol/backbone.pth --work_dir"
    config = greedy.ssl_configs["byol"]
    assert probe.format(config) in output
    assert f"test_linear.py {config} --random --seed 0 --work_dir" in output
    assert "Chosen: BYOL → SimCLR. No further task was taken" in output
    assert "best, but gains nothing" in output

    found = read_results(greedy.work_dir / "results.json")
    assert found.curriculum == results.curriculum
    assert found.curriculum is not None
    assert found.curriculum.chosen == ("byol", "simclr")
    assert found.study == results.study
    assert found.study.greedy is not None
    assert found.study.greedy.min_gain == 0.01
    assert list(found.study.greedy.tasks) == ["simclr", "byol"]
    # two validation images; at a recall of 0.2 none of them is classified correctly
    untrained = found.curriculum.trials[0].score
    assert untrained.error == standard_error([[0, 1], [1, 0]])
    assert (untrained.epochs, untrained.seconds) == (0, 0)

    pipeline.run_study(greedy)
    assert calls(greedy.root) == []


def test_images_go_through_the_classifiers_test_pipeline(greedy: StudySettings) -> None:
    choose(greedy)
    data = load_config("work/greedy/probe_data.py", []).data
    classifier = load_config(str(greedy.finetune_config), []).data
    for part, name in (("train", "subtrain"), ("val", "val")):
        assert data[part].pipeline == classifier.test.pipeline
        assert data[part].data_source.ann_file == f"lists/ISIC_2019_{name}_fold0.txt"
        assert data[part].data_source.data_prefix == "isic/images"


def test_resumes_where_it_stopped(greedy: StudySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORES", "no scores")  # the probe fails at once
    with pytest.raises(UserError, match="score of the untrained network failed"):
        choose(greedy)
    calls(greedy.root)
    monkeypatch.setenv("SCORES", '{"scratch": 0.2, "byol": 0.4, "simclr": 0.1}')
    monkeypatch.setenv("FAIL_AT", "1.0")  # no lr among the options: a pre-training
    with pytest.raises(UserError, match="simclr pre-training failed"):
        choose(greedy)
    assert calls(greedy.root) == ["probe work/greedy/scores/scratch", "train work/ssl/simclr"]
    monkeypatch.delenv("FAIL_AT")
    assert choose(greedy).chosen == ("byol",)
    done = calls(greedy.root)
    assert "probe work/greedy/scores/scratch" not in done
    assert [call for call in done if "/ssl/" in call] == [
        "train work/ssl/byol",
        "train work/ssl/byol+simclr from work/ssl/byol/backbone.pth",
        "train work/ssl/simclr",
    ]


def test_what_changed_is_run_again(greedy: StudySettings, set_scores: SetScores) -> None:
    choose(greedy)
    calls(greedy.root)
    assert choose(dataclasses.replace(greedy, min_gain=0.3)).chosen == ("byol",)
    assert calls(greedy.root) == []  # nothing to train

    options = ("data.samples_per_gpu=7",)
    choose(dataclasses.replace(greedy, finetune_options=options))
    assert calls(greedy.root) == SCORED  # images go through the probe in another way

    set_scores(scratch=0.2, simclr=0.3)
    options = ("optimizer.weight_decay=0.5",)
    assert choose(dataclasses.replace(greedy, ssl_options=options)).chosen == ("simclr",)
    done = calls(greedy.root)
    assert "train work/ssl/simclr" in done
    assert "probe work/greedy/scores/simclr" in done


def test_a_divergence_is_a_result(
    greedy: StudySettings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIVERGES", "byol")
    found = choose(greedy)
    assert found.chosen == ("simclr",)
    diverged = next(t for t in found.trials if t.tasks == ("byol",))
    assert (diverged.score.value, diverged.kept) == (None, False)
    assert "diverged" in capfd.readouterr().out
    assert "probe work/greedy/scores/byol" not in calls(greedy.root)
    choose(greedy)
    assert calls(greedy.root) == []
    # in an order that was given, the same divergence is a failure
    with pytest.raises(UserError, match="byol pre-training failed"):
        pipeline.run_study(dataclasses.replace(greedy, min_gain=None, compare=True))


def trial(name: str, value: float | None, gain: float | None, best: bool, kept: bool) -> Trial:
    score = Score(value, 0.02, 30 if name else 0, 90.0 if name else 0.0)
    return Trial(tuple(name.split()), score, gain, best, kept)


FOUND = Curriculum(
    0.01,
    6400,
    1600,
    (
        trial("", 0.2, None, False, False),
        trial("odc", 0.3, 0.1, True, True),
        trial("simclr", None, None, False, False),
        trial("odc simclr", 0.305, 0.005, True, False),
    ),
)


def test_the_decision_is_reported_in_words() -> None:
    assert [row.decision for row in table_rows(FOUND)] == [
        "",
        "kept",
        "",
        "best, but gains too little",
    ]
    assert reason(FOUND) == (
        "Chosen: ODC. No further task was taken: the best extension, ODC → SimCLR, gains +0.005, "
        "not more than 0.01."
    )
    low = trial("odc", 0.15, -0.05, True, True)
    lost = trial("odc simclr", None, None, False, False)
    found = dataclasses.replace(FOUND, trials=(FOUND.trials[0], low, FOUND.trials[2], lost))
    assert "the loss of every extension was not finite" in reason(found)
    assert "No task alone beat the untrained network" in reason(found)
    assert table_rows(found)[1].gain == "\N{MINUS SIGN}0.050"
    worse = trial("odc simclr", 0.25, -0.05, True, False)
    found = dataclasses.replace(FOUND, trials=(*FOUND.trials[:3], worse))
    assert "ODC → SimCLR, gains nothing (\N{MINUS SIGN}0.050)." in reason(found)
    assert table_rows(found)[3].decision == "best, but gains nothing"


def test_a_curriculum_comes_back_as_it_was() -> None:
    plain = json.loads(json.dumps(dataclasses.asdict(FOUND)))
    assert from_json(Curriculum, plain) == FOUND


def test_the_report_shows_the_decisions(tmp_path: Path) -> None:
    write_finished_study(tmp_path, {"scratch": 1.0, "odc": 1.9})
    assert "curriculum was chosen" not in write_report(tmp_path).read_text(encoding="utf-8")
    results = read_results(tmp_path / "results.json")
    runs = [results.runs[0], dataclasses.replace(results.runs[1], chosen_from=["odc", "simclr"])]
    dataclasses.replace(results, runs=runs, curriculum=FOUND).write(tmp_path / "results.json")
    parsed, html = parse(write_report(tmp_path))
    section = html[html.index("How the curriculum was chosen") :]
    section = section[: section.index("</section>")]
    for words in (
        "untrained network",
        "0.200 ± 0.020",
        "diverged",
        "+0.005",
        "6400",
        "1600",
        "4.5 min for all 3",
    ):
        assert words in section
    assert section.count("<tbody>") == section.count("</tbody>") == 3
    assert section.count('class="main"') == 1
    assert "ODC (greedy)" in parsed.text
    text = io.StringIO()
    print_results(read_results(tmp_path / "results.json"), Console(file=text, width=100))
    assert "ODC (greedy)" in text.getvalue()


def test_over_folds_it_is_one_group_whatever_was_chosen(tmp_path: Path) -> None:
    tasks = {name: GreedyTask(f"{name}.py", 3, (), "") for name in ("odc", "simclr")}
    facts = GreedyFacts(0.01, tasks)
    for fold, arm in enumerate(("odc", "odc+simclr", "simclr")):
        chosen = run(arm, 0.5 + 0.01 * fold, fold, chosen_from=["odc", "simclr"])
        write(tmp_path / str(fold), run("scratch", 0.4, fold), chosen, greedy=facts)
    write(tmp_path / "given", run("scratch", 0.4, 0), run("odc", 0.5, 0))
    other = dataclasses.replace(facts, min_gain=0.2)
    write(tmp_path / "other", run("odc", 0.5, 0, chosen_from=["odc", "simclr"]), greedy=other)
    overview = make_overview(tmp_path)
    name = "Greedy curriculum of ODC, SimCLR"
    labels = ["from scratch", f"{name} (1)", f"{name} (2)", "ODC"]
    assert [row.group.label for row in overview.rows] == labels
    assert sorted(len(row.group.runs) for row in overview.rows) == [1, 1, 3, 3]
    lines = list(csv.DictReader(io.StringIO(to_csv(overview))))
    line = next(row for row in lines if row["folds"] == "3" and row["classifier"].startswith(name))
    assert line["pre-training"] == "greedy, see conditions"
    assert (
        "greedy, min. gain 0.01, of odc (odc.py, 3 epochs), simclr (simclr.py, 3 epochs)"
        in (line["conditions"])
    )
    assert "fold 1, seed 0 chose ODC → SimCLR" in line["conditions"]
    assert name in to_latex(overview)
    parsed, _ = parse(write_page(overview))
    assert ": ODC → SimCLR" in parsed.text


def test_an_error_that_is_not_known_is_not_zero() -> None:
    """With a hundred classes or more the probe writes no recalls, of which the error is made."""
    trials = (Trial((), Score(0.2, None), kept=True), Trial(("simclr",), Score(0.3, 0.01)))
    rows = table_rows(Curriculum(0.01, 100, 20, trials))
    assert [row.score for row in rows] == ["0.200", "0.300 ± 0.010"]
