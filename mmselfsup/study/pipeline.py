"""The whole study, in order."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from mmselfsup.isic.layout import find_images

from . import collect, commands, configs, data_files, machine, steps
from .backbones import check_backbones
from .looks.stage import look_at_features
from .plan import Plan
from .process import Command
from .ready_lists import check_lists
from .record import SearchRecord
from .report import write_report
from .results import Results
from .search import choose_lr
from .settings import StudySettings
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
    plan = Plan(settings, _prepare_data(settings, here, typed))

    for task in plan.pretrainings:
        job = Job(steps.pretrain_step(plan, task), commands.pretrain(plan, task), task.epochs)
        run_stage(f"Pre-training: {task.name}", [job], here)
        typed.append(job.command)
    typed += look_at_features(plan, here)

    tried = _search(plan, here, typed)
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
    run_stage("Test on lesions that no training has seen", tests, here, settings.jobs)
    typed += [job.command for job in (*finals, *tests)]

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


def _search(plan: Plan, here: machine.Machine, typed: list[Command]) -> list[SearchRecord]:
    """Try the learning rates for each arm; nothing to try if there is only one."""
    settings = plan.settings
    if len(plan.lrs) == 1:
        return []
    pairs = [(arm, lr) for arm in settings.arms for lr in plan.lrs]
    jobs = [
        Job(
            steps.search_step(plan, arm, lr),
            commands.search(plan, arm, lr),
            plan.epochs,
            may_diverge=True,
        )
        for arm, lr in pairs
    ]
    typed += [job.command for job in jobs]
    run_stage("Learning rates, chosen on validation lesions", jobs, here, settings.jobs)
    tried = [
        collect.search_record(plan, arm, lr, job.step)
        for (arm, lr), job in zip(pairs, jobs, strict=True)
    ]
    found = [
        run for arm in settings.arms for run in choose_lr([run for run in tried if run.arm == arm])
    ]
    for run in found:
        value = "diverged" if run.balanced_accuracy is None else f"{run.balanced_accuracy:.3f}"
        print(f"{run.arm:>12}  lr {run.lr:<8g} {value}{'  <- chosen' if run.chosen else ''}")
    return found


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
