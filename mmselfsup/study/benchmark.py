"""One pre-training of the comparison, or the untrained network as their baseline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import configs
from ..find_configs import find_ssl_config
from .budget import budget_options, epochs_for, views_per_image
from .settings import FrozenSettings

if TYPE_CHECKING:
    from mmcv import Config

UNTRAINED = "untrained"


@dataclass(frozen=True, eq=False)
class Entry:
    """A row of the table.

    Attributes:
        name: The algorithm, or ``untrained``.
        seed: Seed of its training, or of the untrained network's random weights.
        config: File of its config.
        cfg: The config with the overrides.
        options: Overrides ``key=value`` of its training, the budget's included.
        epochs: Epochs of its training; 0: untrained.
        views: Total number of views that the network sees.
        folder: Work directory.
    """

    name: str
    seed: int
    config: Path
    cfg: Config
    options: tuple[str, ...]
    epochs: int
    views: int
    folder: Path

    @property
    def title(self) -> str:
        """Name and seed, as text."""
        return f"{self.name}, seed {self.seed}"


def plan_entries(settings: FrozenSettings, num_images: int) -> list[Entry]:
    """Return every row: the untrained network first, then each algorithm, with each seed.

    Raises:
        UserError: A config is missing or can't be used with these images or overrides.
    """
    folder = settings.root / "configs"
    paths = [find_ssl_config(folder, name, settings.size) for name in settings.algorithms]
    distributed = configs.share_options(settings.options, [configs.load(path) for path in paths])
    # The untrained network is that of the first algorithm's config.
    untrained = _entries(settings, UNTRAINED, paths[0], distributed[0], 0)
    trained = [
        _entries(settings, name, path, options, num_images)
        for name, path, options in zip(settings.algorithms, paths, distributed, strict=True)
    ]
    return [entry for entries in (untrained, *trained) for entry in entries]


def _entries(
    settings: FrozenSettings, name: str, path: Path, options: list[str], num_images: int
) -> list[Entry]:
    """Return the rows of one name, one for each seed; without images: untrained."""
    cfg = configs.load(path, options)
    epochs, views = 0, 0
    if num_images:
        epochs = epochs_for(cfg, settings.views, num_images)
        views = epochs * num_images * views_per_image(cfg)
        options = [*options, *budget_options(cfg, epochs, num_images)]
        cfg = configs.load(path, options)
    return [
        Entry(
            name=name,
            seed=seed,
            config=path,
            cfg=cfg,
            options=tuple(options),
            epochs=epochs,
            views=views,
            folder=settings.out / f"{name}_seed{seed}",
        )
        for seed in settings.seeds
    ]
