"""Loading of weights from many sources into a model, with a report."""

import logging
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from mmselfsup.utils.errors import UserError

from .load import load_state
from .prefixes import BACKBONE, find_prefix
from .report import LoadReport, Mismatch

# Keys under which files store their weights.
_HOLDERS = ("state_dict", "model", "model_state_dict", "net")


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
    if not weights:
        raise UserError(f"{filename} holds no weights; its keys are {', '.join(map(str, state))}")
    return weights


def _plan(source: Mapping[str, Tensor], model: nn.Module, filename: str) -> tuple[dict, str]:
    """Return names in the file -> names in the model, and the removed prefix."""
    target = model.state_dict()
    own = BACKBONE if any(name.startswith(BACKBONE) for name in target) else ""
    wanted = {n[len(own) :]: t for n, t in target.items() if n.startswith(own)}
    prefix = find_prefix(source, wanted, filename)
    if prefix.endswith(own):
        # The file holds a complete model of this project: heads and necks may fit as well.
        root = prefix[: len(prefix) - len(own)]
        return {n: n[len(root) :] for n in source if n.startswith(root)}, root
    names = {n: own + n[len(prefix) :] for n in source if n.startswith(prefix)}
    return {n: to for n, to in names.items() if to in target}, prefix


def _shared_names(model: nn.Module, filled: set[str]) -> set[str]:
    """Return all names of the filled weights: ``backbone`` and ``encoder_q.0`` may share some."""
    tensors = model.state_dict(keep_vars=True)
    ids = {id(tensors[name]) for name in filled}
    return {name for name, tensor in tensors.items() if id(tensor) in ids}


def load_weights(
    model: nn.Module,
    filename: str,
    logger: logging.Logger | None = None,
    strict: bool = False,
) -> LoadReport:
    """Load the weights of a file into ``model``; heads may differ, the backbone must be found.

    Args:
        model: The model, wrapped for several processes or not; without a ``backbone`` the
            complete model counts as one.
        filename: Checkpoint of this project, MMSelfSup 0.x, torchvision, timm, ...
        logger: Logger of the report, a warning where the backbone is not completely filled.
        strict: Whether a missing or unexpected weight, or one of another shape, is an error.

    Raises:
        UserError: The file can't be read, nothing fits the backbone, or ``strict`` and
            not all weights fit.
    """
    model = getattr(model, "module", model)
    source = weights_of(load_state(filename), filename)
    names, prefix = _plan(source, model, filename)
    target: Any = model.state_dict()
    filled: OrderedDict[str, Tensor] = OrderedDict()
    # Names and shapes are current already: no module may convert them from an older version.
    filled._metadata = target._metadata  # type: ignore[attr-defined]
    mismatched = []
    for name, to in names.items():
        if to in target and source[name].shape == target[to].shape:
            filled[to] = source[name]
        elif to in target:
            found, wanted = tuple(source[name].shape), tuple(target[to].shape)
            mismatched.append(Mismatch(to, found, wanted))
    model.load_state_dict(filled, strict=False)
    known = _shared_names(model, set(filled))
    report = LoadReport(
        filename=str(filename),
        matched=tuple(name for name in target if name in known),
        missing=tuple(_missing(target, known, mismatched)),
        unexpected=tuple(name for name in source if names.get(name) not in target),
        mismatched=tuple(mismatched),
        removed_prefix=prefix,
        backbone_matched=sum(name.startswith(BACKBONE) for name in known) or len(known),
        backbone_total=sum(name.startswith(BACKBONE) for name in target) or len(target),
    )
    if logger is not None:
        logger.log(logging.INFO if report.complete else logging.WARNING, "%s", report)
    if strict and (report.missing or report.unexpected or report.mismatched):
        raise UserError(f"strict loading: {report}")
    return report


def _missing(target: Mapping[str, Any], known: set[str], mismatched: list[Mismatch]) -> list[str]:
    """Return the weights of the model that were not filled, except those of another shape."""
    shown = {mismatch.name for mismatch in mismatched}
    return [
        name
        for name in target
        # torch before 0.4.1 didn't write this counter, and nothing depends on it
        if name not in known and name not in shown and not name.endswith("num_batches_tracked")
    ]
