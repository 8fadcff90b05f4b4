"""The settings at the top of a config, and how each of them is checked."""

from collections.abc import Callable, Mapping
from typing import Any

from .data_section import check_data, check_evaluation
from .optimizer_section import check_optimizer
from .registries import registry
from .walk import Walker

# Settings whose value is a plain one.
PLAIN = (
    "auto_resume", "channels_last", "compile", "cudnn_benchmark", "deterministic", "device",
    "diff_seed", "dist_params",
    "find_unused_parameters", "gpu_ids", "gpus", "img_norm_cfg", "launcher", "load_from",
    "log_level", "mkl_num_threads", "mp_start_method", "name", "omp_num_threads",
    "opencv_num_threads", "persistent_workers", "prefetch", "resume_from", "seed", "split_at",
    "split_name", "total_epochs", "work_dir", "workflow",
)  # fmt: skip


def _model(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    walker.typed(value, "model", "model")


def _optimizer_config(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    fp16 = config.get("fp16") is not None
    default = "GradAccumFp16OptimizerHook" if fp16 else "DistOptimizerHook"
    if value is not None:
        walker.typed(value, "hook", "optimizer_config", default=default)


def _fp16(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    if value is not None:
        walker.typed(value, "hook", "fp16", default="GradAccumFp16OptimizerHook")


def _amp(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    if value is not None:
        walker.keys(value, ("dtype", "loss_scale"), "amp")


def _policy(suffix: str, section: str) -> Callable[[Walker, Any, Mapping[str, Any]], None]:
    """Checker of ``lr_config`` or ``momentum_config``, whose policy is the start of a class."""

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
        walker.typed(rest, "hook", section, default=title + suffix)

    return check


def _runner(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    walker.typed(value, "runner", "runner", extra=("constructor",))


def _hook(section: str, default: str) -> Callable[[Walker, Any, Mapping[str, Any]], None]:
    """Checker of a section that configures one hook."""

    def check(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
        if value is not None:
            walker.typed(value, "hook", section, default=default)

    return check


def _log_config(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    if value is not None and walker.keys(value, ("interval", "hooks"), "log_config"):
        for i, hook in enumerate(value.get("hooks", [])):
            walker.typed(hook, "hook", f"log_config.hooks.{i}")


def _custom_hooks(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    for i, hook in enumerate(value or []):
        if isinstance(hook, Mapping):
            walker.typed(hook, "hook", f"custom_hooks.{i}", extra=("priority",))


def _custom_imports(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    if value is not None:
        walker.keys(value, ("imports", "allow_failed_imports"), "custom_imports")


def _test_pipeline(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    walker.inside(value, "pipeline", "test_pipeline")


SECTIONS: dict[str, Callable[[Walker, Any, Mapping[str, Any]], None]] = {
    "model": _model,
    "data": check_data,
    "optimizer": check_optimizer,
    "optimizer_config": _optimizer_config,
    "fp16": _fp16,
    "amp": _amp,
    "lr_config": _policy("LrUpdaterHook", "lr_config"),
    "momentum_config": _policy("MomentumUpdaterHook", "momentum_config"),
    "runner": _runner,
    "checkpoint_config": _hook("checkpoint_config", "CheckpointHook"),
    "timer": _hook("timer", "IterTimerHook"),
    "log_config": _log_config,
    "custom_hooks": _custom_hooks,
    "custom_imports": _custom_imports,
    "evaluation": check_evaluation,
    "test_pipeline": _test_pipeline,
}
