"""The names that other libraries give to the weights of a network, as tables.

A file in any of these schemes gets the names of timm (transformers) or torchvision (ResNets), and
then those of the model: ours, timm's, or torchvision's for its own transformer. Most files need no
table: a ResNet of MoCo, SwAV, Barlow Twins, VICReg, VISSL, solo-learn or MMSelfSup, and a
transformer of DINO, MAE or MoCo v3, has the names of torchvision or timm behind a prefix, which
``prefixes.find_prefix`` finds.

Letters: C channels, L places of the grid of patches.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .same_network import own_prefix
from .stored_weights import weights_below
from .timm_names import VIT_RULES, Weights, fits_already, renamed, swin_to_timm
from .variants import convnext_as_wanted, has_ending, own_vit_as_wanted, vit_as_wanted

#: A function from the weights of a network, and its prefix in the file, to weights in other names.
Convert = Callable[[Weights, str], dict[str, Tensor]]
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
        "Microsoft's Swin",
        "patch_embed.proj.weight",
        mark=r"^layers\.0\.downsample\.",
        # Patches are merged behind a stage; the last ones first, as rules follow one another.
        rules=tuple(
            (rf"^layers\.{i}\.downsample\.", f"layers.{i + 1}.downsample.")
            for i in reversed(range(4))
        ),
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
        "lightly-train's ConvNeXt of torchvision",
        "_features.0.0.weight",
        rules=((r"^_features\.", "features."),),
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


def library_names(
    weights: Weights, target: Weights, places: Mapping[str, int] | None = None
) -> tuple[dict[str, Tensor], list[str]]:
    """Return weights of any scheme under the names of timm or torchvision.

    Args:
        weights: The weights of a file, under any prefixes; several networks may be in it.
        target: The weights of the model. Variants become what it has: biases of queries and values
            apart or joined, factors of LayerScale under one of two names or multiplied into the
            layer before them, the position of the class token apart or in the token.
        places: The result of ``position_embedding.places_of`` for the model; what it doesn't name
            is taken for a square grid.

    Returns:
        The weights, and the names of the schemes that were found. A network whose names and shapes
        are those of the model stays as it is: another one in the model may be of another variant.
    """
    found, names = dict(weights), []
    if any(_WRAPPER in name for name in found):
        found = {name.replace(_WRAPPER, ""): tensor for name, tensor in found.items()}
        names.append("TIMMBackbone")
    known: set[str] = set()
    backbone = weights_below(target, own_prefix(target))
    ours = has_ending(backbone, _OWN.anchor)
    for scheme in SCHEMES if ours else (*SCHEMES, _OWN):
        found, prefixes = _each_network(
            found, scheme.anchor, scheme.mark, _converter(scheme), target
        )
        names += [scheme.name] * bool(prefixes)
        # All of other libraries have a position of the class token, ours with registers too.
        known.update(p for p in prefixes if scheme is not _OWN or f"{p}reg_token" in found)

    def vit(network: Weights, prefix: str) -> dict[str, Tensor]:
        start = _like(target, prefix)
        return vit_as_wanted(
            network,
            weights_below(target, start),
            weights_below(places or {}, start),
            prefix in known,
        )

    found, _ = _each_network(found, _TIMM, "", vit, target)
    found, _ = _each_network(found, _CONVNEXT, "", _in_variant(convnext_as_wanted, target), target)
    if has_ending(backbone, "conv_proj.weight"):
        found, _ = _each_network(
            found, _TIMM, "", lambda network, _: renamed(network, _TO_TORCHVISION), target
        )
    if ours:
        found, _ = _each_network(
            found, _OWN.anchor, "", _in_variant(own_vit_as_wanted, target), target
        )
    return found, names


def _like(target: Weights, prefix: str) -> str:
    """Return the prefix of the network in the model whose variant a network of a file gets.

    It is the one of the same prefix, such as a teacher's, otherwise the backbone.
    """
    anchors = (_TIMM, _OWN.anchor, _CONVNEXT, "conv_proj.weight")
    has = any(name.startswith(prefix) and name.endswith(anchors) for name in target)
    return prefix if prefix and has else own_prefix(target)


def _in_variant(
    change: Callable[[Weights, Weights], dict[str, Tensor]], target: Weights
) -> Convert:
    """Return the function that gives a network of a file the variant of that in the model."""
    return lambda network, prefix: change(network, weights_below(target, _like(target, prefix)))


def _converter(scheme: Scheme) -> Convert:
    """Return the function from one network in a scheme to timm's or torchvision's names."""

    def convert(network: Weights, _: str) -> dict[str, Tensor]:
        if scheme is _OWN and any(name.startswith("stages.") for name in network):
            return swin_to_timm(network)
        found = renamed(network, scheme.rules)
        return _gated(_join(found)) if scheme.joins else found

    return convert


def _each_network(
    weights: Weights, anchor: str, mark: str, convert: Convert, target: Weights
) -> tuple[dict[str, Tensor], list[str]]:
    """Convert each network in a file that has an anchor and a mark, and return their prefixes.

    An inner network comes before one around it, whose prefix may be ''. One that fits the target
    as it is stays.
    """
    left, found, converted = dict(weights), {}, []
    starts = (name[: -len(anchor)] for name in weights if name.endswith(anchor))
    prefixes = sorted((s for s in starts if not s or s.endswith(".")), key=len, reverse=True)
    for prefix in prefixes:
        inside = {n[len(prefix) :]: t for n, t in left.items() if n.startswith(prefix)}
        if mark and not any(re.search(mark, name) for name in inside):
            continue
        for name in inside:
            del left[prefix + name]
        if not fits_already(inside, target, prefix):
            inside = convert(inside, prefix)
            converted.append(prefix)
        found.update({prefix + name: tensor for name, tensor in inside.items()})
    return {**found, **left}, converted


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
