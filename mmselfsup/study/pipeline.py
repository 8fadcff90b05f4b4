"""The whole study, in order.

The sweep over the requested folds and seeds, one study after the other.
"""

from __future__ import annotations

import datetime
import shutil
import sys
from contextlib import nullcontext
from pathlib import Path

from mmselfsup.config.inspect import head_classes
from mmselfsup.utils.files import remove_leftovers
from mmselfsup.utils.signals import stop_signals
from mmselfsup.utils.study_data import Words
from mmselfsup.version import __version__

from . import configs, pipeline
from .data import PARTS, check_fold, check_lists, data_facts, listed_classes
from .fingerprint import forget_images
from .keep import check_keep, tidy
from .look import how_prepared, show_look
from .process import check_gpus, environment, inspect_machine, only_commands, only_study
from .records import Results, StudyFacts
from .report.external_tables import print_external, write_external_table
from .report.page import write_report
from .report.starts_tables import print_starts
from .report.statistics import RESULTS
from .report.sweep import make_overview, print_overview, write_page, write_tables
from .report.tables import display_name, print_results
from .report.words import words_of, write_words
from .resolved import ResolvedStudy
from .settings import DEFAULT_DATA, StudyRequest, StudySettings
from .stages import STAGES
from .stages.context import StudyContext
from .stages.curriculum import greedy_facts
from .stages.external import check as check_external
from .stages.labels import check_few_labels, lesions
from .stages.lr_search import check_evaluation
from .stages.pretrain import check_backbones, check_labels


def run_study(settings: StudySettings) -> Results:
    """Run the stages that aren't done yet, write results.json and report.html, print the table.

    Raises:
        UserError: Something the user gave can't be used, or a training failed.
    """
    check(settings)
    forget_images(settings.image_index, settings.verify)
    for folder in (settings.work_dir, settings.data_dir or settings.work_dir / "data"):
        remove_leftovers(folder)
    context = StudyContext(settings, inspect_machine())
    for stage in STAGES:
        stage.run(context)
    results = Results(
        study=study_facts(context.study),
        runs=context.runs,
        lr_search=context.tried,
        ssl=context.ssl,
        split=split_counts(context.study),
        environment=environment(context.machine),
        commands=context.commands,
        curriculum=context.curriculum,
        arms=context.arms,
        labels=context.labels,
        external_sets=context.external_sets,
        external=context.external,
    )
    results.write(settings.work_dir / "results.json")
    write_external_table(settings.work_dir, results)
    chosen = [settings.run_dir(arm, f"lr_{lr:g}") for arm, lr in context.lrs.items()]
    if removed := tidy(settings.work_dir, settings.keep, chosen if settings.external else ()):
        print(f"\n{removed}", flush=True)
    _close(results, settings)
    return results


def check(settings: StudySettings) -> None:
    """Find mistakes in the settings before hours of training, not after.

    Raises:
        UserError: A config, an override or the fold can't be used, the networks
            differ, or there are too few GPUs.
    """
    check_keep(settings.keep)
    check_fold(settings)
    check_gpus(settings.gpus)
    study = ResolvedStudy(settings, settings.data_root)
    # Computed on access: reading them finds every error in configs and overrides.
    _ = study.finetune, study.lrs, study.epochs, [task.epochs for task in study.pretrainings]
    if settings.labels and not settings.demo:  # the demo makes its files first
        lesions(settings)
    check_external(study)
    if settings.ready_splits is not None:
        paths = [settings.split(part) for part in PARTS]
        images, _ = settings.data.find_images(settings.data_root)
        check_lists(paths, images, head_classes(study.finetune))
    check_labels(study)
    check_evaluation(study)
    check_few_labels(study)
    for task in study.pretrainings:
        for warning in check_backbones(task, study.finetune):
            print(f"warning: {warning}", flush=True)
    for task in study.pretrainings:
        loaded = configs.own_weights(task.cfg)
        if loaded and task.weights is None:
            print(
                f"warning: the config of {task.tasks[-1]} loads {loaded}, and tables "
                f"call the arm {display_name(task.name)}: name the weights by --start "
                "NAME=FILE+ssl instead",
                flush=True,
            )


def _close(results: Results, settings: StudySettings) -> None:
    """Print the results and the paths of report, numbers and logs."""
    print()
    print_results(results)
    print_starts(results)
    print_external(results)
    report = write_report(settings.work_dir)
    # The environment need not be activated: then name its tensorboard by its path.
    beside = Path(sys.executable).with_name("tensorboard")
    tensorboard = "tensorboard" if shutil.which("tensorboard") or not beside.exists() else beside
    print(
        f"\nReport:       {report}\nNumbers:      {settings.work_dir / 'results.json'}\n"
        f"TensorBoard:  {tensorboard} --logdir {settings.work_dir}",
        flush=True,
    )


def run_sweep(request: StudyRequest) -> None:
    """Run the studies, and report over all of them where folds or seeds were given as lists.

    Raises:
        UserError: Another study works in the same folder, something the user gave can't be used,
            or a training failed.
        Stopped: A signal asked to stop; the running trainings have written checkpoints.
    """
    for study in request.studies:  # all of them first: a mistake in the last one costs no training
        pipeline.check(study)
    show_look(request)
    first = request.studies[0]
    prepared = how_prepared(first) if first.data is DEFAULT_DATA else ""
    with (
        stop_signals("; the same command continues"),
        only_study(request.work_dir),
        only_commands(request.work_dir),
    ):
        if prepared:  # other data have their words already
            data = first.data
            words = Words(data.name, *data.group, prepared, data.licence, data.lists)
            write_words(request.work_dir, words)
        for number, study in enumerate(request.studies, 1):
            if request.several:
                count = f"{number} of {len(request.studies)}"
                print(f"\n#### Fold {study.fold}, seed {study.seed} ({count})", flush=True)
            # One of the folds may run on its own, under a lock of its folder.
            with only_study(study.work_dir) if request.several else nullcontext():
                pipeline.run_study(study)
        report(request.work_dir)


def report(root: Path) -> None:
    """Write the table of all runs under a folder; print it and write its page if there are several.

    Raises:
        UserError: There are none, or a file can't be written.
    """
    with words_of(root):
        _report(root)


def _report(root: Path) -> None:
    """Report with the words that are set."""
    overview = make_overview(root)
    files = write_tables(overview)
    if overview.num_studies > 1 or not (root / RESULTS).exists():
        files.append(write_page(overview))
        print()
        print_overview(overview)
    print(f"Tables:       {', '.join(map(str, files))}", flush=True)


def study_facts(study: ResolvedStudy) -> StudyFacts:
    """Describe the study: the ``study`` part of results.json."""
    settings = study.settings
    return StudyFacts(
        algorithms=tuple(settings.ssl_configs),
        compare=settings.compare,
        greedy=greedy_facts(study),
        ssl_on=settings.ssl_on,
        fold=settings.fold,
        seed=settings.seed,
        demo=settings.demo,
        ssl_configs=tuple(study.relative(path) for path in settings.ssl_configs.values()),
        finetune_config=study.relative(settings.finetune_config),
        data=data_facts(settings, study.images),
        gpus=max(settings.gpus, 1),
        lrs=study.lrs,
        date=datetime.date.today().isoformat(),
        version=__version__,
    )


def split_counts(study: ResolvedStudy) -> dict[str, dict[str, int]]:
    """Count the images of every class in the lists of the fold."""
    classes = listed_classes(study.settings) or head_classes(study.finetune) or []
    # From the lists, not from splits.json: they may be the user's own.
    counts = {}
    for part in PARTS:
        lines = study.settings.split(part).read_text(encoding="utf-8").splitlines()
        labels = [int(line.rsplit(maxsplit=1)[1]) for line in lines if line.strip()]
        counts[part] = {name: labels.count(i) for i, name in enumerate(classes)}
    return counts
