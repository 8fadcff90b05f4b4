"""The whole study, in order."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

from mmselfsup.isic.layout import find_images

from . import collect, commands, configs, data_files, machine, steps
from .backbones import check_backbones
from .explain.stage import explain_classifiers
from .greedy.record import Curriculum
from .greedy.run import choose_curriculum
from .looks.stage import look_at_features
from .lr_search import try_lrs
from .plan import Plan
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
    typed: list[Command] = []
    check(settings)
    here = machine.look()
    images = _prepare_data(settings, here, typed)
    write_ssl_list(settings)

    plan, curriculum = _pretrain(settings, images, here, typed)
    settings = plan.settings
    typed += look_at_features(plan, here)

    tried = try_lrs(plan, here, typed)
    chosen = {run.arm: run.lr for run in tried if run.chosen} or dict.fromkeys(
        settings.arms, plan.lrs[0]
    )
    finals = [
        Job(steps.final_step(plan, arm, lr), commands.final(plan, arm, lr), plan.epochs)
        for arm, lr in chosen.items()
    ]
    run_stage("Final training on the whole training fold", finals, here, settings.jobs)
    tests = [
        Job(steps.test_step(plan, arm, lr), commands.test(plan, arm)) for arm, lr in chosen.items()
    ]
    seen = "training" if settings.ssl_on == TRAIN else "fine-tuning"
    run_stage(f"Test on lesions that no {seen} has seen", tests, here, settings.jobs)
    typed += [job.command for job in (*finals, *tests)]
    typed += explain_classifiers(plan, here, chosen)

    results = Results(
        study=collect.study_facts(plan),
        runs=[
            collect.run_record(plan, arm, lr, job.step)
            for (arm, lr), job in zip(chosen.items(), finals, strict=True)
        ],
        lr_search=tried,
        ssl=[collect.ssl_record(plan, task) for task in plan.pretrainings],
        split=collect.split_counts(plan),
        environment=machine.environment(here),
        commands=[str(command) for command in typed],
        curriculum=curriculum,
    )
    results.write(settings.work_dir / "results.json")
    _close(results, settings)
    return results


def _prepare_data(settings: StudySettings, here: machine.Machine, typed: list[Command]) -> Path:
    """Make the demo images if asked, then the lists if not given; return the folder of images."""
    if settings.demo:
        argv = ("tools/isic2019/make_demo_data.py", "--out", str(settings.isic_root))
        command = Command(argv, settings.root)
        typed.append(command)
        run_stage("Demo data", [Job(steps.demo_data_step(settings), command)], here)
    folder, files = find_images(settings.isic_root)
    if settings.ready_splits is not None:
        return folder
    command = commands.splits(settings)
    typed.append(command)
    run_stage("Splits", [Job(steps.split_step(settings, len(files)), command)], here)
    return folder


def _pretrain(
    settings: StudySettings, images: Path, here: machine.Machine, typed: list[Command]
) -> tuple[Plan, Curriculum | None]:
    """Pre-train in the order given, or choose it; return the plan with the order that counts."""
    plan = Plan(settings, images)
    if settings.min_gain is not None:
        found, did = choose_curriculum(plan, here, settings.min_gain)
        typed += did
        return Plan(replace(settings, order=found.chosen), images), found
    for task in plan.pretrainings:
        job = Job(steps.pretrain_step(plan, task), commands.pretrain(plan, task), task.epochs)
        run_stage(f"Pre-training: {task.name}", [job], here)
        typed.append(job.command)
    return plan, None


def check(settings: StudySettings) -> None:
    """Find mistakes in the settings before hours of training, not after.

    Raises:
        UserError: A config, an override or the fold can't be used, the networks are different
            ones, or there are too few GPUs.
    """
    data_files.check_fold(settings)
    machine.check_gpus(settings.gpus)
    plan = Plan(settings, settings.isic_root)
    _ = plan.finetune, plan.lrs, plan.epochs, [task.epochs for task in plan.pretrainings]
    if settings.ready_splits is not None:
        paths = [settings.split(part) for part in data_files.PARTS]
        images, _ = find_images(settings.isic_root)
        check_lists(paths, images, configs.class_list(plan.finetune))
    for task in plan.pretrainings:
        for warning in check_backbones(task, plan.finetune):
            print(f"warning: {warning}", flush=True)


def _close(results: Results, settings: StudySettings) -> None:
    """Show what came out and where to look further."""
    print()
    print_results(results)
    report = write_report(settings.work_dir)
    beside = Path(sys.executable).with_name("tensorboard")
    tensorboard = "tensorboard" if shutil.which("tensorboard") or not beside.exists() else beside
    print(
        f"\nReport:       {report}\nNumbers:      {settings.work_dir / 'results.json'}\n"
        f"TensorBoard:  {tensorboard} --logdir {settings.work_dir}",
        flush=True,
    )
