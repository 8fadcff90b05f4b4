"""Linear layers whose pre-trained weights stay, and that train a few numbers beside them.

- LoRA (Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models", section 4.1): the
  weight is W + (alpha / r) B A with r much smaller than the sides of W; A is random, B zero at the
  start, so that the network begins as it was.
- Some columns of W (Sorkhei et al. 2025, "Parameter-Efficient Adaptation of Large Vision Models
  by Attention Projection Layers", APLA): the others stay.

A layer is changed in place: its class becomes one of those below, and its pre-trained weight keeps
its name. ``layer.weight`` is always the adapted weight, so that code which reads it instead of
calling the layer (attention with biases of its own) is right. In a ``state_dict`` the new numbers
stand beside the weight, and ``merge_adapters`` makes ordinary weights of them.

Why not ``peft``: it needs transformers and accelerate at run time, gives the weights other names
(``base_layer``), and layers that are read but not called would not be adapted.

Letters: N... any dimensions, O outputs, I inputs, r rank, K columns that train.
"""

import math
from collections.abc import Iterable, MutableMapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_LORA = (".lora_a", ".lora_b", ".lora_scale")
_COLUMNS = (".column_values", ".column_numbers")
#: Endings of the names that adapters add to a ``state_dict``.
ADAPTER_NAMES = (*_LORA, *_COLUMNS)


class AdaptedLinear(nn.Linear):
    """A linear layer whose ``weight`` is computed from a frozen one and trained numbers."""

    @property
    def start_weight(self) -> Tensor:
        """The pre-trained weight [O, I], which does not train."""
        found = self._parameters["weight"]
        assert found is not None
        return found


class LoRALinear(AdaptedLinear):
    """A linear layer with an update of rank r: y = W x + b + (alpha / r) B A x."""

    lora_a: Tensor
    lora_b: Tensor
    lora_scale: Tensor

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """The adapted weight W + (alpha / r) B A, [O, I]."""
        return self.start_weight + self.lora_scale * (self.lora_b @ self.lora_a)

    def forward(self, x: Tensor) -> Tensor:
        """Return [N..., O] for [N..., I]; the product B A is never computed."""
        y = F.linear(x, self.start_weight, self.bias)
        low = F.linear(x, self.lora_a)  # [N..., r]
        return y + F.linear(low, self.lora_b) * self.lora_scale.to(low.dtype)


class ColumnLinear(AdaptedLinear):
    """A linear layer of whose weight K columns train: those of the inputs ``column_numbers``."""

    column_values: Tensor
    column_numbers: Tensor

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """The adapted weight [O, I]: the trained columns among those that stay."""
        return self.start_weight.index_copy(1, self.column_numbers, self.column_values)

    def forward(self, x: Tensor) -> Tensor:
        """Return [N..., O] for [N..., I]; no gradient of the whole weight is computed."""
        change = self.column_values - self.start_weight[:, self.column_numbers]  # [O, K]
        y = F.linear(x, self.start_weight, self.bias)
        return y + F.linear(x[..., self.column_numbers], change)


def add_lora(layer: nn.Linear, rank: int, alpha: float, generator: torch.Generator) -> None:
    """Give a linear layer an update of low rank, in place; its own weight and bias don't train.

    Args:
        layer: The layer.
        rank: r, from 1.
        alpha: The update has the factor alpha / r.
        generator: Source of A on the CPU: uniform as the weight of a new linear layer (Kaiming,
            a = sqrt(5)), as the authors' code draws it. B is zero.
    """
    weight = layer.weight
    a = torch.empty(rank, layer.in_features)  # [r, I]
    nn.init.kaiming_uniform_(a, a=math.sqrt(5), generator=generator)
    layer.requires_grad_(False)
    layer.register_parameter("lora_a", nn.Parameter(a.to(weight)))
    layer.register_parameter("lora_b", nn.Parameter(weight.new_zeros(layer.out_features, rank)))
    layer.register_buffer("lora_scale", weight.new_tensor(alpha / rank))
    # Changing the class leaves parameters, hooks and names of the module untouched.
    layer.__class__ = LoRALinear


def add_columns(layer: nn.Linear, columns: Tensor) -> None:
    """Let some columns of a linear layer's weight train, in place, and nothing else of it.

    Args:
        layer: The layer.
        columns: Numbers of the inputs, [K] (int64), each once.
    """
    weight = layer.weight.detach()
    columns = columns.to(weight.device)
    layer.requires_grad_(False)
    layer.register_parameter("column_values", nn.Parameter(weight[:, columns].clone()))  # [O, K]
    layer.register_buffer("column_numbers", columns)
    layer.__class__ = ColumnLinear


def is_adapter(name: str) -> bool:
    """Return whether a name in a ``state_dict`` is one that an adapter has added."""
    return f".{name}".endswith(ADAPTER_NAMES)


def merge_adapters(weights: MutableMapping[str, Tensor]) -> bool:
    """Replace adapters among weights by the adapted weights, in place.

    Args:
        weights: A ``state_dict``, or weights of a checkpoint under any prefix. Its tensors are not
            changed.

    Returns:
        Whether there was an adapter.
    """
    added = [name for name in weights if is_adapter(name)]
    for layer in dict.fromkeys(name.rpartition(".")[0] for name in added):
        start = f"{layer}." if layer else ""
        weight = weights.get(f"{start}weight")
        parts = [weights.get(f"{start}{name[1:]}") for name in ADAPTER_NAMES]
        a, b, scale, values, numbers = parts
        if weight is not None and a is not None and b is not None and scale is not None:
            weights[f"{start}weight"] = weight + scale * (b @ a)
        elif weight is not None and values is not None and numbers is not None:
            weights[f"{start}weight"] = weight.index_copy(1, numbers, values)
    for name in added:
        del weights[name]
    return bool(added)


def plain_state(module: nn.Module) -> dict[str, Tensor]:
    """Return the ``state_dict`` that the module has without adapters, merged."""
    state: dict[str, Tensor] = module.state_dict()
    merge_adapters(state)
    return state


def plain_parameters(module: nn.Module) -> list[Tensor]:
    """Return the parameters that the module has without adapters, in their order.

    An adapted weight is a new tensor; the others are the parameters themselves.
    """
    if not any(isinstance(part, AdaptedLinear) for part in module.modules()):
        return list(module.parameters())
    found: dict[int, Tensor] = {}  # a parameter with several names counts once
    for part in module.modules():
        for name, param in part._parameters.items():
            if param is not None and not is_adapter(name):
                value: Tensor = param
                if name == "weight" and isinstance(part, AdaptedLinear):
                    value = part.weight
                found.setdefault(id(param), value)
    return list(found.values())


def adapters_of(modules: Iterable[nn.Module]) -> list[AdaptedLinear]:
    """Return the adapted layers among modules."""
    return [module for module in modules if isinstance(module, AdaptedLinear)]
