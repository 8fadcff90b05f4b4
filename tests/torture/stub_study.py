"""The course of a study alone: its tools are stubs that take no time but a few pauses."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmselfsup.study import pipeline
from mmselfsup.study.find_configs import find_finetune_config, find_ssl_config
from mmselfsup.study.settings import StudyRequest, StudySettings
from tests.study import fake_tools

from .compare import files_of
from .processes import Work
from .scenario import ROOT, Scenario, text_of

_PAUSE_S = 0.2  # before each checkpoint that a stub training writes


def prepare(place: Path) -> None:
    """Write a repository of stubs; equal trainings write equal weights."""
    root = place / "repository"
    fake_tools.make_fake_repository(root)
    text = fake_tools.TRAIN.replace("{time.time_ns()}", "{work_dir.parts[-2:]}")
    pause = f"time.sleep({_PAUSE_S})\n(work_dir / "
    (root / "tools" / "train.py").write_text(text.replace("\n(work_dir / ", f"\n{pause}"))


def run(place: Path, out: str) -> None:
    """Run the study, without the figures of its report."""
    sys.stdout = sys.stderr = text_of(place, out).open("w", buffering=1)
    os.chdir(place / "repository")
    setattr(pipeline, "write_report", lambda work_dir: work_dir / "report.html")  # noqa: B010
    configs, work_dir = ROOT / "configs", place / out
    study = StudySettings(
        root=place / "repository",
        data_root=Path("isic"),
        work_dir=work_dir,
        ssl_configs={"simclr": find_ssl_config(configs, "simclr", "demo")},
        finetune_config=find_finetune_config(configs, "demo"),
        lrs=(0.01, 0.1, 0.9),  # the last one diverges
        jobs=2,
        options=("runner.max_epochs=1",),
    )
    pipeline.run_sweep(StudyRequest(work_dir, (study,), several=False))


def _works(place: Path, out: str) -> Sequence[Work]:
    return [Work(run, (place, out))]


def _state(place: Path, out: str) -> dict[str, Any]:
    """Return all files; see ``files_of`` for what is left out."""
    return files_of(place / out, "*.log", ".*.lock")


SCENARIOS = (Scenario("stubs", _works, _state, alone=True),)
