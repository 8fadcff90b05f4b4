"""A study ready to run: settings, configs read, overrides dealt."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mmselfsup.utils.errors import UserError

from . import configs
from .settings import LR_FACTORS, SCRATCH, StudySettings

if TYPE_CHECKING:
    from mmcv import Config

#: Keys of the fine-tuning that the comparison itself sets.
_OWN_KEYS = ("optimizer.lr", "load_from", "resume_from")


@dataclass(frozen=True)
class Plan:
    """The settings of a study with its configs read and its overrides dealt."""

    settings: StudySettings
    images: Path

    @cached_property
    def ssl(self) -> Config:
        """Config of the pre-training with its overrides."""
        return configs.load(self.settings.ssl_config, self.ssl_options)

    @cached_property
    def finetune(self) -> Config:
        """Config of the classifier with its overrides."""
        cfg = configs.load(self.settings.finetune_config, self.finetune_options)
        configs.check_scratch(cfg)
        return cfg

    @cached_property
    def ssl_options(self) -> list[str]:
        """Overrides of the pre-training."""
        return [*self._shared[0], *self.settings.ssl_options]

    @cached_property
    def finetune_options(self) -> list[str]:
        """Overrides of the fine-tuning.

        Raises:
            UserError: One of them is the comparison's own.
        """
        options = [*self._shared[1], *self.settings.finetune_options]
        for option in options:
            if option.split("=", 1)[0] in _OWN_KEYS:
                raise UserError(
                    f"{option} can't be given to the fine-tuning: the study sets it for each arm "
                    "(FINETUNE_LRS lists the learning rates; --ssl-options are for pre-training)"
                )
        return options

    @cached_property
    def _shared(self) -> tuple[list[str], list[str]]:
        """Overrides of either config, dealt."""
        settings = self.settings
        plain = (configs.load(path) for path in (settings.ssl_config, settings.finetune_config))
        return configs.share_options(settings.options, *plain)

    @cached_property
    def lrs(self) -> tuple[float, ...]:
        """Learning rates to try."""
        base = self.finetune.optimizer.lr
        return self.settings.lrs or tuple(float(f"{base * f:.3g}") for f in LR_FACTORS)

    @cached_property
    def epochs(self) -> int:
        """Epochs of every fine-tuning, overrides included."""
        return configs.max_epochs(self.finetune)

    @cached_property
    def ssl_epochs(self) -> int:
        """Epochs of the pre-training, overrides included."""
        return configs.max_epochs(self.ssl)

    def weights(self, arm: str) -> Path | None:
        """File the classifier of an arm starts from; None: random weights."""
        return None if arm == SCRATCH else self.settings.ssl_dir / "latest.pth"

    def relative(self, path: Path) -> str:
        """Write a path inside the repository from there."""
        rel = os.path.relpath(path, self.settings.root)
        return str(path) if rel.startswith("..") else rel
