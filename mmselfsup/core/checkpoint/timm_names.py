"""Vision transformers, Swin and ResNets under the names of timm and torchvision, and back.

Here a block of a transformer is called ``layers.3`` (Swin: ``stages.1.blocks.0``), as in MMSelfSup
0.x and mmcls; in timm, and in the original code of DeiT, MAE, MoCo v3, DINO and Swin, it is
``blocks.3`` (``layers.1.blocks.0``). Three things differ in more than names:

- Swin's patch merging: here the four neighbours are the inner part of the 4 * C channels, there the
  outer one, with columns before rows.
- Biases of queries and values without one of keys (BEiT, CAE): timm's ViT has one bias of all
  three, timm's BEiT both of them apart. A bias of keys changes no attention weight, as it adds the
  same number to the products of a query with all keys: converting in both directions is exact.
- What is derived from the shape (``relative_position_index``) or serves the training only
  (``mask_token``) is not in timm's files.

A ResNet has torchvision's names here, and so it has in timm. Letters: C channels.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mmselfsup.utils.errors import UserError

from .same_network import own_prefix

Weights = Mapping[str, Tensor]
#: Patterns in names, and what takes their place, as ``re.sub`` takes it.
Rules = Sequence[tuple[str, str | Callable[[re.Match[str]], str]]]
#: Formats that ``backbone_in_format`` knows.
FORMATS = ("mmselfsup", "timm", "torchvision")

_RESNET = re.compile(r"(conv1|bn1|layer\d+\.\d+\.(conv|bn)\d|layer\d+\.\d+\.downsample\.[01])\.")
_LEFT_OUT = re.compile(r"mask_token$|.*\.relative_position_index$")
#: Ours -> timm's. The order matters where a later pattern matches what an earlier one wrote.
VIT_RULES = (
    (r"^patch_embed\.projection\.", "patch_embed.proj."),
    (r"^ln1\.", "norm."),
    (r"^layers\.(\d+)\.", r"blocks.\1."),
    (r"^(blocks\.\d+)\.ln([12])\.", r"\1.norm\2."),
    (r"\.ffn\.layers\.0\.0\.", ".mlp.fc1."),
    (r"\.ffn\.layers\.1\.", ".mlp.fc2."),
    (r"^register_tokens$", "reg_token"),
    (r"\.gamma_([12])$", r".ls\1.gamma"),
)
_SWIN = (
    (r"^patch_embed\.projection\.", "patch_embed.proj."),
    (r"^stages\.(\d+)\.", r"layers.\1."),
    (r"\.attn\.w_msa\.", ".attn."),
    (r"\.ffn\.layers\.0\.0\.", ".mlp.fc1."),
    (r"\.ffn\.layers\.1\.", ".mlp.fc2."),
)
# timm's -> ours.
_FROM_VIT = (
    (r"^patch_embed\.proj\.", "patch_embed.projection."),
    (r"^norm\.", "ln1."),
    (r"^reg_token$", "register_tokens"),
    (r"^blocks\.(\d+)\.norm([12])\.", r"layers.\1.ln\2."),
    (r"^blocks\.(\d+)\.", r"layers.\1."),
    (r"^(layers\.\d+)\.mlp\.fc1\.", r"\1.ffn.layers.0.0."),
    (r"^(layers\.\d+)\.mlp\.fc2\.", r"\1.ffn.layers.1."),
    (r"^(layers\.\d+)\.ls([12])\.gamma$", r"\1.gamma_\2"),
)
_FROM_SWIN = (
    (r"^patch_embed\.proj\.", "patch_embed.projection."),
    (r"^layers\.(\d+)\.", r"stages.\1."),
    (r"^(stages\.\d+\.blocks\.\d+\.attn)\.", r"\1.w_msa."),
    (r"\.mlp\.fc1\.", ".ffn.layers.0.0."),
    (r"\.mlp\.fc2\.", ".ffn.layers.1."),
)
# Every weight that timm's transformers may have, by which other architectures are recognised.
_BLOCK = (
    r"blocks\.\d+\.(norm[12]\.(weight|bias)|attn\.(qkv|proj)\.(weight|bias)|attn\.[qv]_bias"
    r"|attn\.relative_position_bias_table|mlp\.fc[12]\.(weight|bias)|ls[12]\.gamma|gamma_[12])"
)
_KNOWN_VIT = re.compile(
    rf"(cls_token|reg_token|pos_embed|patch_embed\.proj\.(weight|bias)|(fc_)?norm\.(weight|bias)|{_BLOCK})"
)
_KNOWN_SWIN = re.compile(
    r"(patch_embed\.(proj|norm)\.(weight|bias)|norm\.(weight|bias)"
    rf"|layers\.\d+\.downsample\.(norm\.(weight|bias)|reduction\.weight)|layers\.\d+\.{_BLOCK})"
)


def sees_class_token(backbone: Any) -> bool:
    """Return whether the blocks of a ViT see a class token; True for any other network.

    A ViT without one (I-JEPA) has the weights of an unused one, which no other program expects.
    """
    return bool(getattr(backbone, "with_cls_token", True))


def backbone_in_format(
    weights: Weights, style: str, filename: str, class_token: bool = True
) -> dict[str, Tensor]:
    """Return the weights of a backbone under the names of another library.

    Args:
        weights: The weights without prefix.
        style: One of ``FORMATS``.
        filename: Name of their file, for errors.
        class_token: See ``sees_class_token``: False leaves out the unused token and its position,
            as timm's ``class_token=False`` has none.

    Raises:
        UserError: The library has no such network.
    """
    if style == "mmselfsup":
        return dict(weights)
    if "conv1.weight" in weights:
        foreign = [name for name in weights if not _RESNET.match(name)]
        if foreign:
            raise UserError(f"{filename}: {foreign[0]!r} is no weight of {style}'s ResNet")
        return dict(weights)
    if style == "torchvision":
        raise UserError(f"{filename} is no ResNet with a plain stem: write it as --format timm")
    return timm_names(weights, filename, class_token)


def timm_names(weights: Weights, filename: str, class_token: bool = True) -> dict[str, Tensor]:
    """Return the weights of a ViT or Swin under timm's names.

    A ViT with relative positions becomes timm's BEiT, any other its ``VisionTransformer``.

    Args:
        weights: The weights without prefix.
        filename: Name of their file, for errors.
        class_token: See ``backbone_in_format``.

    Raises:
        UserError: They are of neither, or of a variant that timm doesn't have.
    """
    kept = {name: tensor for name, tensor in weights.items() if not _LEFT_OUT.match(name)}
    if "patch_embed.proj.weight" in kept:  # a backbone of timm itself
        return kept
    if any(name.startswith("stages.") for name in kept):
        found, known = swin_to_timm(kept), _KNOWN_SWIN
    else:
        found, known = _vit_to_timm(kept), _KNOWN_VIT
        if not class_token and "cls_token" in found:
            del found["cls_token"]
            if "pos_embed" in found and "reg_token" not in found:  # registers took it out already
                found["pos_embed"] = found["pos_embed"][:, 1:].clone()
    foreign = [name for name in found if not known.fullmatch(name)]
    if foreign or "patch_embed.proj.weight" not in found:
        reason = f"timm has no place for {foreign[0]!r}" if foreign else "it has no patch embedding"
        raise UserError(
            f"{filename} is no ResNet, ViT or Swin that timm has ({reason}): leave --format out"
        )
    return found


def published_names(weights: Weights) -> dict[str, Tensor]:
    """Return the weights of a backbone under the names that other programs know.

    A ViT or Swin gets timm's names where this loses nothing that a forward pass without masks
    needs; a Swin with a normalisation for each stage, which timm lacks, and any other network keep
    their own. ``own_names`` is the way back.

    Args:
        weights: The weights without prefix.
    """
    if "patch_embed.projection.weight" not in weights or not _closes_once(weights):
        return dict(weights)
    try:
        return timm_names(weights, "the backbone")
    except UserError:  # a variant that timm doesn't have
        return dict(weights)


def _closes_once(weights: Weights) -> bool:
    """Return whether the only normalisation of a Swin's stages is that of the last one."""
    stages = {int(name.split(".")[1]) for name in weights if name.startswith("stages.")}
    norms = {found[1] for name in weights if (found := re.match(r"norm(\d+)\.", name))}
    return not stages or norms <= {str(max(stages))}


def own_names(weights: Weights, wanted: Weights) -> tuple[dict[str, Tensor], bool]:
    """Return weights with the transformers in them under our names, and whether there were any.

    Args:
        weights: The weights of a file, under any prefixes; several networks may be in it.
        wanted: The weights of the model: biases become what its backbone has.
    """
    own = own_prefix(wanted)
    separate = any(name.startswith(own) and name.endswith(".q_bias") for name in wanted)
    end = "patch_embed.proj.weight"
    prefixes = sorted((n[: -len(end)] for n in weights if n.endswith(end)), key=len, reverse=True)
    left, found, any_renamed = dict(weights), {}, False
    for prefix in prefixes:  # an inner one first: the outermost may be ''
        inside = {n[len(prefix) :]: left.pop(n) for n in list(left) if n.startswith(prefix)}
        if not fits_already(inside, wanted, prefix):
            inside = _to_own(inside, separate)
            any_renamed = True
        found.update({prefix + name: tensor for name, tensor in inside.items()})
    return {**found, **left}, any_renamed


def fits_already(network: Weights, wanted: Weights, prefix: str) -> bool:
    """Return whether the weights of a network have names and shapes of the model's as they are.

    Args:
        network: The weights without their prefix in the file.
        wanted: The weights of the model.
        prefix: That prefix.
    """
    return all(
        prefix + name in wanted and wanted[prefix + name].shape == tensor.shape
        for name, tensor in network.items()
    )


def _to_own(weights: Weights, separate_biases: bool) -> dict[str, Tensor]:
    """Return one network of timm under our names; what is no part of it keeps its name."""
    if any(re.match(r"layers\.\d+\.blocks\.", name) for name in weights):
        return _swin_to_own(weights)
    return (apart if separate_biases else joined)(renamed(weights, _FROM_VIT))


def renamed(weights: Weights, rules: Rules) -> dict[str, Tensor]:
    """Return weights under the names after all rules, each applied to what the last one left."""
    found = {}
    for name, tensor in weights.items():
        for pattern, new in rules:
            name = re.sub(pattern, new, name)
        found[name] = tensor
    return found


def _vit_to_timm(weights: Weights) -> dict[str, Tensor]:
    """Return a ViT under timm's names."""
    is_beit = any(name.endswith(".relative_position_bias_table") for name in weights)
    if is_beit:  # it has no modules for the factors of LayerScale
        return apart(renamed(weights, VIT_RULES[:-1]))
    found = joined(renamed(weights, VIT_RULES))
    if "reg_token" in found:  # then timm has no position of the class token
        found["cls_token"] = found["cls_token"] + found["pos_embed"][:, :1]
        found["pos_embed"] = found["pos_embed"][:, 1:].clone()
    return found


def joined(weights: Weights) -> dict[str, Tensor]:
    """Return weights with one bias of queries, keys (zero) and values, where there were two."""
    found = {}
    for name, tensor in weights.items():
        if name.endswith(".q_bias"):
            values = weights[name.replace(".q_bias", ".v_bias")]
            joined = torch.cat([tensor, torch.zeros_like(tensor), values])  # [3*C]
            found[name.replace(".q_bias", ".qkv.bias")] = joined
        elif not name.endswith(".v_bias"):
            found[name] = tensor
    return found


def apart(weights: Weights) -> dict[str, Tensor]:
    """Return weights with biases of queries and of values, without that of keys."""
    found = {}
    for name, tensor in weights.items():
        if name.endswith(".qkv.bias"):
            first, _, last = tensor.chunk(3)  # each [C]
            found[name.replace(".qkv.bias", ".q_bias")] = first.clone()
            found[name.replace(".qkv.bias", ".v_bias")] = last.clone()
        else:
            found[name] = tensor
    return found


def swin_to_timm(weights: Weights) -> dict[str, Tensor]:
    """Return a Swin under timm's names: the merging opens a stage there, here it ends one."""
    last = max(int(name.split(".")[1]) for name in weights if name.startswith("stages."))
    found = {}
    for name, tensor in renamed(weights, _SWIN).items():
        norm = re.match(r"norm(\d+)\.", name)
        if norm is None:
            new = re.sub(r"^layers\.(\d+)\.downsample\.", _stage_after(1), name)
            found[new] = _merging(tensor, _outer_neighbours) if ".downsample." in name else tensor
        elif int(norm[1]) == last:  # those of other stages are for their outputs alone
            found[f"norm.{name.partition('.')[2]}"] = tensor
    return found


def _swin_to_own(weights: Weights) -> dict[str, Tensor]:
    """Return a Swin under our names; the original code has the merging at the end of a stage."""
    numbers = [re.match(r"layers\.(\d+)\.", name) for name in weights]
    last = max(int(number[1]) for number in numbers if number)
    opens = not any(name.startswith("layers.0.downsample.") for name in weights)
    found = {}
    for name, tensor in weights.items():
        new = re.sub(r"^layers\.(\d+)\.downsample\.", _stage_after(-1 if opens else 0), name)
        new = re.sub(r"^norm\.", f"norm{last}.", new)
        found[new] = _merging(tensor, _inner_neighbours) if ".downsample." in name else tensor
    return renamed(found, _FROM_SWIN)


def _stage_after(step: int) -> Callable[[re.Match[str]], str]:
    """Return the function that writes the merging of a stage under that of another one."""
    return lambda match: f"layers.{int(match[1]) + step}.downsample."


def _merging(tensor: Tensor, order: Callable[[Tensor], Tensor]) -> Tensor:
    """Return a weight of the patch merging, [4*C] or [2*C, 4*C], with its inputs in an order."""
    return order(tensor).flatten(-3).contiguous()


def _outer_neighbours(tensor: Tensor) -> Tensor:
    """Return (channel, row, column) as (column, row, channel)."""
    return tensor.unflatten(-1, (-1, 2, 2)).transpose(-1, -3)


def _inner_neighbours(tensor: Tensor) -> Tensor:
    """Return (column, row, channel) as (channel, row, column)."""
    return tensor.unflatten(-1, (2, 2, -1)).transpose(-1, -3)
