"""The settings at the top level of a config, and the check of each of them.

The checks of ``data`` and ``evaluation``.

The check of ``optimizer``.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from torch.utils.data import DataLoader

from mmselfsup.core.adaptation import COMMON, OPTIONS

from .registries import names, registry, resolve
from .schema import PRIORITY
from .signature import accepted_args, required_args
from .walker import GROUP_OPTIONS, MISPLACED_OPTIONS, Walker

# Settings whose value is not checked any further.
PLAIN = (
    "auto_resume", "auto_settings", "channels_last", "check_files", "classifier_backbone",
    "compile", "cudnn_benchmark",
    "deterministic", "device", "diff_seed", "dist_params", "find_unused_parameters", "force_resume",
    "gpu_ids", "gpus", "img_norm_cfg", "input_of_weights", "launcher", "load_from",
    "load_in_channels", "load_partial",
    "log_level", "mkl_num_threads", "mp_start_method", "name", "omp_num_threads",
    "opencv_num_threads", "persistent_workers", "prefetch", "resume_from", "resume_missing", "seed",
    "split_at", "split_name", "total_epochs", "work_dir", "workflow",
)  # fmt: skip
#: Keys of ``own_data`` that are no arguments of a data source.
OWN_DATA = ("val", "test", "folds", "fold", "split_seed", "statistics")
_MONITOR = "FrozenFeaturesHook"
# Examples for arguments that a policy can't do without.
_EXAMPLES = {
    "step": "=[60, 80], the epochs (with by_epoch=False iterations) at which the value falls",
    "gamma": "=0.1, the factor",
    "periods": "=[10, 20], the lengths of the periods",
    "max_lr": "=0.1, the highest value",
}
_DATASETS = ("train", "val", "test", "extract")
_PARAMWISE_CFG = (
    "custom_keys", "bias_lr_mult", "bias_decay_mult", "norm_decay_mult", "dwconv_decay_mult",
    "dcn_offset_lr_mult", "bypass_duplicate",
)  # fmt: skip


def _model(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    """Check the model."""
    walker.check_component(value, "model", "model")


def _optimizer_config(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    """Check the hook of the optimizer, whose default depends on ``fp16``."""
    fp16 = config.get("fp16") is not None
    default = "GradAccumFp16OptimizerHook" if fp16 else "DistOptimizerHook"
    if value is not None:
        walker.check_component(value, "hook", "optimizer_config", default=default)


def _fp16(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    """Check the hook of half precision."""
    if value is not None:
        walker.check_component(value, "hook", "fp16", default="GradAccumFp16OptimizerHook")


def _amp(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    """Check the settings of automatic mixed precision."""
    if value is not None:
        walker.check_keys(value, ("dtype", "loss_scale"), "amp")


def _sharding(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    """Check the settings of sharded parameters."""
    if value is not None:
        walker.check_keys(value, ("type", "param_dtype"), "sharding")


def _auto_scale_lr(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    """Check the settings of the rule that scales the learning rate."""
    if value is not None:
        walker.check_keys(value, ("base_batch_size", "enable"), "auto_scale_lr")


def _adapt(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    """Check the settings of an adaptation: which there are depends on its type."""
    if value is None:
        return
    kind = value.get("type") if isinstance(value, Mapping) else None
    own = OPTIONS.get(kind) if isinstance(kind, str) else None
    if own is None:
        walker.findings.unknown_type("adapt.type", kind, OPTIONS, "adapt")
        return
    if walker.check_keys(value, (*COMMON, *own), "adapt") and value.get("monitor"):
        walker.check_component(value["monitor"], "hook", "adapt.monitor", ("priority",), _MONITOR)


def _policy(suffix: str, section: str) -> Callable[[Walker, Any, Mapping[str, Any]], None]:
    """Return the check of ``lr_config`` or ``momentum_config``.

    Its policy is the name of a hook without ``suffix``, in lower case or as the class has it.
    """

    def check(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
        if value is None:
            return
        known = [n.removesuffix(suffix) for n in registry("hook").module_dict if n.endswith(suffix)]
        policy = value.get("policy") if isinstance(value, Mapping) else None
        if not isinstance(policy, str):
            message = f"{section!r} must be a dict with a policy; known: {', '.join(known)}"
            walker.findings.add(section, message)
            return
        title = policy.title() if policy == policy.lower() else policy
        if title not in known:
            walker.findings.unknown_type(f"{section}.policy", policy, known, "policy")
            return
        rest = {key: item for key, item in value.items() if key != "policy"}
        hook = walker.check_component(rest, "hook", section, default=title + suffix)
        if missing := [name for name in required_args(hook or object) if name not in rest]:
            walker.findings.add(section, _lacking(section, policy, missing))

    return check


def _lacking(section: str, policy: str, missing: Sequence[str]) -> str:
    """Return the line about a policy without arguments that it needs."""
    texts = [f"{section}.{name}{_EXAMPLES.get(name, '')}" for name in missing]
    return f"{section}: policy {policy!r} needs {' and '.join(texts)}"


def _runner(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    """Check the runner."""
    walker.check_component(value, "runner", "runner", extra=("constructor",))


def _hook(section: str, default: str) -> Callable[[Walker, Any, Mapping[str, Any]], None]:
    """Return the check of a section that configures one hook."""

    def check(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
        if value is not None:
            walker.check_component(value, "hook", section, default=default)

    return check


def _log_config(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    """Check the hooks of the log."""
    if value is not None and walker.check_keys(value, ("interval", "hooks"), "log_config"):
        for i, hook in enumerate(value.get("hooks") or []):
            walker.check_component(hook, "hook", f"log_config.hooks.{i}")


def _custom_hooks(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    """Check the hooks that a config adds."""
    for i, hook in enumerate(value or []):
        if isinstance(hook, Mapping):
            walker.check_component(hook, "hook", f"custom_hooks.{i}", extra=("priority",))
            fault = PRIORITY.fault(f"custom_hooks.{i}.priority", hook.get("priority", "NORMAL"))
            if fault is not None:
                walker.findings.add(f"custom_hooks.{i}.priority", fault)


def _custom_imports(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    """Check the settings of imports."""
    if value is not None:
        walker.check_keys(value, ("imports", "allow_failed_imports"), "custom_imports")


def _own_data(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    """Check the description of the user's own images: arguments of data sources, and its own."""
    if value is None:
        return
    sources = ("ImageList", "ImageNet", "MedMNIST", "Shards")
    kinds = [resolve(name, "datasource") for name in sources]
    arguments = [name for kind in kinds if kind for name in accepted_args(kind).names]
    known = (*OWN_DATA, "type", *dict.fromkeys(name for name in arguments if name != "split"))
    if walker.check_keys(value, known, "own_data"):
        for part in ("val", "test"):
            if value.get(part) is not None:
                walker.check_keys(value[part], ("type", *arguments), f"own_data.{part}")


def _test_pipeline(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    """Check the pipeline of the test images."""
    walker.check_nested(value, "pipeline", "test_pipeline")


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


def check_optimizer(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    """Check the optimizer, its constructor, and options by regular expression."""
    extra = ["constructor", "paramwise_cfg", "paramwise_options", "norm_bias_decay"]
    extra.append("layer_decay")
    constructor = value.get("constructor") if isinstance(value, Mapping) else None
    if constructor == "TransformerFinetuneConstructor":
        extra.append("model_type")
    target = walker.check_component(value, "optimizer", "optimizer", extra=extra)
    if target is None:
        return
    if constructor is not None and walker.find(constructor, "constructor")[1] is None:
        path = "optimizer.constructor"
        walker.findings.unknown_type(path, constructor, names("constructor"), "constructor")
    if value.get("paramwise_cfg") is not None:
        walker.check_keys(value["paramwise_cfg"], _PARAMWISE_CFG, "optimizer.paramwise_cfg")
    options = [name for name in accepted_args(target).names if name != "params"]
    options += [f"{name}_mult" for name in options]
    for pattern, chosen in (value.get("paramwise_options") or {}).items():
        if pattern not in MISPLACED_OPTIONS:
            path = f"optimizer.paramwise_options.{pattern}"
            walker.check_keys(chosen, (*options, *GROUP_OPTIONS), path)


SECTIONS: dict[str, Callable[[Walker, Any, Mapping[str, Any]], None]] = {
    "model": _model,
    "data": check_data,
    "optimizer": check_optimizer,
    "optimizer_config": _optimizer_config,
    "fp16": _fp16,
    "amp": _amp,
    "sharding": _sharding,
    "adapt": _adapt,
    "auto_scale_lr": _auto_scale_lr,
    "lr_config": _policy("LrUpdaterHook", "lr_config"),
    "momentum_config": _policy("MomentumUpdaterHook", "momentum_config"),
    "runner": _runner,
    "checkpoint_config": _hook("checkpoint_config", "CheckpointHook"),
    "timer": _hook("timer", "IterTimerHook"),
    "log_config": _log_config,
    "custom_hooks": _custom_hooks,
    "custom_imports": _custom_imports,
    "evaluation": check_evaluation,
    "own_data": _own_data,
    "test_pipeline": _test_pipeline,
}
