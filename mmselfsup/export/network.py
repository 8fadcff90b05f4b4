"""The part of an algorithm that is exported: images in, logits or features out.

Letters: N images, H, W their size, K classes, D width of a feature.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from mmselfsup.models.utils.views import pooled
from mmselfsup.utils.errors import UserError

#: Endings of the names of weights that belong to one size of the images.
_OF_ONE_SIZE = ("pos_embed", "relative_position_bias_table")


class ImageNetwork(nn.Module):
    """A plain module of an algorithm in eval mode, without its losses, necks and memories.

    A classifier gives the logits [N, K] of its head; anything else the features [N, D] of the last
    stage of the backbone that is evaluated: the class token, or the mean over the places.

    Args:
        model: The algorithm; it is copied.
        features: Whether a classifier gives features too.

    Attributes:
        backbone: The exported backbone.
        classifies: Whether the output is logits.

    Raises:
        UserError: The head needs more than images, or there are several heads.
    """

    def __init__(self, model: Any, features: bool = False) -> None:
        super().__init__()
        self.classifies = hasattr(model, "class_scores") and not features
        if self.classifies and getattr(model, "uses_patient", False):
            raise UserError(
                "the head takes age, site and sex beside the image, which no format knows: export "
                "the backbone alone (--features)"
            )
        self.model: Any = copy.deepcopy(model).eval().requires_grad_(False)
        for module in self.model.modules():
            if hasattr(module, "window_reverse"):  # mmcls's, for one number of images
                module.window_reverse = join_windows
        self.backbone: Any = self.model.evaluated()
        # Asked here: while it is traced, a module is not identical with itself.
        self._extracts = self.backbone is self.model.backbone

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits [N, K] or the features [N, D], float32.

        Args:
            images: Normalised images [N, C, H, W].

        Raises:
            UserError: The model has several heads.
        """
        if not self.classifies:
            extract = self.model.extract_feat if self._extracts else self.backbone
            return pooled(extract(images)[-1])
        scores = self.model.classify(images)
        if len(scores) > 1:
            raise UserError(
                f"the model has {len(scores)} heads, a file has one: export the backbone alone "
                "(--features)"
            )
        return scores[0]

    @property
    def takes_any_size(self) -> bool:
        """Return whether no weight belongs to one size of the images."""
        return not any(name.endswith(_OF_ONE_SIZE) for name in self.backbone.state_dict())

    def fc(self) -> dict[str, Tensor]:
        """Return weight [K, D] and bias [K] of a linear head; empty for features.

        Raises:
            UserError: The head is no linear layer.
        """
        if not self.classifies:
            return {}
        layer = getattr(self.model.head, "fc_cls", None)
        if not isinstance(layer, nn.Linear) or getattr(self.model.head, "cosine_scale", None):
            raise UserError(
                f"{type(self.model.head).__name__} is no linear layer, which this format wants: "
                "choose onnx, torchscript or torch-export, or export the backbone alone "
                "(--features)"
            )
        return {name: tensor.clone() for name, tensor in layer.state_dict().items()}


def join_windows(windows: Tensor, height: int, width: int, side: int) -> Tensor:
    """Return the map [N, H, W, C] of Swin's windows [N*L, side, side, C], for any N.

    Args:
        windows: The L windows of each image, row by row.
        height: H.
        width: W.
        side: Height and width of a window.
    """
    grid = windows.unflatten(0, (-1, height // side, width // side))  # [N, rows, columns, s, s, C]
    return grid.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def outputs_of(network: Any, images: Tensor) -> Tensor:
    """Return the output of a network for images, float32 on the CPU."""
    with torch.no_grad():
        found: Tensor = network(images)
    return found.float().cpu()
