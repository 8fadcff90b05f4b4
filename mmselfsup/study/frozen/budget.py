"""The epochs of a config in which the network sees a given number of views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmselfsup.config.inspect import find_dataset
from mmselfsup.utils.errors import UserError

if TYPE_CHECKING:
    from mmcv import Config

#: Views of an image in an epoch: four rotations; nine patches, of which the central one is paired
#: with each of the eight others.
_VIEWS = {"RotationPredDataset": 4, "RelativeLocDataset": 9}

#: Fraction of a training for its warm-up, which configs give in epochs of a long training.
WARMUP = 0.05


def views_per_image(cfg: Config) -> int:
    """Count the views of an image that the network sees in an epoch, small crops included."""
    dataset = find_dataset(cfg, "train")[1]
    if "num_views" in dataset:
        return sum(int(number) for number in dataset["num_views"])
    return _VIEWS.get(dataset["type"], 1)


def epochs_for(cfg: Config, views: int, num_images: int) -> int:
    """Return the number of epochs nearest to a number of views, at least one."""
    return max(1, round(views / (views_per_image(cfg) * num_images)))


def budget_options(cfg: Config, epochs: int, num_images: int) -> list[str]:
    """Return the overrides of epochs and warm-up (``WARMUP`` times the iterations).

    Raises:
        UserError: A batch holds more images than there are.
    """
    options = [f"runner.max_epochs={epochs}"]
    batch = _batch(cfg)
    if batch > num_images:
        raise UserError(
            f"{cfg.filename}: a batch of {batch} images, but the training list has {num_images}; "
            "give --cfg-options data.samples_per_gpu=N"
        )
    if cfg.get("lr_config", {}).get("warmup"):  # epochs of warm-up could exceed the short training
        iters = max(1, round(WARMUP * epochs * (num_images // batch)))
        options += ["lr_config.warmup_by_epoch=False", f"lr_config.warmup_iters={iters}"]
        # From a ratio near 0, the first iterations of a short training would hardly train.
        options += [f"lr_config.warmup_ratio={max(cfg.lr_config.get('warmup_ratio', 0), 0.1):g}"]
    return options


def _batch(cfg: Config) -> int:
    data: Any = cfg.data
    return int(data.get("samples_per_gpu", 1))
