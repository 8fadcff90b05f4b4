"""The checks of ``data`` and ``evaluation``."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch.utils.data import DataLoader

from .registries import resolve
from .signature import accepted_args
from .walk import Walker

_DATASETS = ("train", "val", "test", "extract")


def check_data(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    """Check the data sets with all their parts, and the arguments of the loaders."""
    # At run time: the package of the data sets imports this one.
    build = import_module("mmselfsup.datasets").build_dataloader
    loader = (*accepted_args(build).names, *accepted_args(DataLoader).names, "sampling_replace")
    loader = tuple(dict.fromkeys(name for name in loader if name != "dataset"))
    loaders = tuple(f"{part}_dataloader" for part in _DATASETS)
    if not walker.check_keys(value, (*_DATASETS, *loader, *loaders), "data"):
        return
    for part in loaders:
        if part in value:
            walker.check_keys(value[part], loader, f"data.{part}")
    for part in _DATASETS:
        dataset = value.get(part)
        several = isinstance(dataset, list | tuple)
        for i, item in enumerate(dataset if several else [] if dataset is None else [dataset]):
            walker.check_component(
                item, "dataset", f"data.{part}.{i}" if several else f"data.{part}"
            )


def check_evaluation(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    """Check the arguments of the hook, and of the validation set's ``evaluate``."""
    if value is None:
        return
    hook = list(accepted_args(resolve("EvalHook", "hook") or object).names)
    data = config.get("data")
    val = data.get("val") if isinstance(data, Mapping) else None
    name = val.get("type") if isinstance(val, Mapping) else None
    dataset = resolve(name, "dataset") if isinstance(name, str) else None
    evaluate = getattr(dataset, "evaluate", None)
    own = list(accepted_args(evaluate).names) if evaluate is not None else ["topk"]
    # The hook passes these itself.
    given = ("self", "results", "logger", "dataloader", "test_fn")
    valid = dict.fromkeys(key for key in (*hook, *own) if key not in given)
    walker.check_keys(value, valid, "evaluation")
