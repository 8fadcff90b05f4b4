"""Loading of weights from many sources into a model, with a report of what fitted.

Checkpoints name the same backbone in many ways: ``layer1.0.conv1.weight`` (torchvision, timm),
``backbone.layer1...`` (this project), ``module.encoder_q.0.layer1...`` (a wrapped MoCo), ...
The prefix is found by looking for the backbone's own names at the end of the file's names.
Names of other libraries are replaced first (``naming_schemes``, ``timm_names``), and position
embeddings of another image size are interpolated by the modules that have them.
"""

import logging
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from mmselfsup.models.utils.adapters import is_adapter, merge_adapters
from mmselfsup.models.utils.position_embedding import places_of, resize_loaded_biases
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.sharding import own_part

from .class_rows import DataClasses, rows_of_classes
from .input_channels import ADVICE, adapt_input, is_input_kernel
from .load import class_names, load_state
from .naming_schemes import library_names
from .prefixes import find_prefix
from .pretext_heads import pretext_task
from .same_network import (
    BACKBONE,
    COMPUTED,
    Mismatch,
    check_network,
    check_values,
    deeper_blocks,
    further_parts,
    own_prefix,
)
from .stored_weights import weights_of
from .timm_names import own_names
from .unseen_facts import check_unseen, facts_of_file

_SHOWN = 6  # names in a line at most


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
        restarted: Weights of a head for other classes, not loaded, see ``class_rows``.
        pretext: What pre-trained the file's model, whose head a classifier does not take, see
            ``pretext_heads``; None for a classifier, and where the model reads no classes.
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
    restarted: tuple[str, ...] = ()
    pretext: str | None = None

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
        if self.restarted:
            origin = "a pretext task" if self.pretext else "other classes"
            lines.append(f"  of {origin}, not loaded: {', '.join(self.restarted)}")
        if len(self.mismatched) > _SHOWN:
            lines.append(f"  ... and {len(self.mismatched) - _SHOWN} more of other shapes")
        return "\n".join(lines)


def _listed(names: Sequence[str]) -> str:
    """Return all names where they are few, otherwise the number of names of each first part."""
    if len(names) <= _SHOWN:
        return ", ".join(names)
    parts = Counter(_part(name) for name in names)
    return ", ".join(f"{part}.* {count}" for part, count in parts.most_common(_SHOWN))


def _part(name: str) -> str:
    """Return the first part of a name, of a backbone's the first two."""
    parts = name.split(".")
    return ".".join(parts[: 2 if name.startswith(BACKBONE) and len(parts) > 2 else 1])


def load_weights(
    model: nn.Module,
    filename: str,
    logger: logging.Logger | None = None,
    strict: bool = False,
    state: Mapping[str, Any] | None = None,
    partial: bool = False,
    in_channels: str | None = None,
    classes: DataClasses | None = None,
) -> LoadReport:
    """Load the weights of a file into ``model``; heads may differ, the backbone must be found.

    A file of another network may fit in part, and a training would start from a mixture of learnt
    and random weights: such files are refused, see ``check_network``.

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
        classes: The classes of the data: the rows of a head are put into their order, or left out,
            by the names in the file, see ``class_rows``. None takes them as they are.

    Raises:
        UserError: The file can't be read, nothing fits the backbone, it is of another network and
            not ``partial``, its values can't be used, or ``strict`` and not all weights fit. The
            model is unchanged, except where ``strict`` refused it.
    """
    model = getattr(model, "module", model)
    state = load_state(filename) if state is None else state
    target: Any = model.state_dict()
    given = weights_of(state, filename)
    source, schemes = _under_own_names(given, target, places_of(model))
    names, prefix = _plan(source, model, filename, partial)
    found = {to: source[name] for name, to in names.items() if to in target}
    found, adapted = _for_channels(found, target, in_channels)
    found, restarted, pretext = _for_classes(found, model, filename, state, names, classes, logger)
    fitting, resized, mismatched = _of_own_size(model, found, target)
    filled = _as_state(fitting, target)
    deeper = deeper_blocks(names.values(), target)
    if not partial:
        further = further_parts(names.values(), target)
        check_network(str(filename), filled, model, deeper, mismatched, further)
        check_unseen(str(filename), facts_of_file(str(filename), state, given, prefix), model)
    check_values(str(filename), fitting, model)
    model.load_state_dict(filled, strict=False)
    known = _shared_names(model, set(filled))
    needed = [name for name in target if name in known or not name.endswith(COMPUTED)]
    report = LoadReport(
        filename=str(filename),
        matched=tuple(name for name in target if name in known),
        missing=tuple(_missing(target, known.union(restarted), mismatched)),
        unexpected=tuple(name for name in source if names.get(name) not in target),
        mismatched=tuple(mismatched),
        removed_prefix=prefix,
        backbone_matched=sum(name.startswith(BACKBONE) for name in known) or len(known),
        backbone_total=sum(name.startswith(BACKBONE) for name in needed) or len(needed),
        deeper=deeper,
        resized=tuple(resized),
        schemes=tuple(schemes),
        adapted=adapted,
        restarted=restarted,
        pretext=pretext,
    )
    _tell(report, logger)
    if strict:
        _check_strict(report)
    return report


def _as_state(fitting: Mapping[str, Tensor], target: Any) -> "OrderedDict[str, Tensor]":
    """Return weights as ``load_state_dict`` takes them for a model with the state ``target``."""
    # Of a sharded model each rank takes its own rows.
    filled = OrderedDict((name, own_part(value, target[name])) for name, value in fitting.items())
    # Names and shapes are current already: no module may convert them from an older version.
    filled._metadata = target._metadata  # type: ignore[attr-defined]
    return filled


def _for_channels(
    found: dict[str, Tensor], target: Mapping[str, Tensor], way: str | None
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return weights for the channels of the model's images, and the names of those changed."""
    if way is None:
        return found, ()
    changed = tuple(name for name in found if is_input_kernel(found[name], target[name]))
    return adapt_input(found, target, way), changed


def _for_classes(
    found: dict[str, Tensor],
    model: nn.Module,
    filename: str,
    state: Mapping[str, Any],
    names: Mapping[str, str],
    classes: DataClasses | None,
    logger: logging.Logger | None,
) -> tuple[dict[str, Tensor], tuple[str, ...], str | None]:
    """Return weights for the classes of the data, the names of those left out, and what for."""
    pretext = None if classes is None else pretext_task(state, names.values(), model.state_dict())
    rows = (filename, class_names(state), classes, logger, pretext)
    return *rows_of_classes(found, model, *rows), pretext


def _tell(report: LoadReport, logger: logging.Logger | None) -> None:
    """Log a report, as a warning where the backbone is not completely filled."""
    if logger is not None:
        logger.log(logging.INFO if report.complete else logging.WARNING, "%s", report)


def _check_strict(report: LoadReport) -> None:
    """Check that all weights of a file and of the model fit as they are.

    Raises:
        UserError: One is missing, unexpected, resized or of another shape.
    """
    other = report.missing or report.unexpected or report.mismatched or report.resized
    if other or report.restarted:
        lines = [line.strip() for line in str(report).splitlines()[1:]]
        raise UserError(
            f"{report.filename}: strict loading wants that all weights fit: {'; '.join(lines)}"
        )


def _under_own_names(
    source: dict[str, Tensor], target: Mapping[str, Tensor], places: Mapping[str, int]
) -> tuple[dict[str, Tensor], Sequence[str]]:
    """Return weights under the names of this project, and the libraries whose names they had."""
    if not any(map(is_adapter, target)):  # otherwise the run of the file resumes
        merge_adapters(source)
    source, schemes = library_names(source, target, places)
    own = own_prefix(target)
    if any(n.startswith(own) and n.endswith("patch_embed.projection.weight") for n in target):
        source, is_timm = own_names(source, target)
        schemes = schemes or ["timm"] * is_timm
    return source, schemes


def _plan(
    source: Mapping[str, Tensor], model: nn.Module, filename: str, partial: bool
) -> tuple[dict, str]:
    """Return names in the file -> names in the model, and the removed prefix."""
    target = model.state_dict()
    own = own_prefix(target)
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
        if tensor.shape != target[name].shape and not name.endswith(COMPUTED)
    ]
    resized = [mismatch for mismatch in different if mismatch.name in fitting]
    return fitting, resized, [mismatch for mismatch in different if mismatch not in resized]


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
        and not name.endswith(("num_batches_tracked", *COMPUTED))
    ]
