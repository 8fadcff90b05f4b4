"""What a study runs: data, configs, fold, seed, learning rates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: Learning rates to try if none are given, as multiples of the one in the fine-tuning config.
LR_FACTORS = (0.3, 1.0, 3.0)
SCRATCH = "scratch"


@dataclass(frozen=True)
class StudySettings:
    """One fold and one seed of the study, as the user asked for it.

    Attributes:
        root: The repository (it holds `configs/` and `tools/`).
        isic_root: Folder of ISIC-2019 (images and the official CSVs).
        work_dir: Everything the study writes.
        algorithm: Name of the pre-training and of its arm in the results, such as `simclr`.
        ssl_config: Config of the pre-training.
        finetune_config: Config of the classifier.
        fold: Number of the test fold, 0-based.
        seed: Seed of every training.
        gpus: Processes of a training, one GPU each; 0: one process on the GPU or the CPU.
        jobs: Fine-tunings run at the same time; 0: chosen for the machine.
        lrs: Learning rates tried for each arm; empty: `LR_FACTORS` times the config's.
        ssl_options: Overrides `key=value` of the pre-training config.
        finetune_options: Overrides `key=value` of the fine-tuning config.
        options: Overrides `key=value` of whichever of the two configs has the key.
        demo: Make and use the embedded data set.
    """

    root: Path
    isic_root: Path
    work_dir: Path
    algorithm: str
    ssl_config: Path
    finetune_config: Path
    fold: int = 0
    seed: int = 0
    gpus: int = 0
    jobs: int = 0
    lrs: tuple[float, ...] = ()
    ssl_options: tuple[str, ...] = ()
    finetune_options: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    demo: bool = False

    @property
    def arms(self) -> tuple[str, str]:
        """The two starts of the classifier: random weights and the pre-trained ones."""
        return SCRATCH, self.algorithm

    @property
    def ssl_dir(self) -> Path:
        """Work directory of the pre-training."""
        return self.work_dir / "ssl"

    @property
    def splits_dir(self) -> Path:
        """Folder of the lists of images."""
        return self.work_dir / "data" / "splits"

    def split(self, part: str) -> Path:
        """List of images: part is train, test, subtrain or val."""
        return self.splits_dir / f"ISIC_2019_{part}_fold{self.fold}.txt"

    def run_dir(self, arm: str, name: str) -> Path:
        """Work directory of a fine-tuning: name is `final` or `lr_<value>`."""
        return self.work_dir / "finetune" / arm / name
