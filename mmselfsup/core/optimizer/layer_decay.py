"""Layer-wise learning-rate decay for ResNets.

As for transformers (Bao et al., "BEiT", arXiv 2106.08254, appendix): the learning rate of layer l
is lr * decay^(L + 1 - l). A stage counts as a layer: 0 the stem, 1..L the stages, L + 1 the rest.
"""

import re
from collections.abc import Callable
from typing import Any

from torch import nn

from mmselfsup.utils.errors import UserError

_STAGE = re.compile(r"backbone\.layer(\d+)\.")


def resnet_layer(name: str, num_stages: int) -> int:
    """Return a parameter's layer number: 0 the stem, 1..num_stages the stages, then the rest."""
    stage = _STAGE.match(name)
    if stage:
        return int(stage[1])
    return 0 if name.startswith("backbone.") else num_stages + 1


def layer_scales(model: nn.Module, decay: float) -> Callable[[str], float]:
    """Return the function from a parameter's name to the factor of its learning rate.

    Args:
        model: A model with a ``backbone`` whose stages are called ``layer1``, ``layer2``, ...
        decay: Factor from a layer to the one below, in (0, 1].

    Raises:
        UserError: ``decay`` is out of range, or the backbone has no such stages.
    """
    if not 0 < decay <= 1:
        raise UserError(f"optimizer.layer_decay is {decay}: use 0 < decay <= 1")
    backbone: Any = getattr(model, "backbone", None)
    parts = [name for name, _ in backbone.named_children()] if backbone is not None else []
    num_stages = sum(bool(re.fullmatch(r"layer\d+", name)) for name in parts)
    if not num_stages:
        raise UserError(
            f"optimizer.layer_decay needs a ResNet as backbone, not {type(backbone).__name__}; for "
            "transformers set optimizer.constructor='TransformerFinetuneConstructor'"
        )
    return lambda name: decay ** (num_stages + 1 - resnet_layer(name, num_stages))
