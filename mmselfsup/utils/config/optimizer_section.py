"""The check of ``optimizer``."""

from collections.abc import Mapping
from typing import Any

from . import legacy
from .registries import names, resolve
from .signature import accepted_args
from .walk import Walker

_PARAMWISE_CFG = (
    "custom_keys", "bias_lr_mult", "bias_decay_mult", "norm_decay_mult", "dwconv_decay_mult",
    "dcn_offset_lr_mult", "bypass_duplicate",
)  # fmt: skip


def check_optimizer(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    """Check the optimizer, its constructor, and options by regular expression."""
    extra = ["constructor", "paramwise_cfg", "paramwise_options", "layer_decay"]
    constructor = value.get("constructor") if isinstance(value, Mapping) else None
    if constructor == "TransformerFinetuneConstructor":
        extra.append("model_type")
    target = walker.check_component(value, "optimizer", "optimizer", extra=extra)
    if target is None:
        return
    if constructor is not None and resolve(constructor, "constructor") is None:
        path = "optimizer.constructor"
        walker.findings.unknown_type(path, constructor, names("constructor"), "constructor")
    if value.get("paramwise_cfg") is not None:
        walker.check_keys(value["paramwise_cfg"], _PARAMWISE_CFG, "optimizer.paramwise_cfg")
    options = [name for name in accepted_args(target).names if name != "params"]
    options += [f"{name}_mult" for name in options]
    for pattern, chosen in (value.get("paramwise_options") or {}).items():
        if pattern not in legacy.MISPLACED_OPTIONS:
            path = f"optimizer.paramwise_options.{pattern}"
            walker.check_keys(chosen, (*options, *legacy.GROUP_OPTIONS), path)
