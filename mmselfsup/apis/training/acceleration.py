"""Precision, memory layout and compilation of a model: ``amp``, ``channels_last``, ``compile``.

None of them is on unless a config sets it. Results in bfloat16 and float32 are not bitwise equal,
so an automatic choice would make results depend on the machine; a config accepts this with
``amp=dict(dtype='auto')``.
"""

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from mmselfsup.evaluation.features import precision
from mmselfsup.models.utils.narrow_conv import unsafe_in_channels_last
from mmselfsup.models.utils.small_map_conv import multiply_small_maps
from mmselfsup.utils.device import default_device, has_bfloat16
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.logger import get_root_logger

from .sharding import check_sharding

_DTYPES = ("bfloat16", "float16", "auto")


def amp_dtype(amp: Mapping[str, Any] | None, device: torch.device) -> torch.dtype | None:
    """Return the half precision that ``amp`` selects on this device; None for full precision.

    ``auto`` is bfloat16 if the hardware has instructions for it, otherwise float16 on a GPU,
    otherwise full precision.

    Raises:
        UserError: The dtype is unknown, or it is float16 without a GPU (gradients would underflow).
    """
    if amp is None:
        return None
    name = amp.get("dtype", "auto")
    if name not in _DTYPES:
        raise UserError(f"amp.dtype is {name!r}: use one of {', '.join(_DTYPES)}")
    on_cpu = device.type == "cpu"
    if name == "auto":
        if has_bfloat16(device):
            return torch.bfloat16
        return None if on_cpu else torch.float16
    if name == "float16" and on_cpu:
        raise UserError("amp.dtype='float16' needs a GPU: use 'bfloat16' or 'auto'")
    return torch.bfloat16 if name == "bfloat16" else torch.float16


def accelerate(model: nn.Module, cfg: Mapping[str, Any], logger: logging.Logger) -> None:
    """Apply ``amp``, ``channels_last`` and ``compile`` of a config to a model, in place.

    On a CPU convolutions of tiny maps become matrix products, independently of the config.

    Args:
        model: The bare model.
        cfg: The config.
        logger: The logger that reports the choice.

    Raises:
        UserError: A value can't be used, ``amp`` and ``fp16`` are both set, or ``sharding``
            excludes a setting.
    """
    amp = cfg.get("amp")
    dtype = _set_precision(model, cfg)
    if cfg.get("channels_last"):
        _warn_of_unsafe(model, logger)
        _set_channels_last(model)
    if default_device().type == "cpu":
        multiply_small_maps(model)
    check_sharding(model, cfg)  # which excludes some of these
    compiled = compile_backbones(model, cfg.get("compile"))
    if amp is not None or cfg.get("channels_last") or compiled:
        logger.info(
            "precision %s, layout %s, compiled modules: %d",
            "full" if dtype is None else str(dtype).removeprefix("torch."),
            "channels_last" if cfg.get("channels_last") else "as PyTorch's default",
            compiled,
        )


def accelerate_extraction(
    model: nn.Module, cfg: Mapping[str, Any], logger: logging.Logger | None = None
) -> None:
    """Prepare a frozen model, in place, to extract features as fast as its training ran.

    The precision is that which ``amp`` or ``fp16`` would have in a training on this device; where
    it is not to be had (``amp`` in float16 on a CPU), it is float32. On a CPU, maps are
    channels_last, which changes results by rounding only (unless ``unsafe_in_channels_last`` names
    a convolution), and convolutions of tiny maps become matrix products.

    Args:
        model: The bare model in eval mode.
        cfg: The config of its training.
        logger: The logger that reports the precision where the config asks for another than
            float32 (default: that of the package).

    Raises:
        UserError: A value can't be used, or ``amp`` and ``fp16`` are both set.
    """
    on_cpu = default_device().type == "cpu"
    asked = {key: cfg[key] for key in ("amp", "fp16") if cfg.get(key) is not None}
    _set_precision(model, asked, float16=not on_cpu)
    if "fp16" in asked and hasattr(model, "fp16_enabled"):
        model.fp16_enabled = True  # type: ignore[assignment]
    if asked:
        (logger or get_root_logger()).info(
            "features are extracted in %s, as %s on this device", precision(model), _said(asked)
        )
    if cfg.get("channels_last") or (
        on_cpu and not unsafe_in_channels_last(model, default_device())
    ):
        _set_channels_last(model)
    if on_cpu:
        multiply_small_maps(model)


def _said(asked: Mapping[str, Any]) -> str:
    """Return the settings of a config as it says them."""
    return " and ".join(f"{key}={dict(value)}" for key, value in asked.items())


def _set_precision(
    model: nn.Module, cfg: Mapping[str, Any], float16: bool = True
) -> torch.dtype | None:
    """Set the half precision of ``amp``, and return it; None for full precision or ``fp16``.

    Without ``float16``, ``amp`` in float16 stands for full precision.
    """
    amp = cfg.get("amp")
    if amp is not None and cfg.get("fp16") is not None:
        raise UserError("amp and fp16 are both set: amp is the newer option, take fp16 out")
    if amp is not None and amp.get("dtype") == "float16" and not float16:
        return None
    dtype = amp_dtype(amp, default_device())
    if dtype is not None:
        if not hasattr(model, "amp_dtype"):
            raise UserError(f"amp: {type(model).__name__} has no mixed precision; leave amp out")
        setattr(model, "amp_dtype", dtype)  # noqa: B010  # nn.Module's annotations: tensors only
    return dtype


def _warn_of_unsafe(model: nn.Module, logger: logging.Logger) -> None:
    """Warn where channels_last may end the process, see ``unsafe_in_channels_last``."""
    names = unsafe_in_channels_last(model, default_device())
    if names:
        logger.warning(
            "channels_last=True: the weight gradient of %s (%d input channels, with a stride) may "
            "damage the memory of the process on this CPU, which then crashes (oneDNN #6035): "
            "leave channels_last out, or give the network 8 channels or more",
            names[0], getattr(model.get_submodule(names[0]), "in_channels", 0),
        )  # fmt: skip


def _set_channels_last(model: nn.Module) -> None:
    """Set the layout of the weights: the output of a convolution has that of its weights."""
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def compile_backbones(model: nn.Module, options: bool | Mapping[str, Any] | None) -> int:
    """Compile the backbone, and its copy in a target network, in place; names of weights stay.

    Args:
        model: The bare model.
        options: True, or arguments of ``torch.compile``. By default each shape of the input is
            compiled separately: there are few, such as those of multi-crop.

    Returns:
        The number of marked modules; they are compiled at their first batch.

    Raises:
        UserError: The model has no backbone.
    """
    if not options:
        return 0
    backbone = getattr(model, "backbone", None)
    if not isinstance(backbone, nn.Module):
        raise UserError(f"compile: {type(model).__name__} has no backbone; leave compile out")
    arguments = {"dynamic": False, **(options if isinstance(options, Mapping) else {})}
    # A target network has a backbone of the same type, under a name that depends on the method.
    backbones = [module for module in model.modules() if type(module) is type(backbone)]
    for module in backbones:
        module.compile(**arguments)
    return len(backbones)
