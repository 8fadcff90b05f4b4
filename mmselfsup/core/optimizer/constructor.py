"""The default optimizer constructor: parameter groups and an optimizer from a config.

Regular expressions over parameter names set options. Parameters whose options are equal share a
group, so that the optimizer can update them at once.

Layer-wise decay of the learning rate for ResNets works as for transformers (Bao et al., "BEiT",
arXiv 2106.08254, appendix): the learning rate of layer l is lr * decay^(L + 1 - l). A stage counts
as a layer: 0 the stem, 1..L the stages, L + 1 the rest.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from mmcv.runner import OPTIMIZERS
from mmcv.runner.optimizer import OPTIMIZER_BUILDERS
from mmcv.runner.optimizer import DefaultOptimizerConstructor as MMCVOptimizerConstructor
from mmcv.utils import build_from_cfg
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import Optimizer

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.logger import get_root_logger

Options = Mapping[str, Mapping[str, Any]]
_STAGE = re.compile(r"backbone\.layer(\d+)\.")


@OPTIMIZER_BUILDERS.register_module(force=True)
class DefaultOptimizerConstructor(MMCVOptimizerConstructor):
    """Constructor with ``paramwise_options`` by regular expression over parameter names.

    ::

        optimizer = dict(
            type='LARS', lr=0.3, momentum=0.9, weight_decay=1e-6,
            paramwise_options={
                '(bn|gn)(\\d+)?.(weight|bias)': dict(weight_decay=0., lars_exclude=True),
                'bias': dict(weight_decay=0., lars_exclude=True),
                r'\\Ahead.': dict(lr_mult=10)})

    All expressions that match a part of a name apply, a later one over an earlier one. ``X_mult``
    multiplies the optimizer's own ``X``. Expressions see names only: the first one above, which is
    that of 0.x, doesn't match the normalisation in the shortcuts of a ResNet
    (``downsample.1.weight``). The log names such weights.

    ``norm_bias_decay=0.`` is the weight decay of all parameters of at most one dimension: biases,
    and scales and shifts of normalisation layers, whatever their names. Expressions come after it.

    ``layer_decay=0.7`` decreases the learning rate of a ResNet from the head to the stem, see
    ``mmselfsup.core.optimizer.constructor``.

    Args:
        optimizer_cfg: ``type``, arguments of the optimizer, ``paramwise_options``,
            ``norm_bias_decay`` from 0, ``layer_decay`` in (0, 1], and ``lr_scale`` of
            ``build_optimizer``.
        paramwise_cfg: Options of mmcv; for configs without ``paramwise_options``.

    Raises:
        UserError: Options of mmcv and of ours are both given, or a value can't be used.
    """

    def __init__(
        self, optimizer_cfg: dict[str, Any], paramwise_cfg: dict[str, Any] | None = None
    ) -> None:
        config = dict(optimizer_cfg)
        self.options = config.pop("paramwise_options", None) or {}
        self.layer_decay: float | None = config.pop("layer_decay", None)
        self.norm_bias_decay = pop_norm_bias_decay(config)
        self.lr_scale: Callable[[str], float] | None = config.pop("lr_scale", None)
        super().__init__(config, paramwise_cfg)
        ours = self.options or (self.layer_decay, self.norm_bias_decay) != (None, None)
        if self.paramwise_cfg and ours:
            raise UserError(
                "optimizer: give paramwise_options, norm_bias_decay and layer_decay, or "
                "paramwise_cfg, not both"
            )

    def __call__(self, model: nn.Module) -> Optimizer:
        """Build the optimizer of ``model``."""
        if self.paramwise_cfg:
            return super().__call__(model)
        # A wrapper such as DDP puts "module." before every name; the expressions are for the model.
        model = getattr(model, "module", model)
        scale = self.lr_scale
        if self.layer_decay is not None:
            scale = product(layer_scales(model, self.layer_decay), scale)
        groups = group_parameters(
            model, self.options, self.optimizer_cfg, scale, self.norm_bias_decay
        )
        scaled = scaled_norms(model, self.options)
        if scaled:
            get_root_logger().info(
                "optimizer: weights of normalisation layers that paramwise_options doesn't exclude "
                "from LARS: %d (%s, ...)",
                len(scaled),
                scaled[0],
            )
        return build_from_cfg({**self.optimizer_cfg, "params": groups}, OPTIMIZERS)


def group_parameters(
    model: nn.Module,
    options: Options,
    base: Mapping[str, Any],
    lr_scale: Callable[[str], float] | None = None,
    norm_bias_decay: float | None = None,
) -> list[dict[str, Any]]:
    """Return the parameter groups of ``model``, in the order in which they first occur.

    Args:
        model: The bare model. Frozen parameters are in the group without options.
        options: Regular expression over parameter names -> options of the optimizer's group.
        base: The optimizer config, for multipliers.
        lr_scale: Function from a parameter's name to the factor of its learning rate.
        norm_bias_decay: Weight decay of parameters of at most one dimension; None for that of the
            others.
    """
    check_options(options)
    groups: dict[str, dict[str, Any]] = {}
    for name, param in model.named_parameters():
        own = {}
        if param.requires_grad:
            own = decay_of(param, norm_bias_decay) | options_of(name, options, base)
        if lr_scale is not None and param.requires_grad:
            own["lr"] = own.get("lr", base["lr"]) * lr_scale(name)
        # Values may be lists (betas), which have no hash: their text is the key.
        key = repr(sorted(own.items()))
        groups.setdefault(key, {"params": [], **own})["params"].append(param)
    return list(groups.values())


def product(
    first: Callable[[str], float], second: Callable[[str], float] | None
) -> Callable[[str], float]:
    """Return the product of two factors of a parameter's learning rate; the second may be None."""
    return first if second is None else lambda name: first(name) * second(name)


def pop_norm_bias_decay(config: dict[str, Any]) -> float | None:
    """Take ``norm_bias_decay`` out of an optimizer's config.

    Raises:
        UserError: It is no number from 0.
    """
    decay = config.pop("norm_bias_decay", None)
    if decay is not None and not (isinstance(decay, int | float) and decay >= 0):
        raise UserError(f"optimizer.norm_bias_decay is {decay!r}: give a number from 0")
    return decay


def decay_of(param: Tensor, norm_bias_decay: float | None) -> dict[str, Any]:
    """Return the options of a parameter by its dimensions: biases and norms have at most one."""
    if norm_bias_decay is None or param.ndim > 1:
        return {}
    return {"weight_decay": norm_bias_decay}


def options_of(name: str, options: Options, base: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``options`` set for the parameter ``name``.

    Every expression that matches a part of the name applies, a later one over an earlier one. A key
    ``lr_mult`` (``weight_decay_mult``, ...) multiplies the value in ``base``.

    Raises:
        UserError: An option multiplies a value that the optimizer config doesn't set.
    """
    own: dict[str, Any] = {}
    for pattern, values in options.items():
        if not isinstance(values, Mapping) or not re.search(pattern, name):
            continue
        for key, value in values.items():
            if key.endswith("_mult"):
                target = key[: -len("_mult")]
                if target not in base:
                    raise UserError(
                        f"optimizer.paramwise_options[{pattern!r}].{key} multiplies {target}, "
                        f"which the optimizer config doesn't set; add optimizer.{target}"
                    )
                own[target] = base[target] * value
            else:
                own[key] = value
    return own


def check_options(options: Options) -> None:
    """Check that every key is a regular expression.

    Raises:
        UserError: A key is no regular expression.
    """
    for pattern in options:
        try:
            re.compile(pattern)
        except re.error as error:
            raise UserError(
                f"optimizer.paramwise_options: {pattern!r} is no regular expression ({error})"
            ) from error


def scaled_norms(model: nn.Module, options: Options) -> list[str]:
    """Return the weights of normalisation layers without ``lars_exclude``.

    Args:
        model: The bare model.
        options: See ``group_parameters``; without ``lars_exclude`` in any of them nothing is meant
            to be excluded, and the list is empty.
    """
    # The other options are left out: multipliers in them would need the optimizer config.
    excluding = {
        pattern: {"lars_exclude": values["lars_exclude"]}
        for pattern, values in options.items()
        if isinstance(values, Mapping) and "lars_exclude" in values
    }
    weights = [
        f"{name}.weight"
        for name, layer in model.named_modules()
        if isinstance(layer, _NormBase | nn.GroupNorm | nn.LayerNorm)
        and layer.weight is not None
        and layer.weight.requires_grad
    ]
    return [w for w in weights if excluding and not options_of(w, excluding, {})]


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


def resnet_layer(name: str, num_stages: int) -> int:
    """Return a parameter's layer number: 0 the stem, 1..num_stages the stages, then the rest."""
    stage = _STAGE.match(name)
    if stage:
        return int(stage[1])
    return 0 if name.startswith("backbone.") else num_stages + 1
