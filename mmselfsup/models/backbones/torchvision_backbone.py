"""Models of torchvision as backbones: ``dict(type='torchvision.resnet50', ...)``.

Letters: N images, C channels.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import initialize
from torch import Tensor, nn
from torchvision.models import get_model, list_models

from mmselfsup.utils.errors import ArgumentError, one_line

from ..utils.block_parts import run_block
from ..utils.position_embedding import resize_loaded_positions
from .wrapped_backbone import LibraryBackbone, LibraryRegistry

# Families by their parts: the stem, what has the stages, what comes behind the last stage. Several
# parts in the second place are a stage each; one is a container whose items are the stages.
_FAMILIES: tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    (("conv1", "bn1", "relu", "maxpool"), ("layer1", "layer2", "layer3", "layer4"), ()),  # ResNet
    (("stem",), ("trunk_output",), ()),  # RegNet
    (("conv1", "maxpool"), ("stage2", "stage3", "stage4", "conv5"), ()),  # ShuffleNet
    ((), ("features",), ("norm", "permute")),  # Swin
    (("stem",), ("blocks",), ()),  # MaxViT
    ((), ("features",), ()),  # ConvNeXt, DenseNet, EfficientNet, MobileNet, VGG, AlexNet
    ((), ("layers",), ()),  # MNASNet
)


def _models() -> list[str]:
    """Return the names of torchvision's classifiers."""
    import torchvision.models as home

    return list(list_models(module=home))


TORCHVISION = LibraryRegistry("torchvision", lambda name: name in _models(), _models)


class TorchvisionBackbone(LibraryBackbone):
    """A model of torchvision; in a config its type is ``torchvision.`` and the model's name.

    Args:
        out_indices: See ``LibraryBackbone``.
        output_cls_token: See ``LibraryBackbone``.
        frozen_stages: See ``LibraryBackbone``.
        norm_eval: See ``LibraryBackbone``.
        norm_cfg: See ``LibraryBackbone``.
        with_cp: See ``LibraryBackbone``.
        pretrained: Whether ``init_weights`` takes torchvision's default weights.
        checkpoint_path: See ``LibraryBackbone``.
        img_size: Height and width of the images of a vision transformer, the only size that it
            takes; other networks take any.
        init_cfg: See ``LibraryBackbone``.
        **kwargs: Arguments of the model.

    Raises:
        ArgumentError: The model doesn't take an argument, or is of a family without stages here.
    """

    origin = "torchvision"

    def __init__(
        self,
        out_indices: int | Sequence[int] = -1,
        output_cls_token: bool = True,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        norm_cfg: dict | None = None,
        with_cp: bool = False,
        pretrained: bool = False,
        checkpoint_path: str | None = None,
        img_size: int | None = None,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        options = kwargs if img_size is None else {**kwargs, "image_size": img_size}
        try:
            net = get_model(self.model_name, weights=None, **options)
        except TypeError as error:
            raise ArgumentError(one_line(error)) from error
        self.__dict__["family"] = _family(net)
        if self.family is None and not hasattr(net, "class_token"):
            raise ArgumentError("this family has no stages that are known here: take it from timm")
        self.__dict__["saves_memory"] = False
        super().__init__(
            net, out_indices, output_cls_token, frozen_stages, norm_eval, norm_cfg, with_cp,
            pretrained, checkpoint_path, init_cfg,
        )  # fmt: skip
        if self.family is None:
            self.register_load_state_dict_pre_hook(_resize_loaded_positions)

    def count_stages(self) -> int:
        """Return the number of stages, for a vision transformer that of blocks."""
        return len(self._stages())

    def save_memory(self) -> None:
        """Compute each stage again in the backward pass."""
        self.saves_memory = True

    def head_names(self) -> tuple[str, ...]:
        """Return the beginnings of the names of classifiers."""
        return ("fc.", "classifier.", "heads.", "head.", "aux1.", "aux2.", "AuxLogits.")

    def load_pretrained(self) -> None:
        """Load torchvision's default weights; see ``LibraryBackbone``."""
        initialize(self, {"type": "Pretrained", "checkpoint": f"torchvision://{self.model_name}"})

    def forward(self, x: Tensor) -> tuple[Any, ...]:
        """Return the outputs of ``out_indices``, in ascending order; see ``LibraryBackbone``.

        Args:
            x: Images [N, 3, H, W].

        Raises:
            ArgumentError: A vision transformer gets images of another size.
        """
        h, outs = self._stem(x), []
        for i, stage in enumerate(self._stages()[: max(self.out_indices) + 1]):
            h = run_block(stage, h, again=self.saves_memory)
            last = i == self.num_stages - 1
            if i in self.out_indices:
                channels_last = bool(self.family and self.family[2]) and not last  # Swin
                outs.append(self._formatted(self._behind(h) if last else h, x, channels_last))
        return tuple(outs)

    def _stages(self) -> list[nn.Module]:
        """Return the stages, in their order."""
        if self.family is None:
            return list(self.net.encoder.layers)
        parts = [getattr(self.net, name) for name in self.family[1]]
        return parts if len(parts) > 1 else list(parts[0].children())

    def _stem(self, x: Tensor) -> Tensor:
        """Return what the first stage gets."""
        if self.family is None:
            side = self.net.image_size
            if tuple(x.shape[-2:]) != (side, side):
                raise ArgumentError(
                    f"{self.name} takes images of {side} x {side} pixels, got "
                    f"{x.shape[-2]} x {x.shape[-1]}: set img_size"
                )
            tokens = self.net._process_input(x)  # [N, L, C]
            first = self.net.class_token.expand(len(x), -1, -1)
            encoder = self.net.encoder
            return encoder.dropout(torch.cat([first, tokens], dim=1) + encoder.pos_embedding)
        for name in self.family[0]:
            x = getattr(self.net, name)(x)
        return x

    def _behind(self, h: Tensor) -> Tensor:
        """Return what the network pools: the output of the last stage, normalised or activated."""
        if self.family is None:
            return self.net.encoder.ln(h)
        for name in self.family[2]:
            h = getattr(self.net, name)(h)
        return h.relu() if type(self.net).__name__ == "DenseNet" else h

    def _formatted(self, h: Tensor, image: Tensor, channels_last: bool) -> Any:
        """Return a map [N, C, H, W], or a map and the class token."""
        if self.family is None:
            return self.as_map(h, image, 1, True)
        return h.permute(0, 3, 1, 2) if channels_last else h


TORCHVISION.base = TorchvisionBackbone


def _family(net: nn.Module) -> Any:
    """Return the row of ``_FAMILIES`` whose parts a network has, None without one."""
    if hasattr(net, "class_token"):
        return None
    return next((f for f in _FAMILIES if all(hasattr(net, name) for p in f for name in p)), None)


def _resize_loaded_positions(
    backbone: TorchvisionBackbone, state_dict: dict[str, Tensor], prefix: str, *_: Any
) -> None:
    """Interpolate the position embeddings of a checkpoint for another image size."""
    encoder, side = backbone.net.encoder, backbone.net.image_size // backbone.net.patch_size
    resize_loaded_positions(
        state_dict, f"{prefix}encoder.pos_embedding", encoder.pos_embedding, (side, side)
    )
