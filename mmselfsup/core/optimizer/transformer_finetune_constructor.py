"""Layer-wise learning-rate decay for fine-tuning transformers.

Source: Clark et al., "ELECTRA", arXiv 2003.10555, appendix; Bao et al., "BEiT", arXiv 2106.08254,
appendix: the learning rate of layer l is lr * decay^(L - l), that of the head is lr.
"""

import copy
from typing import Any

from mmcv.runner import OPTIMIZERS
from mmcv.runner.optimizer import OPTIMIZER_BUILDERS
from mmcv.utils import build_from_cfg
from torch import nn
from torch.optim import Optimizer

from mmselfsup.utils.errors import UserError

from .constructor import check_options, decay_of, options_of, pop_norm_bias_decay

_EMBEDDINGS = (
    "backbone.cls_token",
    "backbone.mask_token",
    "backbone.pos_embed",
    "backbone.register_tokens",
    "backbone.absolute_pos_embed",  # mmcls's Swin
)


def vit_layer(name: str, depth: int) -> int:
    """Return the layer number of a ViT parameter: 0 embeddings, 1..depth blocks, then the rest."""
    if name in _EMBEDDINGS or name.startswith("backbone.patch_embed"):
        return 0
    if name.startswith("backbone.layers."):
        return int(name.split(".")[2]) + 1
    return depth + 1


def swin_layer(name: str, depths: list[int]) -> int:
    """Return the layer number of a Swin parameter: 0 embeddings, all blocks, then the rest.

    The patch merging after a stage has the number of the stage's last block.
    """
    if name in _EMBEDDINGS or name.startswith("backbone.patch_embed"):
        return 0
    if name.startswith("backbone.stages."):
        # backbone.stages.<stage>.blocks.<block>... or backbone.stages.<stage>.downsample...
        _, _, stage, part, rest = name.split(".", 4)
        if part == "blocks":
            return sum(depths[: int(stage)]) + int(rest.split(".")[0]) + 1
        return sum(depths[: int(stage) + 1])
    return sum(depths) + 1


@OPTIMIZER_BUILDERS.register_module()
class TransformerFinetuneConstructor:
    """Constructor with ``paramwise_options`` and a layer-wise decay of the learning rate.

    The learning rate decays from the head to the embeddings.

    Args:
        optimizer_cfg: ``type``, arguments of the optimizer, ``paramwise_options``,
            ``norm_bias_decay`` (see ``DefaultOptimizerConstructor``), ``model_type`` (``'vit'``
            or ``'swin'``), ``layer_decay`` in (0, 1] and ``lr_scale`` of ``build_optimizer``.
        paramwise_cfg: Not used.

    Raises:
        UserError: ``model_type`` or ``layer_decay`` can't be used.
    """

    def __init__(
        self, optimizer_cfg: dict[str, Any], paramwise_cfg: dict[str, Any] | None = None
    ) -> None:
        self.optimizer_cfg = copy.deepcopy(dict(optimizer_cfg))
        self.options = self.optimizer_cfg.pop("paramwise_options", None) or {}
        self.model_type = self.optimizer_cfg.pop("model_type", "vit")
        self.layer_decay = self.optimizer_cfg.pop("layer_decay", 1.0)
        self.norm_bias_decay = pop_norm_bias_decay(self.optimizer_cfg)
        self.lr_scale = self.optimizer_cfg.pop("lr_scale", None)
        check_options(self.options)
        if self.model_type not in ("vit", "swin"):
            raise UserError(f"optimizer.model_type is {self.model_type!r}: use 'vit' or 'swin'")
        if not 0 < self.layer_decay <= 1:
            raise UserError(f"optimizer.layer_decay is {self.layer_decay}: use 0 < decay <= 1")

    def __call__(self, model: nn.Module) -> Optimizer:
        """Build the optimizer of ``model``, which has a ``backbone``."""
        model = getattr(model, "module", model)
        depths = self._depths(model.backbone)
        groups: dict[str, dict[str, Any]] = {}
        for name, param in model.named_parameters():
            own: dict[str, Any] = {}
            if param.requires_grad:
                own = decay_of(param, self.norm_bias_decay)
                own |= options_of(name, self.options, self.optimizer_cfg)
            if self.model_type == "vit":
                layer = vit_layer(name, depths[0])
            else:
                layer = swin_layer(name, depths)
            scale = self.layer_decay ** (sum(depths) + 1 - layer)
            if self.lr_scale is not None:
                scale *= self.lr_scale(name)
            own["lr"] = own.get("lr", self.optimizer_cfg["lr"]) * scale
            key = repr(sorted(own.items()))
            groups.setdefault(key, {"params": [], **own})["params"].append(param)
        config = {**self.optimizer_cfg, "params": list(groups.values())}
        return build_from_cfg(config, OPTIMIZERS)

    def _depths(self, backbone: Any) -> list[int]:
        """Return the number of blocks of each stage; a ViT is one stage."""
        try:
            if self.model_type == "vit":
                return [len(backbone.layers)]
            return [len(stage.blocks) for stage in backbone.stages]
        except AttributeError as error:
            raise UserError(
                f"optimizer.model_type={self.model_type!r} doesn't fit "
                f"{type(backbone).__name__} ({error})"
            ) from error
