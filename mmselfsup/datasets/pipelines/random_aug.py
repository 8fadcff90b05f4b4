"""RandAugment and random erasing of timm, for fine-tuning."""

import importlib
from collections.abc import Sequence
from typing import Any

from mmselfsup.utils.errors import UserError

from ..builder import PIPELINES


@PIPELINES.register_module()
class RandomAug:
    """The complete training transform of timm: crop, flip, augment, to tensor, normalise, erase.

    It needs the library timm. Arguments that are None keep timm's defaults, except
    ``color_jitter``, where None means none.

    Args:
        input_size: Side of the image.
        color_jitter: Strength of the colour jitter.
        auto_augment: Policy in timm's spelling, such as ``rand-m9-mstd0.5-inc1``.
        interpolation: ``bilinear``, ``bicubic`` or ``random``.
        re_prob: Probability of random erasing.
        re_mode: Content of an erased area: ``const``, ``rand`` or ``pixel``.
        re_count: Number of erased areas in an image.
        mean: Mean of each channel, in 0..1.
        std: Standard deviation of each channel, in 0..1.
    """

    def __init__(
        self,
        input_size: int | None = None,
        color_jitter: float | None = None,
        auto_augment: str | None = None,
        interpolation: str | None = None,
        re_prob: float | None = None,
        re_mode: str | None = None,
        re_count: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        try:  # timm is an optional dependency
            create_transform = importlib.import_module("timm.data").create_transform
        except ImportError as error:
            raise UserError(
                "RandomAug needs timm, which is not installed: pip install timm"
            ) from error
        options: dict[str, Any] = {
            "input_size": input_size,
            "auto_augment": auto_augment,
            "interpolation": interpolation,
            "re_prob": re_prob,
            "re_mode": re_mode,
            "re_count": re_count,
            "mean": mean,
            "std": std,
        }
        given = {name: value for name, value in options.items() if value is not None}
        self.transforms = create_transform(is_training=True, color_jitter=color_jitter, **given)

    def __call__(self, img: Any) -> Any:
        return self.transforms(img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.transforms!r})"
