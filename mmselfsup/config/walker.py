"""A walk through the parts of a config that name classes, which checks their arguments."""

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
# Keys that the builder of a kind removes before it calls the class.
_EXTRA = {"norm": ("requires_grad",), "init": ("override", "name")}
# Arguments that the caller passes to the class, so that a config doesn't set them.
_PROVIDED = {
    "optimizer": ("params",),
    "runner": ("model", "batch_processor", "optimizer", "work_dir", "logger", "meta"),
    "norm": ("num_features", "num_channels", "normalized_shape"),
}
# Dicts without a type: the module and the callable whose arguments they hold, and which of these
# the caller passes.
_ARGUMENTS = {
    "cache": ("mmselfsup.datasets.cache", "open_cache", ("source",)),
    "lesion_positives": (
        "mmselfsup.datasets.lesion_positives",
        "LesionPositives",
        ("data_source",),
    ),
}
# Arguments that a class forwards by **kwargs to a method of another class.
_FORWARDED = {"CheckpointHook": ("filename_tmpl", "create_symlink", "meta")}


class Walker:
    """A checker of dicts with a ``type``, and of the dicts inside them.

    Args:
        findings: Where faults are noted.
    """

    def __init__(self, findings: Findings) -> None:
        self.findings = findings

    def check_component(
        self,
        config: Any,
        kind: str,
        path: str,
        extra: Iterable[str] = (),
        default: str | None = None,
    ) -> Any:
        """Check a dict that a registry builds.

        Args:
            config: The dict.
            kind: Kind of the registry, see ``registries``.
            path: Dotted place in the config.
            extra: Further keys that are valid at this place.
            default: The type where none is named.

        Returns:
            The class of the type, None where it is not known.
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
        self._check_component_keys(config, target, kind, path, tuple(extra))
        for key, value in config.items():
            if key in _ARGUMENTS and value is not None:
                self._arguments(value, key, f"{path}.{key}")
            elif key != "type":
                self.check_nested(value, _KIND_OF_KEY.get(key, kind), f"{path}.{key}")
        return target

    def _find(self, name: Any, kind: str) -> tuple[str, Any]:
        """Return the kind of registry that holds the name, and the class."""
        if not isinstance(name, str):
            return kind, name
        kinds = (kind, *INSIDE_MODEL) if kind in INSIDE_MODEL else (kind,)
        targets = ((k, resolve(name, k)) for k in kinds)
        return next(((k, target) for k, target in targets if target is not None), (kind, None))

    def _check_component_keys(
        self, config: Mapping[str, Any], target: Any, kind: str, path: str, extra: tuple[str, ...]
    ) -> None:
        """Check that the class of a component accepts its keys."""
        accepted = accepted_args(target)
        label = getattr(target, "__name__", str(target))
        forwarded = _FORWARDED.get(label)
        extra += (*_EXTRA.get(kind, ()), *(forwarded or ()))
        for key in config:
            known = key == "type" or key in extra or legacy.swallowed(target, key)
            if known or key in accepted.names or (accepted.open and forwarded is None):
                continue
            # Arguments of the caller are not offered, though a config may set them.
            shown = [n for n in accepted.names if n not in _PROVIDED.get(kind, ())]
            self.findings.unknown_key(f"{path}.{key}", (*shown, *extra), label)

    def _arguments(self, value: Any, key: str, path: str) -> None:
        """Check a dict without type that holds the arguments of a function or a class."""
        module, name, provided = _ARGUMENTS[key]
        names = accepted_args(getattr(import_module(module), name)).names
        self.check_keys(value, (name for name in names if name not in provided), path)

    def check_nested(self, value: Any, kind: str, path: str) -> None:
        """Check the dicts with a ``type`` in any nesting of lists and dicts."""
        if isinstance(value, Mapping):
            if "type" in value:
                self.check_component(value, kind, path)
                return
            for key, item in value.items():
                self.check_nested(item, _KIND_OF_KEY.get(key, kind), f"{path}.{key}")
        elif isinstance(value, list | tuple):
            for index, item in enumerate(value):
                self.check_nested(item, kind, f"{path}.{index}")

    def check_keys(self, config: Any, valid: Iterable[str], path: str) -> bool:
        """Check the keys of a dict without type, and return whether it is a dict."""
        if not isinstance(config, Mapping):
            self.findings.add(path, f"{path!r} must be a dict, got {config!r}")
            return False
        valid = tuple(valid)
        for key in config:
            if key not in valid:
                self.findings.unknown_key(f"{path}.{key}", valid, f"{path!r}")
        return True
