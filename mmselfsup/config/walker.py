"""A walk through the parts of a config that name classes, which checks their arguments.

Faults of a config, in words that help to correct it.

Names in configs without effect, mainly of MMSelfSup 0.x; no other module lists these.
"""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from mmselfsup.utils.errors import UserError

from .registries import INSIDE_MODEL, library_advice, names, resolve
from .schema import argument_fault
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
_MANY = 25  # names in a message at most
# Variables of config files that mmcv leaves in the config, used by the file or not: those of 0.x,
# and ``classes`` of the ISIC-2019 configs.
HELPERS = frozenset(
    {
        "classes",
        "color_distort_strength",
        "data_source",
        "dataset_type",
        "extract_dataset_type",
        "extract_pipeline",
        "format_pipeline",
        "lr",
        "num_classes",
        "num_crops",
        "num_views",
        "pipeline",
        "test_cfg",
        "train_cfg",
        "train_dataset_type",
        "train_pipeline",
        "train_pipeline1",
        "train_pipeline2",
        "update_interval",
    }
)
# Arguments that classes of 0.x accepted by **kwargs and never read.
SWALLOWED: dict[str, frozenset[str]] = {}
# Options of a parameter group beyond the arguments of the optimizer.
GROUP_OPTIONS = ("lars_exclude", "fix_lr")
# Keys of mmcv's ``paramwise_cfg`` that configs have in ``paramwise_options``: no parameter has
# such a name.
MISPLACED_OPTIONS = (
    "bias_decay_mult",
    "bias_lr_mult",
    "dwconv_decay_mult",
    "norm_decay_mult",
)


class Findings:
    """The faults of a config; the first one is reported in full.

    Args:
        filename: The config file, None for a config without a file.
        overrides: Dotted keys from the command line.
    """

    def __init__(self, filename: str | None, overrides: Iterable[str]) -> None:
        self.filename = filename
        self.overrides = tuple(overrides)
        self._faults: list[tuple[str, str]] = []  # (path, message)

    def _where(self, path: str) -> str:
        """Return what set the key at ``path``: an option of the command line or the file."""
        for key in self.overrides:
            if path == key or path.startswith(f"{key}.") or key.startswith(f"{path}."):
                return f"--cfg-options {key}"
        return self.filename or "config"

    def add(self, path: str, message: str) -> None:
        """Note a fault of any kind at ``path``."""
        self._faults.append((path, f"{self._where(path)}: {message}"))

    def unknown_key(self, path: str, valid: Iterable[str], owner: str) -> None:
        """Note a key that ``owner`` doesn't take; its name is the last part of ``path``."""
        valid = list(valid)
        hint = _hint(path.rpartition(".")[2], valid)
        self.add(path, f"unknown key {path!r}{hint} {owner} takes {_shown(valid)}")

    def unknown_type(self, path: str, name: object, valid: Iterable[str], kind: str) -> None:
        """Note a ``type`` that no registry knows."""
        valid = list(valid)
        hint = _hint(str(name), valid)
        self.add(path, f"unknown type {name!r} at {path!r}{hint} known as {kind}: {_shown(valid)}")

    def raise_first(self) -> None:
        """Raise if there is a fault.

        Raises:
            UserError: The first fault in full, the places of the others.
        """
        if not self._faults:
            return
        others = [path for path, _ in self._faults[1:]]
        more = f" (and there is something wrong with {_shown(others)})" if others else ""
        raise UserError(self._faults[0][1] + more)


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
        kind, target = self.find(name, kind)
        if target is None:
            advice = library_advice(name, kind)
            if advice:
                self.findings.add(path, f"unknown type {name!r} at {path!r}: {advice}")
            else:
                self.findings.unknown_type(path, name, names(kind), kind)
            return None
        self._check_component_keys(config, target, kind, path, tuple(extra))
        for key, value in config.items():
            if key in _ARGUMENTS and value is not None:
                self._arguments(value, key, f"{path}.{key}")
            elif key != "type":
                fault = argument_fault(kind, key, f"{path}.{key}", value)
                if fault is None:
                    self.check_nested(value, _KIND_OF_KEY.get(key, kind), f"{path}.{key}")
                else:
                    self.findings.add(f"{path}.{key}", fault)
        return target

    def find(self, name: Any, kind: str) -> tuple[str, Any]:
        """Return the kind of registry that holds a ``type``, and its class; None: unknown."""
        if not isinstance(name, str):
            return kind, name if callable(name) else None
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
            known = key == "type" or key in extra or swallowed(target, key)
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


def _hint(name: str, valid: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for a close name, ``;`` otherwise."""
    close = get_close_matches(name, list(valid), n=1, cutoff=0.6)
    if not close:  # the name without its scope: SwinTransformer for mmcls.SwinTransformer
        close = [v for v in valid if v.endswith(f".{name}")][:1]
    return f"; did you mean {close[0]!r}?" if close else ";"


def _shown(names: Iterable[str]) -> str:
    """Return names as a list for a message, cut after ``_MANY``."""
    listed = list(names)
    if len(listed) > _MANY:
        return f"{', '.join(listed[:_MANY])}, ... ({len(listed)} in all)"
    return ", ".join(listed) or "nothing"


def swallowed(target: Callable[..., Any], key: str) -> bool:
    """Return whether 0.x accepted ``key`` for this class and ignored it."""
    classes = getattr(target, "__mro__", (target,))
    return any(key in SWALLOWED.get(cls.__name__, ()) for cls in classes)
