"""Continued pre-training from start weights: what of the backbone trains, and at which rate.

``adapt=dict(type=..., ...)`` in a config. The other parts of the model (necks, heads, prototypes)
train as ever; target networks follow the adapted weights.

- ``full``: everything.
- ``last_blocks``: the last ``blocks`` blocks and what comes behind them.
- ``lora``: updates of low rank (Hu et al. 2022) of linear layers, by default of all projections of
  the attention.
- ``apla``: the weights of the attention's output projection (Sorkhei et al. 2025), all or some of
  their columns; their biases stay.
- ``norm_bias``: normalisations and biases (Frankle et al. 2021; BitFit, Zaken et al. 2022).

Nothing that a backbone has frozen itself is trained.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from mmselfsup.models.utils.adapters import add_columns, add_lora
from mmselfsup.models.utils.backbone_parts import (
    attention_blocks,
    block_numbers,
    blocks_of,
    is_norm,
    keeps_one_weight,
    layer_numbers,
    output_projection,
    projections,
)
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.logger import get_root_logger

#: The options of each type, beside those of all types.
OPTIONS: dict[str, tuple[str, ...]] = {
    "full": (),
    "last_blocks": ("blocks",),
    "lora": ("rank", "alpha", "targets"),
    "apla": ("columns", "choice"),
    "norm_bias": (),
}
COMMON = ("type", "lr_mult", "layer_decay", "freeze_epochs", "train", "monitor")
CHOICES = ("random", "leading")


@dataclass(frozen=True)
class AdaptSettings:
    """The settings of ``adapt``.

    Attributes:
        type: What trains, one of ``OPTIONS``.
        lr_mult: Factor of the learning rate of the backbone.
        layer_decay: Factor of the learning rate from a layer to the one below, in (0, 1]: layer l
            of L has lr * layer_decay ** (L + 1 - l). See ``backbone_parts`` for the layers.
        freeze_epochs: Epochs at the start in which nothing of the backbone changes.
        train: Regular expressions; parameters of the backbone whose name has a match train as well.
            By default the token of masked patches, which start weights often lack.
        monitor: Arguments of ``FrozenFeaturesHook``, or False for no monitor of its own.
        blocks: Number of blocks of ``last_blocks``.
        rank: r of LoRA.
        alpha: The update of LoRA has the factor alpha / r.
        targets: Linear layers of LoRA, by the ends of their dotted names, such as ``qkv`` or
            ``mlp.fc1``; None for the projections of the attention that are linear layers.
        columns: Columns that train in ``apla``: a number, a share below 1, or None for all.
        choice: Whether these are ``random`` or the ``leading`` ones.
    """

    type: str
    lr_mult: float = 1.0
    layer_decay: float | None = None
    freeze_epochs: int = 0
    train: tuple[str, ...] = ("mask_token",)
    monitor: Any = field(default_factory=dict)
    blocks: int = 2
    rank: int = 8
    alpha: float = 16.0
    targets: tuple[str, ...] | None = None
    columns: float | None = None
    choice: str = "random"


def read_settings(config: Mapping[str, Any]) -> AdaptSettings:
    """Return the settings of ``adapt``.

    Raises:
        UserError: The type or an option is unknown, an option is of another type, or a value is
            out of range.
    """
    kind = config.get("type")
    if kind not in OPTIONS:
        raise UserError(f"adapt.type is {kind!r}: use one of {', '.join(OPTIONS)}")
    allowed = (*COMMON, *OPTIONS[kind])
    wrong = [key for key in config if key not in allowed]
    if wrong:
        raise UserError(f"adapt: type {kind!r} has no {wrong[0]!r}; it takes {', '.join(allowed)}")
    values = dict(config)
    for key in ("train", "targets"):
        if values.get(key) is not None:
            value = values[key]
            values[key] = (value,) if isinstance(value, str) else tuple(value)
    settings = AdaptSettings(**values)
    for name, value, fits, wanted in _ranges(settings):
        if not fits:
            raise UserError(f"adapt.{name} is {value!r}: give {wanted}")
    return settings


def _ranges(s: AdaptSettings) -> Iterator[tuple[str, Any, bool, str]]:
    """Yield name, value, whether it fits, and what does."""
    whole = {f.name: getattr(s, f.name) for f in fields(s) if f.type is int or f.type == "int"}
    for name, value in whole.items():
        least = 0 if name == "freeze_epochs" else 1
        yield name, value, type(value) is int and value >= least, f"a whole number from {least}"
    yield "lr_mult", s.lr_mult, s.lr_mult > 0, "a number above 0"
    yield "alpha", s.alpha, s.alpha > 0, "a number above 0"
    decay = s.layer_decay
    yield "layer_decay", decay, decay is None or 0 < decay <= 1, "a number above 0, at most 1"
    columns = s.columns
    good = columns is None or (columns > 0 and (columns < 1 or columns == int(columns)))
    yield "columns", columns, good, "a whole number from 1, a share below 1, or None for all"
    yield "choice", s.choice, s.choice in CHOICES, f"one of {', '.join(CHOICES)}"
    for pattern in s.train:
        yield "train", pattern, _compiles(pattern), "regular expressions"


def _compiles(pattern: str) -> bool:
    """Return whether a text is a regular expression."""
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


@dataclass(frozen=True)
class Adaptation:
    """A model whose backbone has been prepared.

    Attributes:
        settings: The settings.
        prefix: Beginning of the names of the backbone's parameters in the model, with a dot.
        networks: The backbone, and its copies in target networks.
        frozen_norms: Normalisations with running statistics of which nothing trains, those of
            target networks included: their statistics stay.
        layers: Number of each of the backbone's parameters, by its name in the model, see
            ``layer_numbers``.
        num_layers: L.
    """

    settings: AdaptSettings
    prefix: str
    networks: tuple[nn.Module, ...]
    frozen_norms: tuple[nn.Module, ...]
    layers: Mapping[str, int]
    num_layers: int

    @property
    def lr_scale(self) -> Callable[[str], float] | None:
        """The factor of a parameter's learning rate by its name; None where all have the same."""
        s, decay = self.settings, self.settings.layer_decay or 1.0
        if s.lr_mult == 1 and decay == 1:
            return None

        def scale(name: str) -> float:
            if name not in self.layers:
                return 1.0
            factor: float = s.lr_mult * decay ** (self.num_layers + 1 - self.layers[name])
            return factor

        return scale


def adapt_model(model: nn.Module, config: Mapping[str, Any], seed: int = 0) -> Adaptation:
    """Freeze what is not to train in the backbone of a model, and add what is, in place.

    Args:
        model: The bare algorithm with its start weights; call this before it is wrapped for
            several processes, which need to know what trains.
        config: ``adapt`` of a config.
        seed: Seed of random starts and choices, which are the same on all ranks; the random state
            of the process stays.

    Raises:
        UserError: The settings are wrong, or don't fit the backbone.
    """
    settings = read_settings(config)
    backbone = getattr(model, "backbone", None)
    if not isinstance(backbone, nn.Module):
        raise UserError(f"adapt: {type(model).__name__} has no backbone to adapt")
    if settings.layer_decay not in (None, 1) and not blocks_of(backbone):
        raise UserError(
            f"adapt.layer_decay needs blocks, and {type(backbone).__name__} has none: leave it out"
        )
    targets = _copies(model, backbone)  # by names, before anything is replaced
    generator = torch.Generator().manual_seed(seed)
    wanted = _SELECT[settings.type](backbone, settings, generator)
    for name, param in backbone.named_parameters():
        extra = any(re.search(pattern, name) for pattern in settings.train)
        param.requires_grad_(param.requires_grad and (extra or id(param) in wanted))
    if not any(param.requires_grad for param in backbone.parameters()):
        raise UserError(
            f"adapt: type {settings.type!r} leaves nothing to train in {type(backbone).__name__}"
        )
    return _described(model, backbone, settings, targets)


def _described(
    model: nn.Module, backbone: nn.Module, settings: AdaptSettings, targets: list[nn.Module]
) -> Adaptation:
    """Return what the training needs to know of the prepared backbone."""
    own = {id(param): name for name, param in backbone.named_parameters()}
    names = {n: own[id(p)] for n, p in model.named_parameters() if id(p) in own}
    first, local = next(iter(names.items()))
    numbers, num_layers = layer_numbers(backbone)
    still = [n for n, m in backbone.named_modules() if isinstance(m, _NormBase) and _is_frozen(m)]
    return Adaptation(
        settings=settings,
        prefix=first.removesuffix(local),
        networks=(backbone, *targets),
        frozen_norms=tuple(net.get_submodule(n) for net in (backbone, *targets) for n in still),
        layers={name: numbers[inside] for name, inside in names.items()},
        num_layers=num_layers,
    )


def _is_frozen(module: nn.Module) -> bool:
    """Return whether a normalisation has parameters, and none of them trains."""
    params = list(module.parameters())
    return bool(params) and not any(param.requires_grad for param in params)


def _copies(model: nn.Module, backbone: nn.Module) -> list[nn.Module]:
    """Return the copies of the backbone in the target networks of a model."""
    own: Any = getattr(model, "momentum_pairs", None)
    pairs = own() if callable(own) else []
    return [
        target.get_submodule(name)
        for online, target in pairs
        for name, module in online.named_modules()
        if module is backbone
    ]


Select = Callable[[nn.Module, AdaptSettings, torch.Generator], set[int]]


def _full(backbone: nn.Module, settings: AdaptSettings, generator: torch.Generator) -> set[int]:
    """Return all parameters."""
    return {id(param) for param in backbone.parameters()}


def _last_blocks(
    backbone: nn.Module, settings: AdaptSettings, generator: torch.Generator
) -> set[int]:
    """Return the parameters of the last blocks and of what comes behind them."""
    blocks = blocks_of(backbone)
    if not blocks:
        raise UserError(
            f"adapt: {type(backbone).__name__} has no blocks (a list of modules of one class), so "
            "type 'last_blocks' can't be used; use 'full' or 'norm_bias'"
        )
    if settings.blocks > len(blocks):
        raise UserError(
            f"adapt.blocks is {settings.blocks}, and {type(backbone).__name__} has {len(blocks)}: "
            "give fewer, or use type 'full'"
        )
    numbers, count = block_numbers(backbone)
    first = count - settings.blocks + 1
    # In the order of the network: also the normalisation at the end, merging of patches between.
    return {id(param) for name, param in backbone.named_parameters() if numbers[name] >= first}


def _lora(backbone: nn.Module, settings: AdaptSettings, generator: torch.Generator) -> set[int]:
    """Add updates of low rank, and return their parameters."""
    layers = _lora_layers(backbone, settings.targets)
    for name, layer in layers.items():
        most = min(layer.in_features, layer.out_features)
        if settings.rank > most:
            raise UserError(
                f"adapt.rank is {settings.rank}, more than the {most} of {name}: give a lower rank"
            )
    for layer in layers.values():
        add_lora(layer, settings.rank, settings.alpha, generator)
    return {id(p) for layer in layers.values() for p in (layer.lora_a, layer.lora_b)}


def _lora_layers(backbone: nn.Module, targets: tuple[str, ...] | None) -> dict[str, Any]:
    """Return the linear layers of LoRA by their names in the backbone.

    Raises:
        UserError: There are none, or a target matches nothing.
    """
    linear = {n: m for n, m in backbone.named_modules() if isinstance(m, nn.Linear)}
    kind = type(backbone).__name__
    if targets is None:
        chosen = [
            layer for att in attention_blocks(backbone).values() for layer in projections(att)
        ]
        if not chosen:
            raise UserError(
                f"adapt: type 'lora' finds no attention in {kind}; name linear layers in "
                "adapt.targets, or use 'last_blocks' or 'norm_bias'"
            )
        whole = [n for n, att in attention_blocks(backbone).items() if keeps_one_weight(att)]
        if whole:
            get_root_logger().warning(
                "adapt: type 'lora' reaches only the output projections of %s: queries, keys and "
                "values of %s and others are one weight of no linear layer; timm's networks have "
                "one",
                kind,
                whole[0],
            )
        ids = {id(layer) for layer in chosen}
        return {name: layer for name, layer in linear.items() if id(layer) in ids}
    found: dict[str, Any] = {}
    for target in targets:
        ending = {n: m for n, m in linear.items() if f".{n}".endswith(f".{target}")}
        if not ending:
            ends = sorted({name.rpartition(".")[2] for name in linear}) or ["none"]
            raise UserError(
                f"adapt.targets: no linear layer of {kind} has a name that ends in {target!r}; "
                f"the names end in {', '.join(ends)}"
            )
        found |= ending
    return {name: layer for name, layer in linear.items() if name in found}


def _apla(backbone: nn.Module, settings: AdaptSettings, generator: torch.Generator) -> set[int]:
    """Return the weights of the output projections, or the columns of them that train."""
    found = [output_projection(att) for att in attention_blocks(backbone).values()]
    layers = [layer for layer in found if layer is not None]
    if not layers:
        raise UserError(
            f"adapt: type 'apla' finds no attention with an output projection in "
            f"{type(backbone).__name__}; use 'last_blocks' or 'norm_bias'"
        )
    if settings.columns is None:
        return {id(layer.weight) for layer in layers}
    trained: set[int] = set()
    for layer in layers:
        add_columns(layer, _columns(layer.in_features, settings, generator))
        trained.add(id(layer.column_values))
    return trained


def _columns(num: int, settings: AdaptSettings, generator: torch.Generator) -> Tensor:
    """Return the numbers of the columns that train, [K] (int64), ascending, of ``num``.

    Raises:
        UserError: There are not so many.
    """
    wanted = settings.columns or 0
    count = max(round(num * wanted), 1) if wanted < 1 else int(wanted)
    if count > num:
        raise UserError(f"adapt.columns is {count}, and a projection has {num}: give fewer")
    if settings.choice == "leading":
        return torch.arange(count)
    return torch.randperm(num, generator=generator)[:count].sort().values


def _norm_bias(
    backbone: nn.Module, settings: AdaptSettings, generator: torch.Generator
) -> set[int]:
    """Return scales and shifts of normalisations, and biases."""
    norms = (module for module in backbone.modules() if is_norm(module))
    found = {id(param) for module in norms for param in module.parameters(recurse=False)}
    biases = {id(p) for n, p in backbone.named_parameters() if n.endswith("bias") and p.ndim == 1}
    return found | biases


_SELECT: dict[str, Select] = {
    "full": _full,
    "last_blocks": _last_blocks,
    "lora": _lora,
    "apla": _apla,
    "norm_bias": _norm_bias,
}
