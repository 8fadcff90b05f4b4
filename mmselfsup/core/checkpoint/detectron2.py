"""A ResNet's weights under the names of detectron2."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write

from .load import load_state
from .publish import find_backbone
from .stored_weights import weights_below, weights_of

# torchvision's names, and detectron2's: ``res2`` is the first stage, a normalisation belongs to its
# convolution.
_NAMES = (
    (r"^(conv1|bn1)\.", r"stem.\1."),
    (r"^layer(\d)\.", lambda found: f"res{int(found[1]) + 1}."),
    (r"\bbn(\d)\.", r"conv\1.norm."),
    (r"\bdownsample\.0\.", "shortcut."),
    (r"\bdownsample\.1\.", "shortcut.norm."),
)


def detectron2_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a ResNet under detectron2's names; a classifier is left out.

    Args:
        weights: A ResNet under torchvision's names, without prefix.

    Raises:
        UserError: They are not those of such a ResNet.
    """
    found = {}
    for name, tensor in weights.items():
        if name.startswith("fc.") or name.endswith("num_batches_tracked"):
            continue
        renamed = name
        for pattern, new in _NAMES:
            renamed = re.sub(pattern, new, renamed)  # type: ignore[call-overload]
        if not renamed.startswith(("stem.", "res")):
            raise UserError(f"{name!r} is no weight of a ResNet with a plain stem")
        found[renamed] = tensor
    return found


def convert_to_detectron2(checkpoint: str, output: str) -> int:
    """Write the backbone of a checkpoint as a ``.pkl`` that detectron2's ``MODEL.WEIGHTS`` takes.

    Args:
        checkpoint: A checkpoint of this project, or its backbone alone.
        output: The file, which must end with ``.pkl``: detectron2 reads others differently.

    Returns:
        The number of weights.

    Raises:
        UserError: The name of the output, or a checkpoint without a ResNet.
    """
    if Path(output).suffix != ".pkl":
        raise UserError(f"{output}: name a .pkl file, which detectron2 reads")
    weights = weights_of(load_state(checkpoint), checkpoint)
    prefix = find_backbone(list(weights), checkpoint)
    named = detectron2_names(weights_below(weights, prefix))
    model = {name: t.detach().cpu().numpy() for name, t in named.items()}
    content: dict[str, Any] = {
        "model": model, "__author__": "mmselfsup", "matching_heuristics": True
    }  # fmt: skip
    with atomic_write(output) as file:
        pickle.dump(content, file)
    return len(model)
