"""The trained backbone alone, under the names that torchvision uses."""

from typing import Any

import torch
from torch import Tensor, nn

from mmselfsup.utils.files import atomic_write

from .save import to_cpu


def backbone_state(model: nn.Module) -> dict[str, Tensor] | None:
    """Return the weights of ``model.backbone`` without prefix, None without a backbone."""
    backbone: Any = getattr(getattr(model, "module", model), "backbone", None)
    return None if backbone is None else to_cpu(dict(backbone.state_dict()))


def export_backbone(model: nn.Module, path: str) -> bool:
    """Write ``model.backbone`` so that torchvision's or timm's ResNet loads the file.

    The file holds the weights and nothing else: ``resnet50().load_state_dict(torch.load(path),
    strict=False)`` leaves out the classifier only.

    Returns:
        Whether the model has a backbone, and so a file was written.

    Raises:
        UserError: The file can't be written.
    """
    state = backbone_state(model)
    if state is None:
        return False
    with atomic_write(path, "wb") as file:
        torch.save(state, file)
    return True
