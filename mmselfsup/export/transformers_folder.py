"""A folder that ``transformers`` loads from disk, for ResNet and ViT; timm's for others.

``AutoModelForImageClassification.from_pretrained("FOLDER")``, or ``AutoModel`` for features.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from mmselfsup.core.checkpoint.timm_names import backbone_in_format, renamed, sees_class_token
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write, atomic_write_json

from .description import INTERPOLATIONS, Description, check_preparation
from .format import Format, Run
from .network import ImageNetwork
from .resnet import is_resnet, resnet_facts
from .timm_folder import TimmFolder
from .weights import safetensors_bytes

# torchvision's names of a ResNet, and those of transformers.
_RESNET = (
    (r"^conv1\.", "embedder.embedder.convolution."),
    (r"^bn1\.", "embedder.embedder.normalization."),
    (r"\.conv(\d)\.", lambda found: f".layer.{int(found[1]) - 1}.convolution."),
    (r"\.bn(\d)\.", lambda found: f".layer.{int(found[1]) - 1}.normalization."),
    (r"\.downsample\.0\.", ".shortcut.convolution."),
    (r"\.downsample\.1\.", ".shortcut.normalization."),
    (r"^layer(\d)\.(\d+)\.",
     lambda found: f"encoder.stages.{int(found[1]) - 1}.layers.{found[2]}."),
)  # fmt: skip
# timm's names of a ViT, and those of transformers.
_VIT = (
    (r"^cls_token$", "embeddings.cls_token"),
    (r"^pos_embed$", "embeddings.position_embeddings"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
    (r"^norm\.", "layernorm."),
    (r"^blocks\.(\d+)\.", r"encoder.layer.\1."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
)
# A ViT of transformers has these weights and no others.
_KNOWN_VIT = re.compile(
    r"cls_token|pos_embed|(patch_embed\.proj|norm|blocks\.\d+\.(norm[12]|attn\.(qkv|proj)"
    r"|mlp\.fc[12]))\.(weight|bias)"
)


class HuggingFace(Format):
    """Weights, architecture, labels and preprocessing as ``transformers`` reads them."""

    name = "hf"
    file = "model.safetensors"
    described = "mmselfsup.json"
    needs: ClassVar[tuple[str, ...]] = ("transformers", "safetensors")
    reading = """from transformers import AutoImageProcessor, AutoModel

processor = AutoImageProcessor.from_pretrained("FOLDER")
network = AutoModel.from_pretrained("FOLDER").eval()
features = network(**processor(pil_image, return_tensors="pt")).last_hidden_state"""

    def write(
        self, network: ImageNetwork, images: Tensor, description: Description, path: Path
    ) -> None:
        kind = kind_of(network.backbone)
        if kind is None:
            TimmFolder().write(network, images, description, path)
            return
        processor = _processor(description)  # before anything is written
        convert = _resnet if kind == "resnet" else _vit
        config, weights = convert(network.backbone)
        linear = network.fc()
        layer = "classifier.1" if kind == "resnet" else "classifier"
        prefix = f"{kind}." if linear else ""
        named = {f"{prefix}{name}": tensor for name, tensor in weights.items()}
        named |= {f"{layer}.{name}": tensor for name, tensor in linear.items()}
        with atomic_write(path) as file:
            file.write(safetensors_bytes(named, {"format": "pt"}))
        stem = "ResNet" if kind == "resnet" else "ViT"
        config["architectures"] = [f"{stem}{'ForImageClassification' if linear else 'Model'}"]
        config |= {"model_type": kind, "torch_dtype": "float32"}
        if linear:
            names = description.names()
            config["id2label"] = {str(number): name for number, name in enumerate(names)}
            config["label2id"] = {name: number for number, name in enumerate(names)}
        atomic_write_json(path.parent / "config.json", config, indent=2)
        atomic_write_json(path.parent / "preprocessor_config.json", processor, indent=2)

    def load(self, network: ImageNetwork, path: Path) -> Run:
        if kind_of(network.backbone) is None:
            return TimmFolder().load(network, path)
        from transformers import AutoModelForImageClassification

        if network.classifies:
            model = _loaded(AutoModelForImageClassification, path)
            return lambda images: model(pixel_values=images).logits
        if kind_of(network.backbone) == "resnet":
            from transformers import AutoModel

            model = _loaded(AutoModel, path)
            return lambda images: model(pixel_values=images).pooler_output.flatten(1)
        from transformers import ViTModel

        model = _loaded(ViTModel, path, add_pooling_layer=False)
        return lambda images: model(pixel_values=images).last_hidden_state[:, 0]

    def packages(self, network: ImageNetwork) -> tuple[str, ...]:
        return TimmFolder.needs if kind_of(network.backbone) is None else self.needs

    def explain(self, network: ImageNetwork, description: Description) -> str:
        if kind_of(network.backbone) is None:
            return TimmFolder.reading
        if description.task == "features":
            return self.reading
        text = self.reading.replace("AutoModel", "AutoModelForImageClassification")
        return text.replace("features = ", "logits = ").replace(".last_hidden_state", ".logits")


def _loaded(kind: Any, path: Path, **more: Any) -> Any:
    """Return a model of ``transformers`` from a folder, which must hold all its weights.

    Raises:
        UserError: It does not.
    """
    model, report = kind.from_pretrained(
        str(path.parent), local_files_only=True, output_loading_info=True, **more
    )
    wrong = [*report["missing_keys"], *report["unexpected_keys"], *report["mismatched_keys"]]
    if wrong:
        raise UserError(
            f"{path}: transformers does not find, or not expect, {len(wrong)} weights, such as "
            f"{wrong[0]}: its version may be too old or too new"
        )
    return model.eval()


def kind_of(backbone: Any) -> str | None:
    """Return which model of ``transformers`` a backbone is: ``resnet``, ``vit`` or None."""
    if is_resnet(backbone):
        return "resnet" if getattr(backbone, "groups", 1) == 1 else None
    # Its ViT always has a class token.
    vit = hasattr(backbone, "layers") and hasattr(backbone, "pos_embed")
    if vit and sees_class_token(backbone):
        weights = backbone_in_format(backbone.state_dict(), "timm", "the backbone")
        is_plain = "norm.weight" in weights and all(map(_KNOWN_VIT.fullmatch, weights))
        return "vit" if is_plain else None
    return None


def _resnet(backbone: Any) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return config and weights of a ResNet."""
    facts = resnet_facts(backbone, "transformers")
    config = {
        "num_channels": facts.in_channels,
        "embedding_size": facts.stem,
        "hidden_sizes": list(facts.widths),
        "depths": list(facts.blocks),
        "layer_type": "basic" if facts.basic else "bottleneck",
        "hidden_act": "relu",
        "downsample_in_first_stage": False,
        "downsample_in_bottleneck": facts.stride_first,
    }
    return config, renamed(backbone.state_dict(), _RESNET)


def _vit(backbone: Any) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return config and weights of a ViT; queries, keys and values become three layers."""
    weights = backbone_in_format(backbone.state_dict(), "timm", "the backbone")
    patch, fc1 = weights["patch_embed.proj.weight"], weights["blocks.0.mlp.fc1.weight"]
    rows, columns = backbone.img_size
    config = {
        "num_channels": int(patch.shape[1]),
        "hidden_size": int(patch.shape[0]),
        "num_hidden_layers": backbone.num_layers,
        "num_attention_heads": backbone.arch_settings["num_heads"],
        "intermediate_size": int(fc1.shape[0]),
        "image_size": rows if rows == columns else [rows, columns],
        "patch_size": int(patch.shape[-1]),
        "layer_norm_eps": float(backbone.norm1.eps),
        "qkv_bias": "blocks.0.attn.qkv.bias" in weights,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    apart: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if ".attn.qkv." not in name:
            apart[name] = tensor
            continue
        for part, piece in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
            apart[name.replace(".attn.qkv.", f".attention.attention.{part}.")] = piece
    return config, renamed(apart, _VIT)


def _processor(description: Description) -> dict[str, Any]:
    """Return how ``transformers`` prepares an image.

    Raises:
        UserError: It has no such preparation.
    """
    prepared = description.preprocessing
    check_preparation(prepared, "hf")
    size = _sides(prepared.size)
    resized = size
    if prepared.resize is not None:
        sides = prepared.resize
        resized = {"shortest_edge": sides} if isinstance(sides, int) else _sides(sides)
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": len(prepared.mean) == 3,
        "do_resize": prepared.resize is not None,
        "size": resized,
        "resample": INTERPOLATIONS.index(prepared.interpolation),
        "do_center_crop": True,
        "crop_size": size,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": prepared.mean,
        "image_std": prepared.std,
    }


def _sides(size: list[int]) -> dict[str, int]:
    """Return height and width with their names."""
    return dict(zip(("height", "width"), size, strict=True))
