"""The variant of a transformer or ConvNeXt: what networks of one kind have in several forms.

Weights in timm's names, or in ours, become what the model has: biases of queries, keys and values
joined or apart, factors of LayerScale in their own weights or in the layer before them, the
position of the class token apart or in the token, linear layers or convolutions of 1 x 1.

Letters: C channels, D channels inside an MLP, L places of the grid of patches.
"""

import re
from collections.abc import Iterable, Mapping
from math import isqrt

import torch
from torch import Tensor

from .timm_names import Rules, Weights, apart, joined, renamed

# LayerScale in mmpretrain, under the names that mmcls and ours have for it.
_OWN_SCALES: Rules = (
    (r"\.attn\.gamma1\.weight$", ".gamma_1"),
    (r"\.ffn\.gamma2\.weight$", ".gamma_2"),
)
# The layers in front of the two factors of LayerScale, in timm and in ours.
_SCALED = {"1": (".attn.proj",), "2": (".mlp.fc2", ".ffn.layers.1")}
_POSITIONS = ("pos_embed", "encoder.pos_embedding")  # in timm, in torchvision


def vit_as_wanted(
    weights: Weights, target: Weights, places: Mapping[str, int], named: bool
) -> dict[str, Tensor]:
    """Return a transformer under timm's names in the variant that the model has.

    Args:
        weights: The weights of the network in the file.
        target: Those of the network in the model.
        places: Places of the position embeddings of ``target``, where they are known.
        named: Whether the weights had the names of another library: all of these that have a class
            token and positions have one of the class token.
    """
    found = _with_biases(weights, target)
    found = _with_scales(found, target)
    for name in _POSITIONS:
        if name in target and "cls_token" in found and "pos_embed" in found:
            wants = _wants_class(target, name, places.get(name))
            _move_class_position(found, wants, named or _has_class(found, target[name], wants))
    return found


def own_vit_as_wanted(weights: Weights, target: Weights) -> dict[str, Tensor]:
    """Return a transformer under our names, or mmpretrain's, in the variant that the model has."""
    found = _with_biases(renamed(weights, _OWN_SCALES), target)
    return found if has_ending(target, ".gamma_1") else _without_scales(found)


def convnext_as_wanted(weights: Weights, target: Weights) -> dict[str, Tensor]:
    """Return a ConvNeXt under timm's names, whose MLPs are linear layers or convolutions of 1x1.

    The numbers are the same; of the parameters of a global response normalisation, too.
    """
    by_conv = any(name.endswith(".mlp.fc1.weight") and t.ndim == 4 for name, t in target.items())
    found = dict(weights)
    for name, tensor in weights.items():
        if re.search(r"\.mlp\.fc[12]\.weight$", name):
            flat = tensor.flatten(1)  # [D, C]
            found[name] = flat[:, :, None, None] if by_conv else flat
        elif ".mlp.grn." in name:
            found[name] = tensor.flatten()
    return found


def has_ending(names: Iterable[str], *endings: str) -> bool:
    """Return whether a name has one of the endings."""
    return any(name.endswith(endings) for name in names)


def _with_biases(weights: Weights, target: Weights) -> dict[str, Tensor]:
    """Return weights with the biases of queries, keys and values in the model's form.

    A model without any has no place for them: those of zeros are left out, others are reported.
    """
    if has_ending(target, ".q_bias"):
        return apart(weights)
    if has_ending(target, ".qkv.bias", ".in_proj_bias"):
        return joined(weights)
    return {n: t for n, t in weights.items() if not n.endswith(".qkv.bias") or _matters(t)}


def _matters(bias: Tensor) -> bool:
    """Return whether a bias of queries, keys and values, [3*C], changes anything."""
    queries, _, values = bias.chunk(3)  # that of keys changes no attention weight
    return bool(queries.any() or values.any())


def _with_scales(weights: Weights, target: Weights) -> dict[str, Tensor]:
    """Return weights with the factors of LayerScale under the model's names.

    A model without them gets the layers in front of them multiplied, which is the same function.
    """
    if has_ending(target, ".ls1.gamma"):
        return renamed(weights, ((r"\.gamma_([12])$", r".ls\1.gamma"),))
    found = renamed(weights, ((r"\.ls([12])\.gamma$", r".gamma_\1"),))
    if has_ending(target, ".gamma_1"):
        return found
    return _without_scales(found)


def _without_scales(weights: Weights) -> dict[str, Tensor]:
    """Return weights with the layers in front of LayerScale's factors multiplied by these."""
    found = dict(weights)
    for name in [name for name in found if re.search(r"\.gamma_[12]$", name)]:
        scale, start = found[name], name.rpartition(".")[0]  # [C]
        layers = [f"{start}{end}" for end in _SCALED[name[-1]] if f"{start}{end}.weight" in found]
        for layer in layers:
            del found[name]
            found[f"{layer}.weight"] = found[f"{layer}.weight"] * scale[:, None]
            if f"{layer}.bias" in found:
                found[f"{layer}.bias"] = found[f"{layer}.bias"] * scale
    return found


def _move_class_position(weights: dict[str, Tensor], wants: bool, has: bool) -> None:
    """Move the position of the class token into the token or out of it, as the model has it.

    Args:
        weights: The weights, changed in place.
        wants: Whether the model has a position of the class token.
        has: Whether the weights have.
    """
    position, token = weights["pos_embed"], weights["cls_token"]
    if position.ndim != 3:
        return
    if has and not wants:
        weights["cls_token"] = token + position[:, :1]
        weights["pos_embed"] = position[:, 1:].clone()
    elif wants and not has:
        weights["pos_embed"] = torch.cat([torch.zeros_like(token), position], dim=1)


def _wants_class(target: Weights, name: str, places: int | None) -> bool:
    """Return whether the position embedding of the model has a place for the class token."""
    length = target[name].shape[1]
    return _by_number(length, "reg_token" in target) if places is None else length > places


def _has_class(weights: Weights, wanted: Tensor, wants: bool) -> bool:
    """Return whether the position embedding of a file in timm's names has a place for the token.

    A number that fits the model as it is, is taken so: it may be of the same grid, no square.
    """
    length, registers = weights["pos_embed"].shape[1], "reg_token" in weights
    same = wants and not registers and length == wanted.shape[1]
    return same or _by_number(length, registers)


def _by_number(length: int, registers: bool) -> bool:
    """Return whether one of so many positions is the class token's, where the grid isn't known.

    For a square the number says so. For any other grid it is as in timm, whose networks with
    registers have no such place.
    """
    if isqrt(length) ** 2 == length:
        return False
    return isqrt(length - 1) ** 2 == length - 1 or not registers
