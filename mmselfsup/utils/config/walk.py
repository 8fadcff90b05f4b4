"""Walk through the parts of a config that name classes, and check what these are given."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from . import legacy
from .findings import Findings
from .registries import INSIDE_MODEL, names, resolve
from .signature import accepted_args

# Keys whose value, or whose items, are built from another registry than their parent.
_KIND_OF_KEY = {
    "data_source": "datasource",
    "dataset": "dataset",
    "datasets": "dataset",
    "pipeline": "pipeline",
    "pipelines": "pipeline",
    "format_pipeline": "pipeline",
    "init_cfg": "init",
    "override": "init",
    "norm_cfg": "norm",
    "conv_cfg": "conv",
    "act_cfg": "activation",
    "augments": "augment",
    "clustering": "clustering",
}
# What the builder of a kind takes out before it calls the class.
_EXTRA = {"norm": ("requires_grad",), "init": ("override", "name")}
# What the caller gives to the class, and a config doesn't.
_PROVIDED = {
    "optimizer": ("params",),
    "runner": ("model", "batch_processor", "optimizer", "work_dir", "logger", "meta"),
    "norm": ("num_features", "num_channels", "normalized_shape"),
}
# Dicts without a type: of what they are the arguments, and which of these a config doesn't give.
_ARGUMENTS = {
    "cache": ("mmselfsup.datasets.cache", "open_cache", ("source",)),
    "lesion_positives": (
        "mmselfsup.datasets.lesion_positives",
        "LesionPositives",
        ("data_source",),
    ),
}
# **kwargs that go to a method of another class.
_FORWARDED = {"CheckpointHook": ("filename_tmpl", "create_symlink", "meta")}


class Walker:
    """Checks dicts with a ``type``, and those inside them.

    Args:
        findings: where faults are noted.
    """

    def __init__(self, findings: Findings) -> None:
        self.findings = findings

    def typed(
        self,
        config: Any,
        kind: str,
        path: str,
        extra: Iterable[str] = (),
        default: str | None = None,
    ) -> Any:
        """Check a dict that a registry builds.

        Args:
            config: the dict.
            kind: of the registry, see :mod:`registries`.
            path: dotted place in the config.
            extra: further keys that are fine here.
            default: the type where none is named.

        Returns:
            The class that is meant, None where that can't be said.
        """
        if not isinstance(config, Mapping):
            self.findings.add(path, f"{path!r} must be a dict with a type, got {config!r}")
            return None
        name = config.get("type", default)
        if name is None:
            self.findings.add(path, f"{path!r} has no 'type'; known: {', '.join(names(kind))}")
            return None
        kind, target = self._find(name, kind)
        if target is None:
            self.findings.unknown_type(path, name, names(kind), kind)
            return None
        self._check_keys(config, target, kind, path, tuple(extra))
        for key, value in config.items():
            if key in _ARGUMENTS and value is not None:
                self._arguments(value, key, f"{path}.{key}")
            elif key != "type":
                self.inside(value, _KIND_OF_KEY.get(key, kind), f"{path}.{key}")
        return target

    def _find(self, name: Any, kind: str) -> tuple[str, Any]:
        """The class, and the kind of registry in which it was found."""
        if not isinstance(name, str):
            return kind, name
        kinds = (kind, *INSIDE_MODEL) if kind in INSIDE_MODEL else (kind,)
        found = ((k, resolve(name, k)) for k in kinds)
        return next(((k, target) for k, target in found if target is not None), (kind, None))

    def _check_keys(
        self, config: Mapping[str, Any], target: Any, kind: str, path: str, extra: tuple[str, ...]
    ) -> None:
        accepted = accepted_args(target)
        label = getattr(target, "__name__", str(target))
        forwarded = _FORWARDED.get(label)
        extra += (*_EXTRA.get(kind, ()), *(forwarded or ()))
        for key in config:
            known = key == "type" or key in extra or legacy.swallowed(target, key)
            if known or key in accepted.names or (accepted.open and forwarded is None):
                continue
            shown = [n for n in accepted.names if n not in _PROVIDED.get(kind, ())]
            self.findings.unknown_key(f"{path}.{key}", (*shown, *extra), label)

    def _arguments(self, value: Any, key: str, path: str) -> None:
        """Check a dict without type that holds the arguments of a function or a class."""
        module, name, provided = _ARGUMENTS[key]
        names = accepted_args(getattr(import_module(module), name)).names
        self.keys(value, (name for name in names if name not in provided), path)

    def inside(self, value: Any, kind: str, path: str) -> None:
        """Check the dicts with a ``type`` in any nesting of lists and dicts."""
        if isinstance(value, Mapping):
            if "type" in value:
                self.typed(value, kind, path)
                return
            for key, item in value.items():
                self.inside(item, _KIND_OF_KEY.get(key, kind), f"{path}.{key}")
        elif isinstance(value, list | tuple):
            for index, item in enumerate(value):
                self.inside(item, kind, f"{path}.{index}")

    def keys(self, config: Any, valid: Iterable[str], path: str) -> bool:
        """Check the keys of a dict without type; False where it is no dict."""
        if not isinstance(config, Mapping):
            self.findings.add(path, f"{path!r} must be a dict, got {config!r}")
            return False
        valid = tuple(valid)
        for key in config:
            if key not in valid:
                self.findings.unknown_key(f"{path}.{key}", valid, f"{path!r}")
        return True
