"""Loading of weights from many sources into a model, with a report of what fitted.

Checkpoints name the same backbone in many ways: ``layer1.0.conv1.weight`` (torchvision, timm),
``backbone.layer1...`` (this project), ``module.encoder_q.0.layer1...`` (a wrapped MoCo), ...
The prefix is found by looking for the backbone's own names at the end of the file's names.
Names of other libraries are replaced first (``naming_schemes``, ``timm_names``), and position
embeddings of another image size are interpolated by the modules that have them.
"""

import logging
import re
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mmselfsup.models.utils.adapters import is_adapter, merge_adapters
from mmselfsup.models.utils.position_embedding import resize_loaded_biases
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.sharding import own_part

from .input_channels import ADVICE, adapt_input, is_input_kernel
from .load import load_state
from .naming_schemes import library_names
from .timm_names import own_names

#: Prefix of the backbone's weights in a model of this project.
BACKBONE = "backbone."
# Keys under which files store their weights.
_HOLDERS = ("state_dict", "model", "model_state_dict", "net")
# A file may hold the same network twice; the trained one is loaded, not its momentum copy.
_COPIES = ("encoder_k", "target", "teacher", "momentum", "ema")
_TRAINED = (BACKBONE, "encoder_q.", "online_net.", "encoder.", "base_encoder.", "student.")
_ADVICE = "take the config it was trained with, or allow it with --partial (load_partial=True)"
_SHOWN = 6  # names in a line at most
# Buffers of a window's size, which hold nothing learnt.
_COMPUTED = (".relative_position_index", ".relative_coords_table")


@dataclass(frozen=True)
class Mismatch:
    """A weight that is in the file and in the model, in different shapes."""

    name: str
    found: tuple[int, ...]
    wanted: tuple[int, ...]
    of_input: bool = False  # whether only the channels of the images differ

    def __str__(self) -> str:
        return f"{self.name} {list(self.found)}, the model wants {list(self.wanted)}"


@dataclass(frozen=True)
class LoadReport:
    """Which weights of a file went into a model.

    Attributes:
        filename: The file.
        matched: Names in the model that were filled.
        missing: Names in the model that the file doesn't have.
        unexpected: Names in the file that the model doesn't have.
        mismatched: Names in both whose shapes differ; not loaded.
        removed_prefix: Prefix that was removed from the names in the file, ``''`` for nothing.
        backbone_matched: Number of weights of the backbone that were filled.
        backbone_total: Number of weights of the backbone.
        deeper: Blocks of the file's backbone behind the last one of the model, such as
            ``backbone.layer1.2``.
        resized: Position embeddings that were interpolated to the model's image size, and filled.
        schemes: Libraries whose names were replaced, see ``naming_schemes``.
        adapted: Kernels that were changed to the number of channels of the images, see
            ``input_channels``.
    """

    filename: str
    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[Mismatch, ...]
    removed_prefix: str
    backbone_matched: int
    backbone_total: int
    deeper: tuple[str, ...] = ()
    resized: tuple[Mismatch, ...] = ()
    schemes: tuple[str, ...] = ()
    adapted: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Return whether every weight of the backbone was filled."""
        return self.backbone_matched == self.backbone_total

    def __str__(self) -> str:
        lines = [
            f"weights from {self.filename}: {len(self.matched)} matched "
            f"(backbone {self.backbone_matched} of {self.backbone_total})"
        ]
        if self.removed_prefix:
            lines.append(f"  prefix removed: {self.removed_prefix}")
        if self.schemes:
            lines.append(f"  names of {', '.join(self.schemes)}: replaced")
        lines.extend(f"  interpolated: {mismatch}" for mismatch in self.resized[:_SHOWN])
        if len(self.resized) > _SHOWN:
            lines.append(f"  ... and {len(self.resized) - _SHOWN} more interpolated")
        if self.missing:
            lines.append(f"  missing in the file ({len(self.missing)}): {_listed(self.missing)}")
        if self.unexpected:
            lines.append(f"  unexpected ({len(self.unexpected)}): {_listed(self.unexpected)}")
        lines.extend(f"  other shape: {mismatch}" for mismatch in self.mismatched[:_SHOWN])
        if any(m.of_input for m in self.mismatched):
            lines.append(f"  the images have another number of channels: {ADVICE}")
        if self.adapted:
            lines.append(f"  adapted to the channels of the images: {', '.join(self.adapted)}")
        if len(self.mismatched) > _SHOWN:
            lines.append(f"  ... and {len(self.mismatched) - _SHOWN} more of other shapes")
        return "\n".join(lines)


def _listed(names: Sequence[str]) -> str:
    """Return all names where they are few, otherwise the number of names of each first part."""
    if len(names) <= _SHOWN:
        return ", ".join(names)
    parts = Counter(name.partition(".")[0] for name in names)
    return ", ".join(f"{part}.* {count}" for part, count in parts.most_common(_SHOWN))


def load_weights(
    model: nn.Module,
    filename: str,
    logger: logging.Logger | None = None,
    strict: bool = False,
    state: Mapping[str, Any] | None = None,
    partial: bool = False,
    in_channels: str | None = None,
) -> LoadReport:
    """Load the weights of a file into ``model``; heads may differ, the backbone must be found.

    A file of another network may fit in part, and a training would start from a mixture of learnt
    and random weights: refused are files that fill less than half of the backbone's kernels
    (weights of two or more dimensions), and those of a deeper network.

    Args:
        model: The model, wrapped for several processes or not; without a ``backbone`` the
            complete model counts as one.
        filename: Checkpoint of this project, MMSelfSup 0.x, torchvision, timm, ...; position
            embeddings of another image size are interpolated where the module can.
        logger: Logger of the report, a warning where the backbone is not completely filled.
        strict: Whether a missing or unexpected weight, or one of another shape, is an error.
        state: The content of the file, where it is read already.
        partial: Whether a part of the backbone, or a deeper network, is wanted.
        in_channels: How the first convolution becomes one for another number of channels, one of
            ``input_channels.WAYS``; None leaves it at its initial weights.

    Raises:
        UserError: The file can't be read, nothing fits the backbone, it is of another network and
            not ``partial``, or ``strict`` and not all weights fit. The model is unchanged, except
            where ``strict`` refused it.
    """
    model = getattr(model, "module", model)
    source = weights_of(load_state(filename) if state is None else state, filename)
    target: Any = model.state_dict()
    source, schemes = _under_own_names(source, target)
    names, prefix = _plan(source, model, filename, partial)
    found = {to: source[name] for name, to in names.items() if to in target}
    adapted = tuple(name for name in found if is_input_kernel(found[name], target[name]))
    if in_channels is not None:
        found = adapt_input(found, target, in_channels)
    fitting, resized, mismatched = _of_own_size(model, found, target)
    # Of a sharded model each rank takes its own rows.
    filled = OrderedDict((name, own_part(value, target[name])) for name, value in fitting.items())
    # Names and shapes are current already: no module may convert them from an older version.
    filled._metadata = target._metadata  # type: ignore[attr-defined]
    deeper = _deeper_blocks(names.values(), target)
    if not partial:
        _check_network(str(filename), filled, target, deeper)
    model.load_state_dict(filled, strict=False)
    known = _shared_names(model, set(filled))
    needed = [name for name in target if name in known or not name.endswith(_COMPUTED)]
    report = LoadReport(
        filename=str(filename),
        matched=tuple(name for name in target if name in known),
        missing=tuple(_missing(target, known, mismatched)),
        unexpected=tuple(name for name in source if names.get(name) not in target),
        mismatched=tuple(mismatched),
        removed_prefix=prefix,
        backbone_matched=sum(name.startswith(BACKBONE) for name in known) or len(known),
        backbone_total=sum(name.startswith(BACKBONE) for name in needed) or len(needed),
        deeper=deeper,
        resized=tuple(resized),
        schemes=tuple(schemes),
        adapted=adapted if in_channels is not None else (),
    )
    if logger is not None:
        logger.log(logging.INFO if report.complete else logging.WARNING, "%s", report)
    if strict and (report.missing or report.unexpected or report.mismatched or report.resized):
        raise UserError(f"strict loading: {report}")
    return report


def _under_own_names(
    source: dict[str, Tensor], target: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], Sequence[str]]:
    """Return weights under the names of this project, and the libraries whose names they had."""
    if not any(map(is_adapter, target)):  # otherwise the run of the file resumes
        merge_adapters(source)
    source, schemes = library_names(source, target)
    if any(name.endswith("patch_embed.projection.weight") for name in target):
        source, is_timm = own_names(source, target)
        schemes = schemes or ["timm"] * is_timm
    return source, schemes


def _plan(
    source: Mapping[str, Tensor], model: nn.Module, filename: str, partial: bool
) -> tuple[dict, str]:
    """Return names in the file -> names in the model, and the removed prefix."""
    target = model.state_dict()
    own = BACKBONE if any(name.startswith(BACKBONE) for name in target) else ""
    wanted = {n[len(own) :]: t for n, t in target.items() if n.startswith(own)}
    prefix = find_prefix(source, wanted, filename, partial)
    if prefix.endswith(own):
        # The file holds a complete model of this project: heads and necks may fit as well.
        root = prefix[: len(prefix) - len(own)]
        return {n: n[len(root) :] for n in source if n.startswith(root)}, root
    return {n: own + n[len(prefix) :] for n in source if n.startswith(prefix)}, prefix


class _Found(dict[str, Tensor]):
    """Weights of a file that a module may take out, also where the file doesn't have them."""

    def __delitem__(self, name: str) -> None:
        self.pop(name, None)


def _of_own_size(
    model: nn.Module, found: Mapping[str, Tensor], target: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[Mismatch], list[Mismatch]]:
    """Find the weights that have the model's shapes, some of them after interpolation.

    ``load_state_dict`` lets modules change what they are given, as transformers do with position
    embeddings of another image size. This is done here as well, since weights whose shape remains
    another one never get that far.

    Args:
        model: The model.
        found: The weights in the file under the model's names.
        target: The weights of the model.

    Returns:
        The weights that fit, which of them were interpolated, and which weights don't fit.
    """
    fitting = {name: tensor for name, tensor in found.items() if tensor.shape == target[name].shape}
    others = _Found((name, tensor) for name, tensor in found.items() if name not in fitting)
    # mmcls's Swin would do this with a function that SciPy doesn't have any more.
    for name in [name for name in others if name.endswith("relative_position_bias_table")]:
        resize_loaded_biases(others, name, target[name])
    # A module may have several names, and the file only one of them.
    for prefix, module in model.named_modules(remove_duplicate=False) if others else ():
        for hook in module._load_state_dict_pre_hooks.values():
            try:
                hook(others, f"{prefix}." if prefix else "", {}, False, [], [], [])
            except (RuntimeError, ValueError, AssertionError):
                continue  # grids that are no squares, or another network: reported by shape
    fitting.update({name: t for name, t in others.items() if t.shape == target[name].shape})
    different = [
        Mismatch(
            name,
            tuple(tensor.shape),
            tuple(target[name].shape),
            is_input_kernel(tensor, target[name]),
        )
        for name, tensor in found.items()
        if tensor.shape != target[name].shape and not name.endswith(_COMPUTED)
    ]
    resized = [mismatch for mismatch in different if mismatch.name in fitting]
    return fitting, resized, [mismatch for mismatch in different if mismatch not in resized]


def _deeper_blocks(names: Iterable[str], target: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the blocks that continue numbered blocks of the model's backbone, each once.

    Args:
        names: The names of the file as the model would have them.
        target: The weights of the model.
    """
    own = BACKBONE if any(name.startswith(BACKBONE) for name in target) else ""
    last: dict[tuple[str, ...], int] = {}
    for name in target:
        for place, number in _numbered(name) if name.startswith(own) else ():
            last[place] = max(number, last.get(place, -1))
    blocks: dict[str, None] = {}
    for name in names:
        if name not in target and name.startswith(own):
            for place, number in _numbered(name):
                if number > last.get(place, number):
                    blocks[f"{place[0]}{number}"] = None
    return tuple(blocks)


def _numbered(name: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield each number in a dotted name, after what stands before and behind it."""
    for found in re.finditer(r"(?<=\.)[0-9]{1,9}(?=\.)", name):
        yield (name[: found.start()], name[found.end() :]), int(found[0])


def _check_network(
    filename: str, filled: Mapping[str, Any], target: Mapping[str, Tensor], deeper: Sequence[str]
) -> None:
    """Check that a file is of the model's network; see ``load_weights``."""
    own = BACKBONE if any(name.startswith(BACKBONE) for name in target) else ""
    kernels = [
        name
        for name, tensor in target.items()
        if name.startswith(own) and tensor.ndim >= 2 and not name.endswith(_COMPUTED)
    ]
    found = len([name for name in kernels if name in filled])
    if deeper:
        raise UserError(
            f"{filename} is of a deeper network, the model has no place for {_listed(deeper)}; "
            f"{_ADVICE}"
        )
    if 2 * found < len(kernels):
        raise UserError(
            f"{filename} is of another network: it fills {found} of {len(kernels)} kernels of the "
            f"backbone; {_ADVICE}"
        )


def _shared_names(model: nn.Module, filled: set[str]) -> set[str]:
    """Return all names of the filled weights: ``backbone`` and ``encoder_q.0`` may share some."""
    tensors = model.state_dict(keep_vars=True)
    ids = {id(tensors[name]) for name in filled}
    return {name for name, tensor in tensors.items() if id(tensor) in ids}


def _missing(target: Mapping[str, Any], known: set[str], mismatched: list[Mismatch]) -> list[str]:
    """Return the weights of the model that were not filled, except those of another shape."""
    shown = {mismatch.name for mismatch in mismatched}
    return [
        name
        for name in target
        # torch before 0.4.1 didn't write this counter, and nothing depends on it
        if name not in known
        and name not in shown
        and not name.endswith(("num_batches_tracked", *_COMPUTED))
    ]


def weights_of(state: Mapping[str, Any], filename: str) -> dict[str, Tensor]:
    """Return the weights in a checkpoint, whatever the key under which they are stored.

    Weights of several networks side by side (``student``, ``teacher``) get that key as prefix.

    Raises:
        UserError: There are no weights.
    """
    holder = next((k for k in _HOLDERS if isinstance(state.get(k), dict)), None)
    weights: dict[str, Tensor] = {}
    for name, value in (state if holder is None else state[holder]).items():
        if isinstance(value, Tensor):
            weights[name] = value
        elif holder is None and isinstance(value, dict):
            weights.update({f"{name}.{k}": v for k, v in value.items() if isinstance(v, Tensor)})
    if not weights and holder is None:  # such as VISSL's, four levels down
        weights = dict(_nested_weights(state, ""))
    if not weights:
        raise UserError(f"{filename} holds no weights; its keys are {', '.join(map(str, state))}")
    return weights


def weights_below(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the weights whose names begin with a prefix, without it."""
    return {n[len(prefix) :]: tensor for n, tensor in weights.items() if n.startswith(prefix)}


def _nested_weights(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Tensor]]:
    """Yield all tensors in nested dicts with their dotted names."""
    for name, item in value.items():
        if isinstance(item, Tensor):
            yield f"{prefix}{name}", item
        elif isinstance(item, Mapping):
            yield from _nested_weights(item, f"{prefix}{name}.")


def find_prefix(
    source: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    filename: str,
    partial: bool = False,
) -> str:
    """Return the prefix of the backbone in ``source``.

    Args:
        source: The weights in the file.
        wanted: The weights of the model's backbone, without prefix.
        filename: Name of the file, for the error.
        partial: Whether less than half of the kernels is enough under a prefix of others too.

    Raises:
        UserError: Nothing fits, or several networks in the file fit equally well.
    """
    total = sum(tensor.ndim >= 2 for tensor in wanted.values())
    ranked = candidates(source, wanted)
    # Files of this project may hold a part of the backbone, others at least half of its kernels.
    fits = [
        c
        for c in ranked
        if (c.kernels and (partial or _is_own(c.prefix) or 2 * c.kernels >= total))
        or (not total and c.weights)
    ]
    if not fits:
        some = max(ranked, key=lambda c: c.kernels, default=Candidate(""))
        if some.kernels:
            raise UserError(
                f"{filename} is of another network: under {some.prefix!r} it fills "
                f"{some.kernels} of {total} kernels of the backbone; {_ADVICE}"
            )
        first = next(iter(source), "nothing")
        raise UserError(
            f"{filename}: no weight fits the backbone; its names begin with {_head(first)!r}, "
            f"the model wants '{BACKBONE}{next(iter(wanted), '')}' in shape "
            f"{list(next(iter(wanted.values())).shape)}; check that the file is of the same network"
        )
    best = fits[0]
    for other in fits[1:]:
        if other.rank() != best.rank():
            break
        if not _same(source, best.prefix, other.prefix, list(wanted)):
            raise UserError(
                f"{filename}: the backbone may be {best.prefix!r} or {other.prefix!r}; extract "
                "the wanted one with tools/model_converters/extract_backbone_weights.py --prefix"
            )
    return best.prefix


def _is_own(prefix: str) -> bool:
    """Return whether ``prefix`` is of this project: then a part of the weights is enough."""
    return prefix.removeprefix("module.") in ("", BACKBONE)


def _head(name: str) -> str:
    """Return the first two parts of a dotted name."""
    return ".".join(name.split(".")[:2])


def _same(source: Mapping[str, Tensor], first: str, second: str, names: list[str]) -> bool:
    """Return whether two prefixes hold equal weights."""
    return all(
        torch.equal(source[first + name], source[second + name])
        for name in names
        if first + name in source and second + name in source
    )


@dataclass
class Candidate:
    """A prefix and the number of weights of the backbone under it."""

    prefix: str
    kernels: int = 0
    weights: int = 0

    @property
    def is_copy(self) -> bool:
        """Return whether it is a momentum copy of another network."""
        return any(mark in self.prefix for mark in _COPIES)

    def rank(self) -> tuple[int, int, bool, bool, int]:
        """Return a sort key: more of the backbone, not a copy, a name of the trained network.

        A model with ``backbone`` and ``student.backbone`` holds one module under two names: under
        the first all others, such as those of the teacher, have their own names.
        """
        named = [i for i, mark in enumerate(_TRAINED) if mark in self.prefix]
        trained = -min(named, default=len(_TRAINED))
        return self.kernels, self.weights, not self.is_copy, _is_own(self.prefix), trained


def candidates(source: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[Candidate]:
    """Return the prefixes of weights that ``wanted`` has in the same shape, best first."""
    by_prefix: dict[str, Candidate] = defaultdict(lambda: Candidate(""))
    for name, tensor in source.items():
        start = 0
        while start >= 0:
            match = wanted.get(name[start:])
            if match is not None and match.shape == tensor.shape:
                candidate = by_prefix[name[:start]]
                candidate.prefix = name[:start]
                candidate.weights += 1
                # Kernels are better evidence than biases or counters: short vectors fit by chance.
                candidate.kernels += tensor.ndim >= 2
            dot = name.find(".", start)
            start = dot + 1 if dot >= 0 else -1
    return sorted(by_prefix.values(), key=Candidate.rank, reverse=True)
