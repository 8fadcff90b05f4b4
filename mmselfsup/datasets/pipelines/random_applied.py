"""A group of transforms that are applied together or not at all."""

from collections.abc import Sequence
from typing import Any

from ..builder import PIPELINES, build_pipeline
from .chance import bernoulli, check_probability


@PIPELINES.register_module()
class RandomAppliedTrans:
    """A list of transforms that is applied with some probability.

    Args:
        transforms: Configs of the transforms.
        p: Probability of applying them.
    """

    takes_pixels = True

    def __init__(self, transforms: Sequence[dict[str, Any]], p: float = 0.5) -> None:
        check_probability(p)
        self.trans: Any = build_pipeline(transforms)
        self.p = p

    def __call__(self, img: Any) -> Any:
        return self.trans(img) if bernoulli(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.trans!r}, p={self.p})"
