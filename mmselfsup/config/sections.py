"""The settings at the top level of a config, and the check of each of them."""

from collections.abc import Callable, Mapping
from typing import Any

from .data_section import check_data, check_evaluation
from .optimizer_section import check_optimizer
from .registries import registry
from .walk import Walker

# Settings whose value is not checked any further.
PLAIN = (
    "auto_resume", "channels_last", "compile", "cudnn_benchmark", "deterministic", "device",
    "diff_seed", "dist_params",
    "find_unused_parameters", "gpu_ids", "gpus", "img_norm_cfg", "launcher", "load_from",
    "log_level", "mkl_num_threads", "mp_start_method", "name", "omp_num_threads",
    "opencv_num_threads", "persistent_workers", "prefetch", "resume_from", "seed", "split_at",
    "split_name", "total_epochs", "work_dir", "workflow",
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
        walker.check_component(rest, "hook", section, default=title + suffix)

    return check


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
        for i, hook in enumerate(value.get("hooks", [])):
            walker.check_component(hook, "hook", f"log_config.hooks.{i}")


def _custom_hooks(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    """Check the hooks that a config adds."""
    for i, hook in enumerate(value or []):
        if isinstance(hook, Mapping):
            walker.check_component(hook, "hook", f"custom_hooks.{i}", extra=("priority",))


def _custom_imports(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    """Check the settings of imports."""
    if value is not None:
        walker.check_keys(value, ("imports", "allow_failed_imports"), "custom_imports")


def _test_pipeline(walker: Walker, value: Any, config: Mapping[str, Any]) -> None:
    """Check the pipeline of the test images."""
    walker.check_nested(value, "pipeline", "test_pipeline")


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
