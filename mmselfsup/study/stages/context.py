"""A study while it runs: what its stages have found so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..arm_records import ArmRecord, LabelRecord
from ..external_records import ExternalRecord, ExternalSet
from ..process import Machine
from ..records import Curriculum, RunRecord, SearchRecord, SslRecord
from ..resolved import ResolvedStudy
from ..settings import StudySettings
from .stage import Stage, run_stages


@dataclass
class StudyContext:
    """What each stage gets: the settings, and what the stages before it have added.

    Attributes:
        settings: What the user requested.
        machine: Where the study runs.
        commands: The command lines so far.
        curriculum: How the order of the pre-trainings was chosen; None where it was given.
        ssl: The pre-trainings.
        tried: The learning rates tried; empty if there is only one.
        lrs: Learning rate of the classifier by arm.
        runs: The classifiers compared.
        arms: The arms of --start.
        labels: The classifiers trained on few labels.
        external_sets: The test sets of other clinics, after the study's own test fold.
        external: The classifiers on these.
    """

    settings: StudySettings
    machine: Machine
    commands: list[str] = field(default_factory=list)
    curriculum: Curriculum | None = None
    ssl: list[SslRecord] = field(default_factory=list)
    tried: list[SearchRecord] = field(default_factory=list)
    lrs: dict[str, float] = field(default_factory=dict)
    runs: list[RunRecord] = field(default_factory=list)
    arms: list[ArmRecord] = field(default_factory=list)
    labels: list[LabelRecord] = field(default_factory=list)
    external_sets: list[ExternalSet] = field(default_factory=list)
    external: list[ExternalRecord] = field(default_factory=list)
    _study: ResolvedStudy | None = None

    @property
    def study(self) -> ResolvedStudy:
        """Return the study ready to run, once its data are there."""
        assert self._study is not None, "the data come first"
        return self._study

    def resolve(self, images: Path) -> None:
        """Read the configs, for images in a folder."""
        self._study = ResolvedStudy(self.settings, images)

    def choose(self, curriculum: Curriculum) -> None:
        """Take the order of the pre-trainings that was chosen."""
        self.curriculum = curriculum
        self.settings = replace(self.settings, order=curriculum.chosen)
        self.resolve(self.study.images)

    def run(self, title: str, stages: Sequence[Stage], at_a_time: int = 0) -> None:
        """Run those stages that aren't done yet, see ``run_stages``; note their commands."""
        run_stages(title, stages, self.machine, at_a_time)
        self.commands += [str(stage.command) for stage in stages]
