"""The registries in which the place in a config has its ``type`` looked up.

The registries are filled by packages that import this one, so those are imported when a config is
checked, not before.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

from mmcv.utils import Registry

# Place in a config -> package to import so that the registry is filled, module, name.
_HOMES = {
    "model": ("mmselfsup.models", "mmselfsup.models.builder", "MODELS"),
    "datasource": ("mmselfsup.datasets", "mmselfsup.datasets.builder", "DATASOURCES"),
    "dataset": ("mmselfsup.datasets", "mmselfsup.datasets.builder", "DATASETS"),
    "pipeline": ("mmselfsup.datasets", "mmselfsup.datasets.builder", "PIPELINES"),
    "clustering": ("mmselfsup.utils", "mmselfsup.utils.clustering", "CLUSTERINGS"),
    "hook": ("mmselfsup.core", "mmcv.runner", "HOOKS"),
    "runner": ("mmselfsup.core", "mmcv.runner", "RUNNERS"),
    "optimizer": ("mmselfsup.core", "mmcv.runner", "OPTIMIZERS"),
    "constructor": ("mmselfsup.core", "mmcv.runner", "OPTIMIZER_BUILDERS"),
    "norm": ("mmselfsup.models", "mmcv.cnn", "NORM_LAYERS"),
    "conv": ("mmcv.cnn", "mmcv.cnn", "CONV_LAYERS"),
    "activation": ("mmcv.cnn", "mmcv.cnn", "ACTIVATION_LAYERS"),
    "init": ("mmcv.cnn", "mmcv.cnn", "INITIALIZERS"),
    "augment": ("mmcls.models", "mmcls.models.utils.augment.builder", "AUGMENT"),
    "padding": ("mmcv.cnn", "mmcv.cnn", "PADDING_LAYERS"),
    "upsample": ("mmcv.cnn", "mmcv.cnn", "UPSAMPLE_LAYERS"),
    "plugin": ("mmcv.cnn", "mmcv.cnn", "PLUGIN_LAYERS"),
    "dropout": ("mmcv.cnn.bricks", "mmcv.cnn.bricks.registry", "DROPOUT_LAYERS"),
    "attention": ("mmcls.models", "mmcv.cnn.bricks.registry", "ATTENTION"),
    "transformer": ("mmcls.models", "mmcv.cnn.bricks.registry", "TRANSFORMER_LAYER"),
    "ffn": ("mmcls.models", "mmcv.cnn.bricks.registry", "FEEDFORWARD_NETWORK"),
}

# Inside a model, a dict with a type may name any of these.
INSIDE_MODEL = (
    "model", "norm", "conv", "activation", "init", "augment", "padding", "upsample", "plugin",
    "dropout", "attention", "transformer", "ffn",
)  # fmt: skip


@cache
def registry(kind: str) -> Registry:
    """Return the filled registry of a kind, such as ``'model'`` or ``'hook'``."""
    package, module, name = _HOMES[kind]
    import_module(package)
    return getattr(import_module(module), name)


def resolve(name: str, kind: str) -> Callable[..., Any] | None:
    """Return the class or function of that name, None if there is none.

    A scope such as ``mmcls.`` loads that library's models, if it is installed.
    """
    own = registry(kind)
    scope = name.partition(".")[0] if "." in name else None
    if scope in (None, own.scope):
        return own.get(name)
    if kind == "model" and scope not in _root(own).children:
        with suppress(ImportError):
            import_module(f"{scope}.models")
    # mmcv fails where a scope is unknown
    return own.get(name) if scope in _root(own).children else None


def names(kind: str) -> list[str]:
    """Return all names of a kind; those of other libraries with their scope."""
    own = registry(kind)
    known = list(own.module_dict)
    for scope, child in _root(own).children.items():
        if child is not own:
            known += [f"{scope}.{name}" for name in child.module_dict]
    return sorted(known)


def library_advice(name: Any, kind: str) -> str | None:
    """Return which models have names close to an unknown ``timm.X`` or ``torchvision.X``.

    None for a name of another kind.
    """
    scope, _, rest = name.partition(".") if isinstance(name, str) else ("", "", "")
    child = _root(registry(kind)).children.get(scope) if kind == "model" and rest else None
    return child.advice(rest) if child is not None and hasattr(child, "advice") else None


def _root(start: Registry) -> Registry:
    """Return the topmost parent of a registry."""
    while start.parent is not None:
        start = start.parent
    return start
