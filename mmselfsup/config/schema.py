"""Types and ranges of the values of a config: the one place that knows them.

``KEYS`` has settings by their place in the config, ``ARGUMENTS`` those of classes by kind of
registry and name of the argument. What is in neither is left to the class that reads it.
"""

import logging
import math
import multiprocessing
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmcv.runner import Priority

_COMPILE_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
_COMPILE_ARGUMENTS = ("fullgraph", "dynamic", "backend", "mode", "options", "disable")
_CLIP_ARGUMENTS = ("max_norm", "norm_type", "error_if_nonfinite", "foreach", "per_parameter")
_CLIP_EACH_ARGUMENTS = ("max_norm", "norm_type", "per_parameter")
_MAX_SEED = 2**32 - 1  # NumPy's limit
#: A value that follows from the data, see ``own_data``.
AUTO = "auto"
_SHOWN = 60  # letters of a value in a message


@dataclass(frozen=True)
class Rule:
    """What a value must be.

    Attributes:
        text: The values that fit, as in "give a whole number of at least 1".
        fits: Whether a value is one of them.
    """

    text: str
    fits: Callable[[Any], bool]

    def fault(self, path: str, value: Any) -> str | None:
        """Return what is wrong with the value at ``path``, None if it fits."""
        if self.fits(value):
            return None
        shown = repr(value)
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
        return f"{path}={shown}: give {self.text}"


def _is_whole(value: Any) -> bool:
    """Return whether a value is an integer, and not True or False."""
    return isinstance(value, int) and not isinstance(value, bool)


def _limits(low: float | None, high: float | None) -> str:
    """Return the words for limits, both included."""
    least = "" if low is None else f" of at least {low}"
    most = "" if high is None else f"{' and' if least else ' of'} at most {high}"
    return f"{least}{most}"


def whole(low: int | None = None, high: int | None = None) -> Rule:
    """Return the rule for integers within limits, both included."""
    return Rule(
        f"a whole number{_limits(low, high)}",
        lambda value: (
            _is_whole(value) and (low is None or value >= low) and (high is None or value <= high)
        ),
    )


def number(low: float | None = None, high: float | None = None) -> Rule:
    """Return the rule for finite numbers within limits, both included."""
    return Rule(
        f"a number{_limits(low, high)}",
        lambda value: (
            (_is_whole(value) or isinstance(value, float))
            and math.isfinite(value)
            and (low is None or value >= low)
            and (high is None or value <= high)
        ),
    )


def one_of(*values: Any) -> Rule:
    """Return the rule for some values."""
    # A list is in no tuple of strings, but True equals 1: types are compared too.
    return Rule(
        f"one of {', '.join(map(repr, values))}",
        lambda value: any(type(value) is type(v) and value == v for v in values),
    )


def either(*rules: Rule) -> Rule:
    """Return the rule for values that fit any of ``rules``."""
    text = " or ".join(rule.text for rule in rules)
    return Rule(text, lambda value: any(rule.fits(value) for rule in rules))


def optional(rule: Rule) -> Rule:
    """Return the rule for None and all values that fit ``rule``."""
    return either(rule, NOTHING)


def sequence(item: Rule, shortest: int = 1, longest: int | None = None) -> Rule:
    """Return the rule for lists and tuples of items."""
    return Rule(
        f"a list, each entry {item.text}"
        if longest is None
        else f"{longest} entries, each {item.text}",
        lambda value: (
            isinstance(value, list | tuple)
            and shortest <= len(value)
            and (longest is None or len(value) <= longest)
            and all(item.fits(entry) for entry in value)
        ),
    )


def _workflow(value: Any) -> bool:
    """Return whether a value is a workflow that trains."""
    if not isinstance(value, list | tuple) or not value:
        return False
    pairs = all(isinstance(entry, list | tuple) and len(entry) == 2 for entry in value)
    return (
        pairs
        and all(mode in ("train", "val") and _is_whole(n) and n > 0 for mode, n in value)
        and any(mode == "train" for mode, _ in value)
    )


def _compile(value: Any) -> bool:
    """Return whether ``compile`` has arguments of ``torch.compile`` and a mode that it knows."""
    if value is None or isinstance(value, bool):
        return True
    if not isinstance(value, Mapping) or any(key not in _COMPILE_ARGUMENTS for key in value):
        return False
    mode, backend = value.get("mode"), value.get("backend", "inductor")
    return (mode is None or mode in _COMPILE_MODES) and (
        callable(backend) or isinstance(backend, str)
    )


def _grad_clip(value: Any) -> bool:
    """Return whether a value has arguments of ``clip_grad_norm_``, or of the clipping of each."""
    if value is None:
        return True
    if not isinstance(value, Mapping) or not FLAG.fits(value.get("per_parameter", False)):
        return False
    known = _CLIP_EACH_ARGUMENTS if value.get("per_parameter") else _CLIP_ARGUMENTS
    if any(key not in known for key in value):
        return False
    return number(0).fits(value.get("max_norm")) and (
        value.get("norm_type") == math.inf or number(0).fits(value.get("norm_type", 2))
    )


def _cosine_end(value: Any) -> bool:
    """Return whether a cosine schedule has the one end that mmcv's hooks need."""
    if not isinstance(value, Mapping):
        return True  # another check reports it
    if str(value.get("policy")).lower() not in ("cosineannealing", "cosinerestart"):
        return True
    return (value.get("min_lr") is None) != (value.get("min_lr_ratio") is None)


def _can_be_written(value: Any) -> bool:
    """Return whether a folder exists and can be written, or can be made."""
    if value is None or value == "":
        return True  # the work dir
    if not isinstance(value, str | os.PathLike) or "\0" in str(value):
        return False
    if "://" in str(value):
        return True
    folder = Path(value).absolute()
    try:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
    except OSError:  # a name that is too long, a folder that can't be entered
        return False
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _log_level(value: Any) -> bool:
    """Return whether ``logging`` knows a level."""
    known = isinstance(value, str) and isinstance(logging.getLevelName(value), int)
    return known or whole(0).fits(value)


def _priority(value: Any) -> bool:
    """Return whether a value is a priority of hooks: a name, or a number from 0 to 100."""
    known = isinstance(value, str) and value.upper() in Priority.__members__
    return known or isinstance(value, Priority) or whole(0, 100).fits(value)


#: The rule of ``priority`` of a hook.
PRIORITY = Rule(
    f"a whole number of 0 to 100 or one of {', '.join(Priority.__members__)}", _priority
)
NOTHING = Rule("None", lambda value: value is None)
# 0 and 1 are in use as well: configs of 0.x passed any value on.
FLAG = Rule("True or False", lambda value: type(value) in (bool, int) and value in (0, 1))
SWITCH = Rule("True or False", lambda value: value is None or FLAG.fits(value))
TEXT = Rule("a text", lambda value: isinstance(value, str))
DICT = Rule("a dict", lambda value: isinstance(value, Mapping))
_PATH = Rule("a path", lambda value: isinstance(value, str | os.PathLike))
_FOLDER = Rule("a folder that can be written", _can_be_written)
_INTERVAL = Rule(
    "a whole number of at least 1, or -1 for the end only",
    lambda value: _is_whole(value) and (value >= 1 or value == -1),
)
_KEEP = Rule(
    "a whole number of at least 1, or -1 (or 0) to keep all",
    lambda value: _is_whole(value) and value >= -1,
)
_SCALE = either(one_of("dynamic"), number(2**-30), DICT)
_POSITIVE = whole(1)
_SHARE = number(0, 1)
_SIDE = either(whole(1), sequence(whole(1), 1, 2))
_STEPS = Rule(
    "a list with at least one dict in it", lambda v: isinstance(v, list | tuple) and len(v) > 0
)
_PIPELINES = Rule(
    "a list of pipelines, none of them empty",
    lambda value: (
        isinstance(value, list | tuple) and len(value) > 0 and all(map(_STEPS.fits, value))
    ),
)

_LOADER: dict[str, Rule] = {
    "imgs_per_gpu": optional(_POSITIVE),
    "samples_per_gpu": optional(_POSITIVE),
    "workers_per_gpu": whole(0),
    "drop_last": FLAG,
    "shuffle": FLAG,
    "pin_memory": FLAG,
    "persistent_workers": FLAG,
    "prefetch_factor": optional(_POSITIVE),
    "timeout": number(0),
    "sampler": optional(DICT),
}

#: The rule of a value, by its place in the config.
KEYS: dict[str, Rule] = {
    **{f"data.{key}": rule for key, rule in _LOADER.items()},
    **{
        f"data.{part}_dataloader.{key}": rule
        for part in ("train", "val", "test", "extract")
        for key, rule in _LOADER.items()
    },
    **dict.fromkeys(
        ("auto_resume", "channels_last", "check_files", "cudnn_benchmark", "deterministic",
         "diff_seed", "find_unused_parameters", "input_of_weights", "persistent_workers",
         "prefetch"),
        SWITCH,
    ),
    "log_level": Rule("a level of logging: 'DEBUG', 'INFO', 'WARNING', 'ERROR'", _log_level),
    "workflow": Rule("a list such as [('train', 1)], with 'train' or 'val' and epochs", _workflow),
    "load_in_channels": one_of("sum", "repeat", "average"),
    "opencv_num_threads": whole(-1, 4096),
    "omp_num_threads": whole(1, 4096),
    "mkl_num_threads": whole(1, 4096),
    "mp_start_method": one_of(*multiprocessing.get_all_start_methods()),
    "compile": Rule(
        "True, False or arguments of torch.compile: "
        f"{', '.join(_COMPILE_ARGUMENTS)}, with mode one of {', '.join(_COMPILE_MODES)}",
        _compile,
    ),
    "seed": optional(whole(0, _MAX_SEED)),
    "total_epochs": _POSITIVE,
    "device": optional(TEXT),
    "dist_params": optional(DICT),
    "img_norm_cfg": optional(either(DICT, one_of(AUTO))),
    "own_data": optional(DICT),
    "own_data.folds": whole(2),
    "own_data.fold": whole(0),
    "own_data.split_seed": whole(0),
    "load_from": optional(_PATH),
    "resume_from": optional(_PATH),
    "work_dir": optional(_PATH),
    "optimizer.lr": number(0),
    "optimizer.weight_decay": number(0),
    "optimizer.momentum": _SHARE,
    "optimizer.nesterov": FLAG,
    "optimizer.norm_bias_decay": optional(number(0)),
    "optimizer.paramwise_cfg": optional(DICT),
    "optimizer.paramwise_options": optional(DICT),
    "optimizer_config": optional(DICT),
    "optimizer_config.grad_clip": Rule(
        f"None or arguments of clip_grad_norm_: {', '.join(_CLIP_ARGUMENTS)}, with max_norm "
        "(per_parameter=True takes max_norm and norm_type only)",
        _grad_clip,
    ),
    "optimizer_config.update_interval": _POSITIVE,
    "fp16.loss_scale": _SCALE,
    "amp.loss_scale": _SCALE,
    "adapt": optional(DICT),
    "adapt.lr_mult": number(0),
    "adapt.layer_decay": optional(_SHARE),
    "adapt.freeze_epochs": whole(0),
    "adapt.train": either(TEXT, sequence(TEXT, 0)),
    "adapt.monitor": either(FLAG, DICT, NOTHING),
    "adapt.blocks": _POSITIVE,
    "adapt.rank": _POSITIVE,
    "adapt.alpha": number(0),
    "adapt.targets": either(TEXT, sequence(TEXT), NOTHING),
    "adapt.columns": optional(number(0)),
    "adapt.choice": one_of("random", "leading"),
    "auto_scale_lr": optional(DICT),
    "auto_settings": either(SWITCH, DICT),
    "auto_settings.batch": _POSITIVE,
    "auto_settings.lr": number(0),
    "auto_settings.epochs": _POSITIVE,
    "auto_settings.queue": _POSITIVE,
    "auto_settings.prototypes": _POSITIVE,
    "auto_settings.temperature": number(0),
    "auto_scale_lr.base_batch_size": _POSITIVE,
    "auto_scale_lr.enable": FLAG,
    "amp.dtype": one_of("bfloat16", "float16", "auto"),
    "sharding": optional(DICT),
    "sharding.type": one_of("fsdp2"),
    "sharding.param_dtype": optional(one_of("bfloat16")),
    "lr_config": Rule("min_lr or min_lr_ratio (one of them) beside a cosine policy", _cosine_end),
    "lr_config.min_lr": optional(number(0)),
    "lr_config.min_lr_ratio": optional(_SHARE),
    "lr_config.by_epoch": FLAG,
    "lr_config.step": either(_POSITIVE, sequence(_POSITIVE, 0)),
    "lr_config.warmup": optional(one_of("constant", "linear", "exp")),
    "lr_config.warmup_iters": whole(0),
    "lr_config.warmup_ratio": _SHARE,
    "lr_config.warmup_by_epoch": FLAG,
    "runner.max_epochs": optional(_POSITIVE),
    "runner.max_iters": optional(_POSITIVE),
    "checkpoint_config": optional(DICT),
    "checkpoint_config.interval": _INTERVAL,
    "checkpoint_config.max_keep_ckpts": _KEEP,
    "checkpoint_config.out_dir": _FOLDER,
    "checkpoint_config.by_epoch": FLAG,
    "checkpoint_config.save_last": FLAG,
    "checkpoint_config.save_optimizer": FLAG,
    "checkpoint_config.save_backbone": FLAG,
    "checkpoint_config.filename_tmpl": Rule(
        "a file name with {} for the number",
        lambda value: isinstance(value, str) and value.count("{}") == 1 and "/" not in value,
    ),
    "evaluation.interval": _POSITIVE,
    "evaluation.start": optional(whole(0)),
    "evaluation.by_epoch": FLAG,
    "evaluation.save_best": optional(TEXT),
    "evaluation.rule": optional(one_of("greater", "less")),
    "evaluation.out_dir": _FOLDER,
    "evaluation.topk": either(_POSITIVE, sequence(_POSITIVE)),
    "evaluation.bootstrap": whole(0),
    "evaluation.unk_threshold": optional(_SHARE),
    "log_config.interval": _POSITIVE,
    "log_config.hooks": sequence(DICT, 0),
    "custom_hooks": optional(sequence(DICT, 0)),
    "custom_imports": optional(DICT),
}  # fmt: skip

#: The rule of an argument, by kind of registry and name of the argument.
ARGUMENTS: dict[tuple[str, str], Rule] = {
    ("dataset", "pipeline"): _STEPS,
    ("dataset", "pipelines"): _PIPELINES,
    ("dataset", "num_views"): sequence(_POSITIVE),
    ("dataset", "times"): _POSITIVE,
    ("datasource", "data_prefix"): optional(either(_PATH, sequence(_PATH))),
    ("pipeline", "size"): _SIDE,
    ("pipeline", "p"): _SHARE,
    ("pipeline", "transforms"): _STEPS,
    ("model", "in_channels"): either(_POSITIVE, sequence(_POSITIVE)),
    ("model", "hid_channels"): _POSITIVE,
    ("model", "num_classes"): either(_POSITIVE, sequence(_POSITIVE), one_of(AUTO)),
    ("model", "base_channels"): _POSITIVE,
    ("model", "frozen_stages"): whole(-1),
    ("hook", "out_dir"): optional(_FOLDER),
    ("hook", "interval"): optional(_INTERVAL),
    ("model", "stem_channels"): _POSITIVE,
}


def value_fault(config: Mapping[str, Any], key: str) -> tuple[str, str] | None:
    """Return the first wrong value below a key of the top level: its place, and what is wrong."""
    for path, rule in KEYS.items():
        if path.partition(".")[0] != key:
            continue
        value: Any = config
        for part in path.split("."):
            if not isinstance(value, Mapping) or part not in value:
                break  # a missing value has a default
            value = value[part]
        else:
            fault = rule.fault(path, value)
            if fault is not None:
                return path, fault
    return None


def argument_fault(kind: str, key: str, path: str, value: Any) -> str | None:
    """Return what is wrong with an argument of a class, None if it fits or has no rule."""
    rule = ARGUMENTS.get((kind, key))
    return None if rule is None else rule.fault(path, value)
