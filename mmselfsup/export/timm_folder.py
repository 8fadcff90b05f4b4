"""A folder that timm loads from disk: ``timm.create_model("local-dir:FOLDER", pretrained=True)``.

It is the layout of the models that timm has on the Hugging Face hub, so the folder can be uploaded
as it is. ResNets, ViT (with LayerScale, or BEiT's relative positions) and Swin.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from mmselfsup.core.checkpoint.timm_names import backbone_in_format, sees_class_token
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write, atomic_write_json

from .description import Description, Preprocessing, check_preparation
from .format import Format, Run
from .network import ImageNetwork
from .resnet import is_resnet, resnet_facts
from .weights import safetensors_bytes


class TimmFolder(Format):
    """Weights under timm's names, and the architecture with its arguments."""

    name = "timm"
    file = "model.safetensors"
    described = "mmselfsup.json"
    needs: ClassVar[tuple[str, ...]] = ("timm", "safetensors")
    reading = """import timm

network = timm.create_model("local-dir:FOLDER", pretrained=True).eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
output = network(transform(pil_image)[None])"""

    def write(
        self, network: ImageNetwork, images: Tensor, description: Description, path: Path
    ) -> None:
        prepared = _data_config(description)  # before anything is written
        seen = sees_class_token(network.backbone)
        weights = backbone_in_format(network.backbone.state_dict(), "timm", "the backbone", seen)
        architecture, arguments, head = timm_architecture(network.backbone, weights)
        linear = {f"{head}.{name}": tensor for name, tensor in network.fc().items()}
        with atomic_write(path) as file:
            file.write(safetensors_bytes({**weights, **linear}, {"format": "pt"}))
        number = description.width if linear else 0
        config = {
            "architecture": architecture,
            "num_classes": number,
            "num_features": _features(weights),
            "model_args": arguments,
            "pretrained_cfg": {
                **prepared,
                "num_classes": number,
                "first_conv": "conv1" if is_resnet(network.backbone) else "patch_embed.proj",
                "classifier": head,
            },
        }
        if linear:
            config["label_names"] = description.names()
        atomic_write_json(path.parent / "config.json", config, indent=2)

    def load(self, network: ImageNetwork, path: Path) -> Run:
        import timm

        run: Run = timm.create_model(f"local-dir:{path.parent}", pretrained=True).eval()
        return run


def _data_config(description: Description) -> dict[str, Any]:
    """Return how timm prepares an image.

    Raises:
        UserError: It has no such preparation.
    """
    prepared = description.preprocessing
    check_preparation(prepared, "timm")
    fraction = _crop_fraction_of(prepared)
    return {
        "input_size": [len(prepared.mean), *prepared.size],
        "fixed_input_size": not description.any_size,
        "interpolation": prepared.interpolation,
        "crop_pct": fraction,
        "crop_mode": "center" if isinstance(prepared.resize, int) else "squash",
        "mean": prepared.mean,
        "std": prepared.std,
        **({"license": description.licence} if description.licence else {}),
    }


def _crop_fraction_of(prepared: Preprocessing) -> float:
    """Return the ratio of the sides after and before the crop, timm's only number for both.

    Raises:
        UserError: Height and width have different ratios, or images are cropped as they are.
    """
    (height, width), resize = prepared.size, prepared.resize
    if resize is None and any(step["type"] == "CenterCrop" for step in prepared.transforms):
        raise UserError(
            "--to timm: the config cuts out the centre without resizing, and timm always resizes: "
            "choose onnx, torchscript or torch-export"
        )
    if resize is None:  # images have this size already
        return crop_fraction(min(height, width), min(height, width))
    # Of an input that is not square, timm does not resize the shorter side alone.
    tall, wide = (resize, resize) if isinstance(resize, int) else resize
    if height * wide != width * tall:
        raise UserError(
            f"--to timm: the config resizes images to {resize} and cuts out {height} x {width}, "
            "and timm has one ratio for both sides: choose onnx, torchscript or torch-export, or "
            "resize height and width by the same ratio"
        )
    return min(crop_fraction(height, tall), crop_fraction(width, wide))


def crop_fraction(side: int, resize: int) -> float:
    """Return the fraction by which timm divides the side of the crop, and rounds down."""
    fraction = side / resize
    while math.floor(side / fraction) < resize:  # the quotient may be 98.999...
        fraction = math.nextafter(fraction, 0.0)
    return fraction


def _features(weights: Mapping[str, Tensor]) -> int:
    """Return the width of the features, from the last weight of one dimension or more."""
    norms = [tensor for name, tensor in weights.items() if name.endswith(".weight")]
    return int(norms[-1].shape[0])


def timm_architecture(
    backbone: Any, weights: Mapping[str, Tensor]
) -> tuple[str, dict[str, Any], str]:
    """Return the entry of timm's registry, its arguments, and the name of the classifier's layer.

    Args:
        backbone: The backbone.
        weights: Its weights under timm's names.

    Raises:
        UserError: timm has no such model.
    """
    if is_resnet(backbone):
        facts = resnet_facts(backbone, "timm")
        more = {} if facts.in_channels == 3 else {"in_chans": facts.in_channels}
        return facts.architecture, more, "fc"
    if hasattr(backbone, "stages"):
        return "swin_tiny_patch4_window7_224", _swin_arguments(backbone, weights), "head.fc"
    return _vit(backbone, weights)


def _swin_arguments(backbone: Any, weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of timm's Swin."""
    patch = weights["patch_embed.proj.weight"].shape
    if getattr(backbone, "use_abs_pos_embed", False):
        raise UserError("timm's Swin has no absolute positions")
    window = backbone.stages[0].blocks[0].attn.window_size
    rows, columns = backbone.patch_resolution
    return {
        "img_size": [rows * int(patch[-2]), columns * int(patch[-1])],
        "patch_size": int(patch[-1]),
        "in_chans": int(patch[1]),
        "embed_dim": int(patch[0]),
        "depths": list(backbone.depths),
        "num_heads": list(backbone.num_heads),
        "window_size": int(window if isinstance(window, int) else window[0]),
    }


def _vit(backbone: Any, weights: Mapping[str, Tensor]) -> tuple[str, dict[str, Any], str]:
    """Return what ``timm_architecture`` does, for a plain transformer."""
    patch, fc1 = weights["patch_embed.proj.weight"], weights["blocks.0.mlp.fc1.weight"]
    is_beit = any(name.endswith("relative_position_bias_table") for name in weights)
    scaled = getattr(backbone, "init_values", 0.0) or None
    arguments: dict[str, Any] = {
        "img_size": list(backbone.img_size),
        "patch_size": int(patch.shape[-1]),
        "in_chans": int(patch.shape[1]),
        "embed_dim": int(patch.shape[0]),
        "depth": backbone.num_layers,
        "num_heads": backbone.arch_settings["num_heads"],
        "mlp_ratio": int(fc1.shape[0]) / int(fc1.shape[1]),
        "global_pool": "avg" if "fc_norm.weight" in weights else "token",
    }
    if scaled is not None:
        arguments["init_values"] = scaled
    if is_beit:
        arguments |= {
            "use_abs_pos_emb": "pos_embed" in weights,
            "use_rel_pos_bias": True,
            "qkv_bias": "blocks.0.attn.q_bias" in weights,
        }
        return "beit_base_patch16_224", arguments, "head"
    arguments["qkv_bias"] = "blocks.0.attn.qkv.bias" in weights
    places = int(weights["pos_embed"].shape[1])
    if sees_class_token(backbone):
        places -= 1
    else:  # the mean of the normalised tokens
        arguments |= {"class_token": False, "global_pool": "avg", "fc_norm": False}
    if math.prod(backbone.patch_resolution) != places:
        raise UserError("timm's ViT has one position for each patch and one for the class token")
    return "vit_tiny_patch16_224", arguments, "head"
