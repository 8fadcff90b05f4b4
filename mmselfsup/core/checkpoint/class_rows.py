"""The rows of a classifier's head in the order of the classes of the data that it goes on with.

A head has one row of weights for each class of the training that wrote it. Other data may number
the same classes otherwise, or have other classes: equal shapes say nothing about it, the names of
the classes in the checkpoint do. Letters: K rows, D features.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from torch import Tensor, nn

from mmselfsup.datasets.class_order import listed, new_numbers
from mmselfsup.utils.errors import UserError

_OPT_OUT = "data.train.data_source.same_classes=True"


@dataclass(frozen=True)
class DataClasses:
    """The classes of the data that a classifier is trained with.

    Attributes:
        names: Names in the order of their numbers; none where the data have no names.
        same: Whether start weights have these classes in this order, whatever their names are
            (``same_classes`` of the data source).
    """

    names: tuple[str, ...]
    same: bool = False


_OF_START: ContextVar[DataClasses | None] = ContextVar("classes of start weights", default=None)


@contextmanager
def classes_at_start(classes: DataClasses | None) -> Iterator[None]:
    """Give the initialisation of a model inside the block (``init_cfg``) the classes of its data.

    ``init_weights`` takes no arguments through which they could get there.
    """
    token = _OF_START.set(classes)
    try:
        yield
    finally:
        _OF_START.reset(token)


def of_start() -> DataClasses | None:
    """Return the classes of the block of ``classes_at_start`` around the call, None outside."""
    return _OF_START.get()


def rows_of_classes(
    found: Mapping[str, Tensor],
    model: nn.Module,
    filename: str,
    names: Sequence[str] | None,
    classes: DataClasses | None,
    logger: logging.Logger | None = None,
    pretext: str | None = None,
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return the weights of a file with the rows of the head in the order of the data's classes.

    Names are compared as ``new_numbers`` does. Rows of no class of both lists follow in their
    order. Where a class of the shorter list is missing in the other, the rows are of other classes
    and left out, so that they start anew, as those of a pretext task always are.

    Args:
        found: Weights of the file under the model's names.
        model: The model.
        filename: Name of the file.
        names: Names of the classes in the file, None where it has none: nothing is changed, except
            after a pretext task.
        classes: The classes of the data, without names: as before; None where the model reads
            none: nothing is changed.
        logger: Logger of the line about rows that were moved or left out.
        pretext: What pre-trained the model in the file, see ``pretext_task``; None for a
            classifier.

    Returns:
        The weights; the names of those that were left out.
    """
    rows = [name for name in class_rows(model) if name in found]
    shown = ", ".join(dict.fromkeys(name.rpartition(".")[0] for name in rows))
    if pretext is not None and classes is not None and rows:
        if logger is not None:
            line = "%s is of %s: the rows of %s are no classes of images, and it starts anew"
            logger.warning(line, filename, pretext, shown)
        return {name: value for name, value in found.items() if name not in rows}, tuple(rows)
    if names is None or classes is None or not classes.names or not rows:
        return dict(found), ()
    said = (
        f"{filename} has the classes {listed(names)}, data.train has {listed(classes.names)}: "
        f"{shown}"
    )
    sizes = {len(found[name]) for name in rows}
    orders = {size: row_order(names, classes, size, filename) for size in sizes}
    kept, left = dict(found), []
    for name in rows:
        order = orders[len(found[name])]
        if order is None:
            left.append(name)
            del kept[name]
        else:
            kept[name] = found[name][order]
    if logger is not None and left:
        logger.warning(
            "%s starts anew; if these are the same classes in this order, set %s", said, _OPT_OUT
        )
    elif logger is not None and any(order != list(range(n)) for n, order in orders.items()):
        logger.warning("%s gets the rows of the file in the order of the data", said)
    return kept, tuple(left)


def class_rows(model: nn.Module) -> Iterator[str]:
    """Yield the names of the weights [K, D] and [K] that have a row for each class.

    Heads name their layers (``class_layers``); of others, ``head`` or with ``num_classes``, it is
    the last linear layer with so many outputs.
    """
    seen: dict[str, None] = {}
    for prefix, module in model.named_modules(remove_duplicate=False):
        start = f"{prefix}." if prefix else ""
        for layer in _class_layers(prefix, module):
            for name, _ in module.get_submodule(layer).named_parameters(remove_duplicate=False):
                seen[f"{start}{layer}.{name}"] = None
    yield from seen


def _class_layers(prefix: str, module: nn.Module) -> Sequence[str]:
    """Return the names of the layers with a row for each class inside a module."""
    if hasattr(module, "class_layers"):
        return tuple(module.class_layers)  # type: ignore[arg-type]
    if any(hasattr(inner, "class_layers") for inner in module.modules()):
        return ()
    number = getattr(module, "num_classes", None)
    if not (isinstance(number, int) and number > 0) and prefix != "head":
        return ()
    layers = [
        name
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear) and name and number in (None, layer.out_features)
    ]
    return layers[-1:]


def row_order(
    names: Sequence[str], classes: DataClasses, count: int, filename: str
) -> list[int] | None:
    """Return which row of a file each row of the model gets; None where the classes are others.

    Args:
        names: Names of the classes of the file.
        classes: The classes of the data.
        count: Number of rows, those of both.
        filename: Name of the file, for a warning of ``new_numbers``.
    """
    own = classes.names
    if len(names) > count:  # not one row for each class: the head of a pretext task
        return None
    longer = len(names) > len(own)
    try:
        if longer:
            numbers, _ = new_numbers(own, names, "data.train", filename, classes.same)
        else:
            numbers, _ = new_numbers(names, own, filename, "data.train", classes.same)
    except UserError:
        return list(range(count)) if classes.same else None
    if numbers is None:
        return list(range(count))
    if len(set(numbers)) < len(numbers) or max(numbers) >= count:
        return None
    pairs = dict(enumerate(numbers))  # place in the shorter list -> in the other
    to_file = pairs if longer else {row: i for i, row in pairs.items()}
    rest = iter(row for row in range(count) if row not in to_file.values())
    return [to_file[row] if row in to_file else next(rest) for row in range(count)]
