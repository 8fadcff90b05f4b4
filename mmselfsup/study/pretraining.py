"""One pre-training, alone or as the last task of a curriculum."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmselfsup.config.inspect import max_epochs

from .settings import JOIN

if TYPE_CHECKING:
    from mmcv import Config


@dataclass(frozen=True, eq=False)
class Pretraining:
    """A pre-training ready to run.

    Its name contains all that it depends on: its task and all tasks before it. So curricula with
    a common beginning use the same trainings, and a task compared on its own is the first of its
    curriculum.

    Attributes:
        tasks: Names of the tasks, this one last.
        config: File of its config.
        cfg: The config with its overrides.
        options: Overrides ``key=value``.
        folder: Work directory.
        after: The pre-training from whose backbone this one starts; None: random weights.
    """

    tasks: tuple[str, ...]
    config: Path
    cfg: Config
    options: tuple[str, ...]
    folder: Path
    after: Pretraining | None = None

    @property
    def name(self) -> str:
        """Name of the pre-training and of its arm."""
        return JOIN.join(self.tasks)

    @property
    def backbone(self) -> Path:
        """The trained backbone alone: heads and necks are not passed to the next task."""
        return self.folder / "backbone.pth"

    @property
    def epochs(self) -> int:
        """Epochs of this task, overrides included."""
        return max_epochs(self.cfg)

    @property
    def chain(self) -> tuple[Pretraining, ...]:
        """This pre-training after all those before it."""
        return (*(self.after.chain if self.after else ()), self)
