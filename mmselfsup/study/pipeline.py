"""The whole study, in order."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

from mmselfsup.config.inspect import class_list
from mmselfsup.isic.challenge import find_images

from . import collect, commands, data_files, machine, steps
from .backbones import check_backbones
from .explain.stage import explain_classifiers
from .greedy.record import Curriculum
from .greedy.run import choose_curriculum
from .looks.stage import look_at_features
from .lr_search import try_lrs
from .plan import ResolvedStudy
from .process import Command
from .ready_lists import check_lists
from .report import write_report
from .results import Results
from .settings import TRAIN, StudySettings
from .ssl_images import write_ssl_list
from .stage import Job, run_stage
from .table import print_results


def run_study(settings: StudySettings) -> Results:
    """Run the steps that aren't done yet, write results.json and report.html, print the table.

    Raises:
        UserError: Something the user gave can't be used, or a training failed.
    """
    command_list: list[Command] = []
    check(settings)
    this_machine = machine.look()
    images = _prepare_data(settings, this_machine, command_list)
    write_ssl_list(settings)

    study, curriculum = _pretrain(settings, images, this_machine, command_list)
    settings = study.settings  # with the order that was chosen
    command_list += look_at_features(study, this_machine)

    tried = try_lrs(study, this_machine, command_list)
    # With a single learning rate there is no search, and it is that of every arm.
    chosen = {run.arm: run.lr for run in tried if run.chosen} or dict.fromkeys(
        settings.arms, study.lrs[0]
    )
    finals = [
        Job(steps.final_step(study, arm, lr), commands.final(study, arm, lr), study.epochs)
        for arm, lr in chosen.items()
    ]
    run_stage("Final training on the whole training fold", finals, this_machine, settings.jobs)
    tests = [
        Job(steps.test_step(study, arm, lr), commands.test(study, arm))
        for arm, lr in chosen.items()
    ]
    seen = "training" if settings.ssl_on == TRAIN else "fine-tuning"
    run_stage(f"Test on lesions that no {seen} has seen", tests, this_machine, settings.jobs)
    command_list += [job.command for job in (*finals, *tests)]
    command_list += explain_classifiers(study, this_machine, chosen)

    results = Results(
        study=collect.study_facts(study),
        runs=[
            collect.run_record(study, arm, lr, job.step)
            for (arm, lr), job in zip(chosen.items(), finals, strict=True)
        ],
        lr_search=tried,
        ssl=[collect.ssl_record(study, task) for task in study.pretrainings],
        split=collect.split_counts(study),
        environment=machine.environment(this_machine),
        commands=[str(command) for command in command_list],
        curriculum=curriculum,
    )
    results.write(settings.work_dir / "results.json")
    _close(results, settings)
    return results


def _prepare_data(
    settings: StudySettings, this_machine: machine.Machine, command_list: list[Command]
) -> Path:
    """Make the demo images if requested, and the lists if not given.

    Returns:
        The folder of images.
    """
    if settings.demo:
        argv = ("tools/isic2019/make_demo_data.py", "--out", str(settings.isic_root))
        command = Command(argv, settings.root)
        command_list.append(command)
        run_stage("Demo data", [Job(steps.demo_data_step(settings), command)], this_machine)
    folder, files = find_images(settings.isic_root)
    if settings.ready_splits is not None:
        return folder
    command = commands.splits(settings)
    command_list.append(command)
    run_stage("Splits", [Job(steps.split_step(settings, len(files)), command)], this_machine)
    return folder


def _pretrain(
    settings: StudySettings,
    images: Path,
    this_machine: machine.Machine,
    command_list: list[Command],
) -> tuple[ResolvedStudy, Curriculum | None]:
    """Pre-train in the given order, or choose the order.

    Returns:
        The study with the order that was used, and how that was chosen (None: given).
    """
    study = ResolvedStudy(settings, images)
    if settings.min_gain is not None:
        curriculum, pretrain_commands = choose_curriculum(study, this_machine, settings.min_gain)
        command_list += pretrain_commands
        return ResolvedStudy(replace(settings, order=curriculum.chosen), images), curriculum
    for task in study.pretrainings:
        job = Job(steps.pretrain_step(study, task), commands.pretrain(study, task), task.epochs)
        run_stage(f"Pre-training: {task.name}", [job], this_machine)
        command_list.append(job.command)
    return study, None


def check(settings: StudySettings) -> None:
    """Find mistakes in the settings before hours of training, not after.

    Raises:
        UserError: A config, an override or the fold can't be used, the networks
            differ, or there are too few GPUs.
    """
    data_files.check_fold(settings)
    machine.check_gpus(settings.gpus)
    study = ResolvedStudy(settings, settings.isic_root)
    # Computed on access: reading them finds every error in configs and overrides.
    _ = study.finetune, study.lrs, study.epochs, [task.epochs for task in study.pretrainings]
    if settings.ready_splits is not None:
        paths = [settings.split(part) for part in data_files.PARTS]
        images, _ = find_images(settings.isic_root)
        check_lists(paths, images, class_list(study.finetune))
    for task in study.pretrainings:
        for warning in check_backbones(task, study.finetune):
            print(f"warning: {warning}", flush=True)


def _close(results: Results, settings: StudySettings) -> None:
    """Print the results and the paths of report, numbers and logs."""
    print()
    print_results(results)
    report = write_report(settings.work_dir)
    # The environment need not be activated: then name its tensorboard by its path.
    beside = Path(sys.executable).with_name("tensorboard")
    tensorboard = "tensorboard" if shutil.which("tensorboard") or not beside.exists() else beside
    print(
        f"\nReport:       {report}\nNumbers:      {settings.work_dir / 'results.json'}\n"
        f"TensorBoard:  {tensorboard} --logdir {settings.work_dir}",
        flush=True,
    )
