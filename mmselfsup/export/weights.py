"""Formats that are weights with names, for a network that the reader builds."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmselfsup.core.checkpoint.timm_names import backbone_in_format
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write

from .description import Description
from .format import Format, Run, json_text
from .network import ImageNetwork
from .resnet import resnet_facts


def contiguous(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights that share no memory with each other, as safetensors wants them."""
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in weights.items()}


def safetensors_bytes(weights: dict[str, Tensor], metadata: dict[str, str]) -> bytes:
    """Return weights as the bytes of a safetensors file."""
    from safetensors.torch import save

    data: bytes = save(contiguous(weights), metadata=metadata)
    return data


class SafeTensors(Format):
    """The weights of backbone (and head) under this project's names, as safetensors."""

    name = "safetensors"
    file = "model.safetensors"
    needs: ClassVar[tuple[str, ...]] = ("safetensors",)
    reading = """from safetensors.torch import load_file

weights = load_file("FOLDER/model.safetensors")  # mmselfsup's names; the backbone: config.json"""

    def write(
        self, network: ImageNetwork, images: Tensor, description: Description, path: Path
    ) -> None:
        metadata = {"format": "pt", "config": json_text(description.values())}
        with atomic_write(path) as file:
            file.write(safetensors_bytes(_own_weights(network), metadata))

    def load(self, network: ImageNetwork, path: Path) -> Run:
        from safetensors.torch import load_file

        other = copy.deepcopy(network)
        for tensor in [*other.parameters(), *other.buffers()]:
            tensor.data.zero_()
        weights = load_file(str(path))
        backbone = {n[9:]: t for n, t in weights.items() if n.startswith("backbone.")}
        other.backbone.load_state_dict(backbone)
        if network.classifies:
            head = {n[5:]: t for n, t in weights.items() if n.startswith("head.")}
            other.model.head.load_state_dict(head)
        return other


def _own_weights(network: ImageNetwork) -> dict[str, Tensor]:
    """Return the weights under ``backbone.`` and ``head.``."""
    found = {f"backbone.{name}": t for name, t in network.backbone.state_dict().items()}
    if network.classifies:
        found |= {f"head.{name}": t for name, t in network.model.head.state_dict().items()}
    return found


class TorchVision(Format):
    """A ResNet's weights for torchvision's model, in a file for ``torch.load``."""

    name = "torchvision"
    file = "model.pth"
    reading = """import torch, torchvision

file = torch.load("FOLDER/model.pth", weights_only=True)
network = torchvision.models.get_model(file["architecture"], weights=None, **file["arguments"])
network.load_state_dict(file["state_dict"], strict=file["has_fc"])
network.eval()
"""

    def write(
        self, network: ImageNetwork, images: Tensor, description: Description, path: Path
    ) -> None:
        facts = resnet_facts(network.backbone, "torchvision")
        weights = backbone_in_format(network.backbone.state_dict(), "torchvision", "the backbone")
        head = {f"fc.{name}": tensor for name, tensor in network.fc().items()}
        content = {
            "state_dict": contiguous({**weights, **head}),
            "architecture": facts.architecture,
            "arguments": {"num_classes": description.width} if head else {},
            "has_fc": bool(head),
            "config": json_text(description.values()),
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        with atomic_write(path) as file:
            file.write(buffer.getvalue())

    def load(self, network: ImageNetwork, path: Path) -> Run:
        import torchvision

        file = torch.load(path, weights_only=True)
        model: Any = torchvision.models.get_model(
            file["architecture"], weights=None, **file["arguments"]
        )
        left = model.load_state_dict(file["state_dict"], strict=file["has_fc"])
        if left.unexpected_keys or set(left.missing_keys) - {"fc.weight", "fc.bias"}:
            raise UserError(f"{path}: torchvision's {file['architecture']} has other weights")
        if not file["has_fc"]:
            model.fc = nn.Identity()
        run: Run = model.eval()
        return run

    def explain(self, network: ImageNetwork, description: Description) -> str:
        if description.task == "classification":
            return f"{self.reading}logits = network(images)"
        return f"{self.reading}network.fc = torch.nn.Identity()\nfeatures = network(images)"
