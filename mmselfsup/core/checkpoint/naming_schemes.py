"""The names that other libraries give to the weights of a network, as tables.

A file in any of these schemes gets the names of timm (transformers) or torchvision (ResNets), and
then those of the model: ours, timm's, or torchvision's for its own transformer. Most files need no
table: a ResNet of MoCo, SwAV, Barlow Twins, VICReg, VISSL, solo-learn or MMSelfSup, and a
transformer of DINO, MAE or MoCo v3, has the names of torchvision or timm behind a prefix, which
``prefixes.find_prefix`` finds.

Letters: C channels, L places of the grid of patches.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from math import isqrt

import torch
from torch import Tensor

from .timm_names import VIT_RULES, apart, fits_already, joined, renamed, swin_to_timm

Weights = Mapping[str, Tensor]
Rules = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Scheme:
    """How a library names the weights of a network.

    Attributes:
        name: What the report calls it.
        anchor: The name of a weight that every network of it has; what stands before it in a file
            is the prefix of the network.
        mark: A regular expression that one of the names matches, where the anchor doesn't tell.
        rules: Regular expressions and replacements, each applied to what the one before it left.
        joins: Whether queries, keys and values are apart: rules call them ``attn.q``, ``attn.k``
            and ``attn.v``.
    """

    name: str
    anchor: str
    mark: str = ""
    rules: Rules = ()
    joins: bool = False


_BIAS = "relative_position_bias_table"
_HF_BIAS = rf"relative_position_bias\.{_BIAS}"
_HF_BLOCK: Rules = (
    (r"^(?:encoder\.)?layers?\.(\d+)\.", r"blocks.\1."),
    (r"\.attention\.attention\.(q|k|v)(?:uery|ey|alue)\.", r".attn.\1."),
    (r"\.attention\.([qkv])_proj\.", r".attn.\1."),
    (r"\.attention\.(?:output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"^(blocks\.\d+)\.intermediate\.dense\.", r"\1.mlp.fc1."),
    (r"^(blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
    (r"\.mlp\.weights_in\.", ".mlp.fc1."),
    (r"\.mlp\.weights_out\.", ".mlp.fc2."),
    (r"^layernorm\.", "norm."),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.register_tokens$", "reg_token"),
    (r"^embeddings\.(cls|mask)_token$", r"\1_token"),
    # BEiT: factors of layers, and biases of relative positions of a block or of all blocks.
    (r"\.lambda_([12])$", r".gamma_\1"),
    (rf"^(blocks\.\d+)\.(?:attention\.attention\.)?{_HF_BIAS}$", rf"\1.attn.{_BIAS}"),
    (
        rf"^(?:encoder|shared_position_bias)\.(?:relative_position_bias\.)?{_BIAS}$",
        f"rel_pos_bias.{_BIAS}",
    ),
    (r"^pooler\.layernorm\.", "fc_norm."),
)

SCHEMES: tuple[Scheme, ...] = (
    Scheme(
        "Hugging Face Swin",
        "embeddings.patch_embeddings.projection.weight",
        mark=r"^encoder\.layers\.\d+\.blocks\.",
        rules=(
            (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
            (r"^embeddings\.norm\.", "patch_embed.norm."),
            # Patches are merged behind a stage, in timm before the next one.
            *(
                (rf"^encoder\.layers\.{i}\.downsample\.", f"layers.{i + 1}.downsample.")
                for i in range(4)
            ),
            (r"^encoder\.layers\.", "layers."),
            (r"\.attention\.self\.(q|k|v)(?:uery|ey|alue)\.", r".attn.\1."),
            (r"\.attention\.([qkv])_proj\.", r".attn.\1."),
            (r"\.attention\.(?:output\.dense|o_proj)\.", ".attn.proj."),
            (rf"\.attention\.(?:self|relative_position_bias)\.{_BIAS}$", f".attn.{_BIAS}"),
            (r"\.layernorm_before\.", ".norm1."),
            (r"\.layernorm_after\.", ".norm2."),
            (r"\.intermediate\.dense\.", ".mlp.fc1."),
            (r"\.output\.dense\.", ".mlp.fc2."),
            (r"^layernorm\.", "norm."),
        ),
        joins=True,
    ),
    Scheme(
        "Hugging Face ConvNeXt",
        "embeddings.patch_embeddings.weight",
        mark=r"^encoder\.stages\.\d+\.layers\.\d+\.dwconv\.",
        rules=(
            (r"^embeddings\.patch_embeddings\.", "stem.0."),
            (r"^embeddings\.layernorm\.", "stem.1."),
            (r"^encoder\.stages\.(\d+)\.downsampling_layer\.", r"stages.\1.downsample."),
            (r"^encoder\.stages\.(\d+)\.layers\.", r"stages.\1.blocks."),
            (r"\.dwconv\.", ".conv_dw."),
            (r"\.layernorm\.", ".norm."),
            (r"\.pwconv([12])\.", r".mlp.fc\1."),
            (r"\.grn\.", ".mlp.grn."),
            (r"\.layer_scale_parameter$", ".gamma"),
            (r"^layernorm\.", "head.norm."),
        ),
    ),
    Scheme(
        "Hugging Face ViT or DINOv2",
        "embeddings.patch_embeddings.projection.weight",
        rules=((r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."), *_HF_BLOCK),
        joins=True,
    ),
    Scheme(
        "Hugging Face DINOv3",
        "embeddings.patch_embeddings.weight",
        rules=(
            (r"^embeddings\.patch_embeddings\.", "patch_embed.proj."),
            *_HF_BLOCK,
            (r"\.mlp\.gate_proj\.", ".mlp.fc1_g."),
            (r"\.mlp\.up_proj\.", ".mlp.fc1_x."),  # without a gate it is ``fc1``, see ``_gated``
            (r"\.mlp\.down_proj\.", ".mlp.fc2."),
        ),
        joins=True,
    ),
    Scheme(
        "Hugging Face ResNet",
        "embedder.embedder.convolution.weight",
        rules=(
            (r"^embedder\.embedder\.convolution\.", "conv1."),
            (r"^embedder\.embedder\.normalization\.", "bn1."),
            *((rf"^encoder\.stages\.{i}\.layers\.", f"layer{i + 1}.") for i in range(4)),
            *((rf"\.layer\.{i}\.convolution\.", f".conv{i + 1}.") for i in range(3)),
            *((rf"\.layer\.{i}\.normalization\.", f".bn{i + 1}.") for i in range(3)),
            (r"\.shortcut\.convolution\.", ".downsample.0."),
            (r"\.shortcut\.normalization\.", ".downsample.1."),
        ),
    ),
    Scheme(
        "torchvision's ViT",
        "conv_proj.weight",
        rules=(
            (r"^conv_proj\.", "patch_embed.proj."),
            (r"^class_token$", "cls_token"),
            (r"^encoder\.pos_embedding$", "pos_embed"),
            (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
            (r"\.ln_([12])\.", r".norm\1."),
            (r"\.self_attention\.in_proj_(weight|bias)$", r".attn.qkv.\1"),
            (r"\.self_attention\.out_proj\.", ".attn.proj."),
            (r"\.mlp\.(?:linear_1|0)\.", ".mlp.fc1."),
            (r"\.mlp\.(?:linear_2|3)\.", ".mlp.fc2."),
            (r"^encoder\.ln\.", "norm."),
        ),
    ),
    Scheme(
        "a ResNetGenerator in a Sequential (lightly)",
        "2.0.conv1.weight",  # of a torchvision ResNet 2 is an activation
        mark=r"^[345]\.0\.shortcut\.0\.weight$",
        rules=(
            (r"^0\.", "conv1."),
            (r"^1\.", "bn1."),
            *((rf"^{i + 1}\.(\d+)\.", rf"layer{i}.\1.") for i in range(1, 5)),
            (r"\.shortcut\.", ".downsample."),
        ),
    ),
    Scheme(
        "a ResNet in a Sequential (lightly)",
        "4.0.conv1.weight",
        rules=(
            (r"^0\.", "conv1."),
            (r"^1\.", "bn1."),
            *((rf"^{i + 3}\.(\d+)\.", rf"layer{i}.\1.") for i in range(1, 5)),
        ),
    ),
    Scheme(
        "lightly's ResNetGenerator",
        "layer2.0.shortcut.0.weight",
        rules=((r"\.shortcut\.", ".downsample."),),
    ),
    Scheme(
        "Meta's ConvNeXt",
        "downsample_layers.0.0.weight",
        rules=(
            (r"^downsample_layers\.0\.", "stem."),
            (r"^downsample_layers\.(\d+)\.", r"stages.\1.downsample."),
            (r"^stages\.(\d+)\.(\d+)\.", r"stages.\1.blocks.\2."),
            (r"\.dwconv\.", ".conv_dw."),
            (r"\.pwconv([12])\.", r".mlp.fc\1."),
            (r"\.grn\.gamma$", ".mlp.grn.weight"),
            (r"\.grn\.beta$", ".mlp.grn.bias"),
            (r"^norm\.", "head.norm."),
        ),
    ),
    Scheme(
        "Meta's DINOv3",
        "patch_embed.proj.weight",
        mark=r"storage_tokens$|rope_embed\.periods$|\.qkv\.bias_mask$",
        rules=(
            (r"^storage_tokens$", "reg_token"),
            (r"\.mlp\.w1\.", ".mlp.fc1_g."),
            (r"\.mlp\.w2\.", ".mlp.fc1_x."),
            (r"\.mlp\.w3\.", ".mlp.fc2."),
        ),
    ),
    Scheme(
        "Meta's DINOv2",
        "patch_embed.proj.weight",
        mark=r"^register_tokens$|^blocks\.\d+\.\d+\.|\.mlp\.w12\.",
        rules=(
            (r"^register_tokens$", "reg_token"),
            (r"^blocks\.\d+\.(\d+)\.", r"blocks.\1."),  # in chunks
            (r"\.mlp\.w12\.", ".mlp.fc1."),
            (r"\.mlp\.w3\.", ".mlp.fc2."),
        ),
    ),
)
# Ours, MMSelfSup's, mmcls's and mmpretrain's; only for models with other names.
_OWN = Scheme(
    "MMSelfSup or mmpretrain",
    "patch_embed.projection.weight",
    rules=(
        (r"\.attn\.gamma1\.weight$", ".ls1.gamma"),
        (r"\.ffn\.gamma2\.weight$", ".ls2.gamma"),
        *VIT_RULES,
    ),
)
# LayerScale in mmpretrain, under the names that mmcls and ours have for it.
_OWN_SCALES: Rules = (
    (r"\.attn\.gamma1\.weight$", ".gamma_1"),
    (r"\.ffn\.gamma2\.weight$", ".gamma_2"),
)
# The layers in front of the two factors of LayerScale, in timm and in ours.
_SCALED = {"1": (".attn.proj",), "2": (".mlp.fc2", ".ffn.layers.1")}
_TO_TORCHVISION: Rules = (
    (r"^patch_embed\.proj\.", "conv_proj."),
    (r"^cls_token$", "class_token"),
    (r"^pos_embed$", "encoder.pos_embedding"),
    (r"^norm\.", "encoder.ln."),
    (r"^blocks\.(\d+)\.", r"encoder.layers.encoder_layer_\1."),
    (r"\.norm([12])\.", r".ln_\1."),
    (r"\.attn\.qkv\.(weight|bias)$", r".self_attention.in_proj_\1"),
    (r"\.attn\.proj\.", ".self_attention.out_proj."),
    (r"\.mlp\.fc1\.", ".mlp.0."),
    (r"\.mlp\.fc2\.", ".mlp.3."),
)
_TIMM = "patch_embed.proj.weight"
_CONVNEXT = "stages.0.blocks.0.conv_dw.weight"
_WRAPPER = "timm_model."  # of mmcls's and mmpretrain's TIMMBackbone


def library_names(weights: Weights, target: Weights) -> tuple[dict[str, Tensor], list[str]]:
    """Return weights of any scheme under the names of timm or torchvision.

    Args:
        weights: The weights of a file, under any prefixes; several networks may be in it.
        target: The weights of the model. Variants become what it has: biases of queries and values
            apart or joined, factors of LayerScale under one of two names or multiplied into the
            layer before them, the position of the class token apart or in the token.

    Returns:
        The weights, and the names of the schemes that were found. A network whose names and shapes
        are those of the model stays as it is: another one in the model may be of another variant.
    """
    found, names = dict(weights), []
    if any(_WRAPPER in name for name in found):
        found = {name.replace(_WRAPPER, ""): tensor for name, tensor in found.items()}
        names.append("TIMMBackbone")
    ours = any(name.endswith(_OWN.anchor) for name in target)
    for scheme in SCHEMES if ours else (*SCHEMES, _OWN):
        convert = _converter(scheme)
        found, any_found = _each_network(found, scheme.anchor, scheme.mark, convert, target)
        names += [scheme.name] * any_found
    found, _ = _each_network(found, _TIMM, "", partial(_as_wanted, target=target), target)
    found, _ = _each_network(found, _CONVNEXT, "", partial(_of_form, target=target), target)
    if any(name.endswith("conv_proj.weight") for name in target):
        convert = partial(renamed, rules=_TO_TORCHVISION)
        found, _ = _each_network(found, _TIMM, "", convert, target)
    if ours:
        convert = partial(_own_as_wanted, target=target)
        found, _ = _each_network(found, _OWN.anchor, "", convert, target)
    return found, names


def _converter(scheme: Scheme) -> Callable[[Weights], dict[str, Tensor]]:
    """Return the function from one network in a scheme to timm's or torchvision's names."""

    def convert(network: Weights) -> dict[str, Tensor]:
        if scheme is _OWN and any(name.startswith("stages.") for name in network):
            return swin_to_timm(network)
        found = renamed(network, scheme.rules)
        return _gated(_join(found)) if scheme.joins else found

    return convert


def _each_network(
    weights: Weights,
    anchor: str,
    mark: str,
    convert: Callable[[Weights], dict[str, Tensor]],
    target: Weights,
) -> tuple[dict[str, Tensor], bool]:
    """Convert each network in a file that has an anchor and a mark, and say whether there was one.

    An inner network comes before one around it, whose prefix may be ''. One that fits the target
    as it is stays.
    """
    left, found, any_found = dict(weights), {}, False
    starts = (name[: -len(anchor)] for name in weights if name.endswith(anchor))
    prefixes = sorted((s for s in starts if not s or s.endswith(".")), key=len, reverse=True)
    for prefix in prefixes:
        inside = {n[len(prefix) :]: t for n, t in left.items() if n.startswith(prefix)}
        if mark and not any(re.search(mark, name) for name in inside):
            continue
        for name in inside:
            del left[prefix + name]
        fits = fits_already(inside, target, prefix)
        converted = inside if fits else convert(inside)
        found.update({prefix + name: tensor for name, tensor in converted.items()})
        any_found = any_found or not fits
    return {**found, **left}, any_found


def _join(weights: Weights) -> dict[str, Tensor]:
    """Return weights with queries, keys and values joined; a bias that is missing is zero."""
    found = dict(weights)
    for name in [name for name in weights if re.search(r"\.attn\.q\.(weight|bias)$", name)]:
        parts = [name.replace(".attn.q.", f".attn.{part}.") for part in "qkv"]
        first = found[name]
        tensors = [found.pop(part, torch.zeros_like(first)) for part in parts]
        found[name.replace(".attn.q.", ".attn.qkv.")] = torch.cat(tensors)  # [3*C, ...]
    return found


def _gated(weights: Weights) -> dict[str, Tensor]:
    """Return weights with ``fc1`` for the first layer of an MLP without a gate."""
    if any(".mlp.fc1_g." in name for name in weights):
        return dict(weights)
    return renamed(weights, ((r"\.mlp\.fc1_x\.", ".mlp.fc1."),))


def _as_wanted(weights: Weights, target: Weights) -> dict[str, Tensor]:
    """Return a transformer under timm's names in the variant that the model has."""
    found = _with_biases(weights, target)
    found = _with_scales(found, target)
    for name, position in target.items():
        if name.rpartition(".")[2] in ("pos_embed", "pos_embedding"):
            _move_class_position(found, position, _has(target, "reg_token"))
            break
    return found


def _own_as_wanted(weights: Weights, target: Weights) -> dict[str, Tensor]:
    """Return a transformer under our names, or mmpretrain's, in the variant that the model has."""
    found = _with_biases(renamed(weights, _OWN_SCALES), target)
    return found if _has(target, ".gamma_1") else _without_scales(found)


def _of_form(weights: Weights, target: Weights) -> dict[str, Tensor]:
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


def _has(names: Iterable[str], *endings: str) -> bool:
    """Return whether a name has one of the endings."""
    return any(name.endswith(endings) for name in names)


def _with_biases(weights: Weights, target: Weights) -> dict[str, Tensor]:
    """Return weights with the biases of queries, keys and values in the model's form.

    A model without any has no place for them: those of zeros are left out, others are reported.
    """
    if _has(target, ".q_bias"):
        return apart(weights)
    if _has(target, ".qkv.bias", ".in_proj_bias"):
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
    if _has(target, ".ls1.gamma"):
        return renamed(weights, ((r"\.gamma_([12])$", r".ls\1.gamma"),))
    found = renamed(weights, ((r"\.ls([12])\.gamma$", r".gamma_\1"),))
    if _has(target, ".gamma_1"):
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


def _move_class_position(weights: dict[str, Tensor], wanted: Tensor, registers: bool) -> None:
    """Move the position of the class token into the token or out of it, as the model has it.

    Args:
        weights: The weights, changed in place.
        wanted: The position embedding of the model, [1, L, C] or [1, 1 + L, C].
        registers: Whether the model has registers.
    """
    position, token = weights.get("pos_embed"), weights.get("cls_token")
    if position is None or token is None or position.ndim != 3 or wanted.ndim != 3:
        return
    has, wants = _with_class(position, "reg_token" in weights), _with_class(wanted, registers)
    if has and not wants:
        weights["cls_token"] = token + position[:, :1]
        weights["pos_embed"] = position[:, 1:].clone()
    elif wants and not has:
        weights["pos_embed"] = torch.cat([torch.zeros_like(token), position], dim=1)


def _with_class(position: Tensor, registers: bool) -> bool:
    """Return whether the position embedding of a network with a class token has a place for it.

    The number of places says so for a square. For any other grid it is as in timm, whose networks
    with registers have no such place.
    """
    length = position.shape[1]
    if isqrt(length) ** 2 == length:
        return False
    return isqrt(length - 1) ** 2 == length - 1 or not registers
