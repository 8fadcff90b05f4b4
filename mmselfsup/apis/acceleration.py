"""Precision, memory layout and compilation of a model: ``amp``, ``channels_last``, ``compile``.

None of them is on unless a config says so. Results in bfloat16 are not those in float32 bit for
bit, and the results of a config that names neither would depend on which of the two a machine does
well; with ``amp=dict(dtype='auto')`` a config says that it doesn't mind.
"""

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from mmselfsup.models.utils.small_map_conv import multiply_small_maps
from mmselfsup.utils.device import default_device
from mmselfsup.utils.errors import UserError

_DTYPES = ("bfloat16", "float16", "auto")


def amp_dtype(amp: Mapping[str, Any] | None, device: torch.device) -> torch.dtype | None:
    """The half precision that ``amp`` asks for on this device; None for full precision.

    ``auto`` is bfloat16 where the hardware has instructions for it, else float16 on a GPU, else
    full precision.

    Raises:
        UserError: an unknown dtype, or float16 without a GPU (gradients would underflow).
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


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 faster than in float32."""
    if device.type != "cpu":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, question, bool)() for question in questions)


def accelerate(model: nn.Module, cfg: Mapping[str, Any], logger: logging.Logger) -> None:
    """Prepare a model, in place, for what ``amp``, ``channels_last`` and ``compile`` say.

    On a CPU convolutions of tiny maps become matrix products, whatever they say.

    Args:
        model: the bare model.
        cfg: the config.
        logger: told what was chosen.

    Raises:
        UserError: a value can't be used, or ``amp`` and ``fp16`` are both set.
    """
    amp = cfg.get("amp")
    if amp is not None and cfg.get("fp16") is not None:
        raise UserError("amp and fp16 are both set: amp is the new way to say it, take fp16 out")
    dtype = amp_dtype(amp, default_device())
    if dtype is not None:
        if not hasattr(model, "amp_dtype"):
            raise UserError(f"amp: {type(model).__name__} has no mixed precision; leave amp out")
        setattr(model, "amp_dtype", dtype)  # noqa: B010  # nn.Module's annotations know tensors only
    if cfg.get("channels_last"):
        # Weights are enough: a convolution gives what it gets on in the layout of its weights.
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if default_device().type == "cpu":
        multiply_small_maps(model)
    compiled = compile_backbones(model, cfg.get("compile"))
    if amp is not None or cfg.get("channels_last") or compiled:
        logger.info(
            "precision %s, layout %s, compiled modules: %d",
            "full" if dtype is None else str(dtype).removeprefix("torch."),
            "channels_last" if cfg.get("channels_last") else "as PyTorch's default",
            compiled,
        )


def compile_backbones(model: nn.Module, options: bool | Mapping[str, Any] | None) -> int:
    """Compile the backbone, and its copy in a target network, in place; names of weights stay.

    Args:
        model: the bare model.
        options: True, or arguments of :func:`torch.compile`. Unless they say otherwise, each shape
            of the input is compiled on its own: there are few, such as those of multi-crop.

    Returns:
        How many modules were marked; they are compiled at their first batch.

    Raises:
        UserError: the model has no backbone.
    """
    if not options:
        return 0
    backbone = getattr(model, "backbone", None)
    if not isinstance(backbone, nn.Module):
        raise UserError(f"compile: {type(model).__name__} has no backbone; leave compile out")
    arguments = {"dynamic": False, **(options if isinstance(options, Mapping) else {})}
    backbones = [module for module in model.modules() if type(module) is type(backbone)]
    for module in backbones:
        module.compile(**arguments)
    return len(backbones)
