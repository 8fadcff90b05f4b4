"""Few labels: each arm fine-tuned on parts of the training list, drawn several times.

The learning rate is chosen for each arm and part on the first draw of the ``subtrain`` list, and
measured on the ``val`` list. The lists of a part are the same for all arms. An arm whose
pre-training has read labels is left out: it would know those that the part lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mmselfsup.config.inspect import head_classes
from mmselfsup.metrics import classification_metrics, confusion_matrix, finite
from mmselfsup.utils.errors import UserError

from ..arm_records import LabelRecord
from ..data import metadata_csv
from ..few_labels import label_epochs, subset_name
from ..records import SearchRecord
from ..report.tables import display_name
from ..resolved import ResolvedStudy
from ..settings import StudySettings
from ..step import CHECKPOINT
from .arms import num_lines
from .context import StudyContext
from .finetune import finetune_argv, lesion_options
from .lr_search import choose_lr, search_record
from .stage import Stage
from .test import SCORES, read_scores, test_argv, test_errors

_SEARCHED = 1  # the draw on which learning rates are chosen


def check_few_labels(study: ResolvedStudy) -> None:
    """Warn of arms that few labels leave out.

    Raises:
        UserError: All arms are, so that there is nothing to train.
    """
    settings = study.settings
    knowing = [arm for arm in settings.arms if study.saw_labels(arm)]
    if not settings.labels or not knowing:
        return
    names = ", ".join(map(display_name, knowing))
    if len(knowing) == len(settings.arms):
        raise UserError(
            f"--labels: all arms were pre-trained with all training labels ({names}), and would "
            "know those that a part lacks: leave out --labels, or add a start without labels"
        )
    print(
        f"warning: --labels leaves out {names}: pre-trained with all training labels, which a part "
        "of them lacks",
        flush=True,
    )


class Part(NamedTuple):
    """A part of the labels with which an arm is trained.

    Attributes:
        arm: The start.
        percent: Part of the labels of each class.
        draw: Number of the draw, from 1.
    """

    arm: str
    percent: float
    draw: int = _SEARCHED

    def folder(self, study: ResolvedStudy, name: str) -> Path:
        """Return the work directory of a command of it."""
        return study.settings.run_dir(self.arm, f"labels_{self.percent:g}pct") / name

    def list(self, study: ResolvedStudy, part: str) -> Path:
        """Return its list, drawn from that of a part of the data."""
        whole = study.settings.split(part)
        return draw_folder(study, self.draw, part) / subset_name(whole, self.percent)


def run(context: StudyContext) -> None:
    """Train and test each arm on each part of the labels.

    Raises:
        UserError: The data set names no lesions, a training failed, or all learning rates of an arm
            diverged.
    """
    settings, study = context.settings, context.study
    arms = [arm for arm in settings.arms if not study.saw_labels(arm)]
    if not settings.labels or not arms:
        return
    draws = range(1, settings.draws + 1)
    lists = [draw_stage(study, draw, "train") for draw in draws]
    context.run("Few labels: lists", [*lists, draw_stage(study, _SEARCHED, "subtrain")])
    pairs = [Part(arm, percent) for percent in settings.labels for arm in arms]
    tried = _search(context, pairs)
    chosen = {pair: next(run.lr for run in runs if run.chosen) for pair, runs in tried.items()}
    parts = [pair._replace(draw=draw) for pair in pairs for draw in draws]
    finals = [final_stage(study, part, chosen[part._replace(draw=_SEARCHED)]) for part in parts]
    context.run("Few labels: final trainings", finals, settings.jobs)
    tests = [test_stage(study, part) for part in parts]
    context.run("Few labels: tests", tests, settings.jobs)
    errors = {
        (percent, draw): test_errors(
            {arm: test_stage(study, Part(arm, percent, draw)) for arm in arms}
        )
        for percent in settings.labels
        for draw in draws
    }
    context.labels = [
        replace(
            record(study, part, final, tried[part._replace(draw=_SEARCHED)]),
            errors=errors[part.percent, part.draw][part.arm],
        )
        for part, final in zip(parts, finals, strict=True)
    ]


def draw_folder(study: ResolvedStudy, draw: int, part: str) -> Path:
    """Return the folder of the lists of a draw."""
    return study.settings.labels_dir / f"{part}_fold{study.settings.fold}_draw{draw}"


def lesions(settings: StudySettings) -> Path:
    """Return the CSV of the lesions, whose labels are drawn together.

    Raises:
        UserError: There is none, or the data set has no command that draws.
    """
    data, path = settings.data, metadata_csv(settings)
    if not data.subset_command:
        raise UserError(f"--labels: {data.name} has no command that draws a part of the labels")
    if path is None:
        raise UserError(
            f"--labels draws whole lesions, and {data.groups.name} is missing: put it into "
            f"{data.root_variable}"
        )
    return path


def draw_stage(study: ResolvedStudy, draw: int, part: str) -> Stage:
    """Return the stage that draws all percentages from a list, once.

    Raises:
        UserError: See ``lesions``.
    """
    settings, data = study.settings, study.settings.data
    folder, whole = draw_folder(study, draw, part), settings.split(part)
    argv = (
        *(*data.subset_command, "--list", str(whole), data.groups.option, str(lesions(settings))),
        *("--percent", *(f"{percent:g}" for percent in settings.labels)),
        *("--seed", str(draw), "--out", str(folder)),
    )
    outputs = tuple(subset_name(whole, percent) for percent in settings.labels)
    return Stage(f"labels of {part}, draw {draw}", folder, argv, settings.root, outputs)


def _search(context: StudyContext, pairs: list[Part]) -> Mapping[Part, list[SearchRecord]]:
    """Choose the learning rate of each arm and percentage."""
    study = context.study
    if len(study.lrs) == 1:
        return {pair: _given(study, pair) for pair in pairs}
    trials = [(pair, lr) for pair in pairs for lr in study.lrs]
    stages = [search_stage(study, pair, lr) for pair, lr in trials]
    title = "Few labels: learning rates, chosen on validation lesions"
    context.run(title, stages, context.settings.jobs)
    tried: dict[Part, list[SearchRecord]] = {}
    for (pair, lr), stage in zip(trials, stages, strict=True):
        epochs = label_epochs(study.epochs, pair.percent)
        tried.setdefault(pair, []).append(search_record(study, pair.arm, lr, stage, epochs))
    return {pair: choose_lr(runs) for pair, runs in tried.items()}


def _given(study: ResolvedStudy, pair: Part) -> list[SearchRecord]:
    """Return the learning rate that was given, as if it had been chosen."""
    return [SearchRecord(pair.arm, study.lrs[0], 0, None, chosen=True, seconds=0.0)]


def search_stage(study: ResolvedStudy, pair: Part, lr: float) -> Stage:
    """Return the stage that tries a learning rate on the first draw."""
    epochs = label_epochs(study.epochs, pair.percent)
    folder = pair.folder(study, f"lr_{lr:g}")
    lists = {"train": pair.list(study, "subtrain"), "val": study.settings.split("val")}
    # One validation: only the last epoch counts.
    options = [*lesion_options(study, "val"), *_epochs(epochs), f"evaluation.interval={epochs}"]
    if (study.finetune.get("evaluation") or {}).get("start") is not None:
        options.append("evaluation.start=None")
    return Stage(
        name=f"fine-tuning {pair.arm}, {pair.percent:g} % of the labels, lr {lr:g}",
        folder=folder,
        argv=finetune_argv(study, pair.arm, lr, folder, lists, options),
        root=study.settings.root,
        epochs=epochs,
        may_diverge=True,  # then this learning rate is not chosen
        logged=True,
    )


def final_stage(study: ResolvedStudy, part: Part, lr: float) -> Stage:
    """Return the stage that fine-tunes on a draw of the training list."""
    epochs = label_epochs(study.epochs, part.percent)
    folder = part.folder(study, f"draw_{part.draw}")
    lists, options = {"train": part.list(study, "train")}, [*_epochs(epochs), "evaluation=None"]
    return Stage(
        name=f"final {part.arm}, {part.percent:g} % of the labels, draw {part.draw}",
        folder=folder,
        argv=finetune_argv(study, part.arm, lr, folder, lists, options),
        root=study.settings.root,
        outputs=(CHECKPOINT,),
        epochs=epochs,
        logged=True,
    )


def _epochs(epochs: int) -> list[str]:
    return [f"runner.max_epochs={epochs}"]


def test_stage(study: ResolvedStudy, part: Part) -> Stage:
    """Return the stage that measures the classifier of a draw on the test fold."""
    folder = part.folder(study, f"test_{part.draw}")
    checkpoint = part.folder(study, f"draw_{part.draw}") / CHECKPOINT
    argv = test_argv(study, checkpoint, folder)
    name = f"test {part.arm}, {part.percent:g} % of the labels, draw {part.draw}"
    return Stage(name, folder, argv, study.settings.root, (SCORES,), logged=True)


def record(
    study: ResolvedStudy, part: Part, final: Stage, tried: list[SearchRecord]
) -> LabelRecord:
    """Measure a classifier from the scores that its test wrote."""
    scores, labels = read_scores(test_stage(study, part).folder / SCORES)
    classes = head_classes(study.finetune) or [str(i) for i in range(scores.shape[1])]
    metrics = finite(classification_metrics(scores, labels, classes, detailed=True))
    return LabelRecord(
        arm=part.arm,
        percent=part.percent,
        draw=part.draw,
        images=num_lines(part.list(study, "train")),
        lr=next(run.lr for run in tried if run.chosen),
        epochs=label_epochs(study.epochs, part.percent),
        balanced_accuracy=metrics["balanced_accuracy"],
        accuracy=metrics["accuracy"],
        macro_auc=metrics["macro_auc"],
        recall={name: metrics[f"recall_{name}"] for name in classes},
        confusion_matrix=confusion_matrix(scores, labels, scores.shape[1]).tolist(),
        seconds=final.record.seconds,
        tried={f"{run.lr:g}": run.balanced_accuracy for run in tried if len(tried) > 1},
        made_by=final.record.made_by,
    )
