"""Settings without effect, that work twice, or are missing: told before the first iteration."""

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mmcv import Config
from mmcv.runner import HOOKS, BaseRunner, Hook, LoggerHook
from torch import nn

from mmselfsup.core.hooks.finetune_hooks import counts_epochs
from mmselfsup.datasets.utils import find_normalize
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import unwrap

# What a hook does between epochs, and what it does elsewhere.
_BETWEEN = {
    "before_epoch", "after_epoch", "before_train_epoch", "after_train_epoch", "before_val_epoch",
    "after_val_epoch",
}  # fmt: skip
_ELSEWHERE = {"before_iter", "after_iter", "before_train_iter", "after_train_iter"}
# Hooks that work in iterations and give their result between epochs only.
_RESULT_BETWEEN = ("EMAHook",)


def check_prefetch(cfg: Config, dataset: Any, part: str) -> None:
    """Check that images are not normalised by the pipeline and by the loader.

    Raises:
        UserError: ``prefetch`` is set, and the pipeline ends with ``Normalize``.
    """
    if cfg.get("prefetch") and find_normalize(dataset) is not None:
        raise UserError(
            f"{part}: its pipeline has Normalize, and prefetch=True normalises with img_norm_cfg "
            "again: take ToTensor and Normalize out of the pipeline, or prefetch out of the config"
        )


def report_no_effect(
    cfg: Config, runner: BaseRunner, loader: Any, logger: logging.Logger
) -> list[str]:
    """Warn of the settings of a training that have no effect, and of hooks that its method lacks.

    Args:
        cfg: The config.
        runner: The runner with all of its hooks.
        loader: The loader of the training.
        logger: Logger of the warnings.

    Returns:
        The warnings.
    """
    lines = [
        *_missing_hooks(runner),
        *_hooks(runner),
        *_wrong_unit(cfg, runner),
        *_too_late(cfg, runner, len(loader)),
        *_no_checkpoint(cfg, runner),
        *_nothing_trains(cfg),
        *_without_match(cfg, runner),
        *_pairs(cfg),
    ]
    for line in lines:
        logger.warning("%s", line)
    return lines


def _missing_hooks(runner: BaseRunner) -> Iterator[str]:
    """Yield the hooks without which the method is another one, where the runner lacks them."""
    model: Any = unwrap(runner.model)
    for name in getattr(model, "needed_hooks", ()):
        if not any(isinstance(hook, HOOKS.get(name)) for hook in runner.hooks):
            yield (
                f"custom_hooks: {type(model).__name__} needs {name}, which is not there: without "
                "it the training is not that of the method; add "
                f"dict(type='{name}'), as the configs of the method have it"
            )


def _hooks(runner: BaseRunner) -> Iterator[str]:
    """Yield the hooks that act between epochs where the runner counts iterations."""
    if counts_epochs(runner):
        return
    for hook in runner.hooks:
        stages = _overridden(hook)
        name = type(hook).__name__
        if isinstance(hook, LoggerHook) or type(hook).__module__.startswith("mmselfsup."):
            continue  # ours say so themselves, see ``needs_epochs``
        if (stages & _BETWEEN and not stages & _ELSEWHERE) or name in _RESULT_BETWEEN:
            yield (
                f"custom_hooks: {name} acts between epochs, and {type(runner).__name__} has none: "
                "it has no effect; use runner.type='EpochBasedRunner'"
                + (", or WeightAverageHook" if name == "EMAHook" else "")
            )


def _overridden(hook: Hook) -> set[str]:
    """Return the stages that a hook's class, or a base of it, fills."""
    names = _BETWEEN | _ELSEWHERE
    return {name for name in names if getattr(type(hook), name) is not getattr(Hook, name)}


def _too_late(cfg: Config, runner: BaseRunner, per_epoch: int) -> Iterator[str]:
    """Yield what would happen only after the end of the training."""
    yield from _late_evaluation(cfg.get("evaluation") or {}, runner, per_epoch)
    for section, what in (("lr_config", "learning rate"), ("momentum_config", "momentum")):
        yield from _late_step(section, what, cfg.get(section), runner, per_epoch)
    policy = cfg.get("lr_config") or {}
    warmup = long_warmup(policy, runner, per_epoch)
    if warmup:
        yield warmup
    batches = (cfg.get("optimizer_config") or {}).get("update_interval", 1)
    iterations = (runner.max_epochs or 0) * per_epoch or runner.max_iters or 0
    if isinstance(batches, int) and batches > iterations:
        yield (
            f"optimizer_config.update_interval={batches}, and the training has {iterations} "
            "iterations: it makes a single step, of fewer batches"
        )


def _late_evaluation(
    evaluation: Mapping[str, Any], runner: BaseRunner, per_epoch: int
) -> Iterator[str]:
    """Yield that no evaluation is due within the training."""
    by_epoch = evaluation.get("by_epoch", bool(runner.max_epochs))
    if not evaluation or (by_epoch and not runner.max_epochs):
        return  # ``_wrong_unit`` says it
    if by_epoch:
        total, unit = runner.max_epochs or 0, "epochs"
    else:
        total = runner.max_iters or (runner.max_epochs or 0) * per_epoch
        unit = "iterations"
    start = evaluation.get("start")  # it counts from there where it is given
    first = evaluation.get("interval", 1) if start is None else start
    if first > total:
        yield (
            f"evaluation: the first one is due after {first} {unit}, the training has {total}: "
            "there is none; lower evaluation.interval or start"
        )


def _late_step(
    section: str, what: str, policy: Any, runner: BaseRunner, per_epoch: int
) -> Iterator[str]:
    """Yield that a policy of steps never makes one."""
    if not isinstance(policy, Mapping) or policy.get("policy") != "step":
        return
    epochs = runner.max_epochs
    steps = policy.get("step", [])
    steps = [steps] if isinstance(steps, int) else list(steps)
    by_epoch = policy.get("by_epoch", bool(epochs))
    total = epochs or runner.max_iters or 0
    end = total if by_epoch == bool(epochs) else (epochs or 0) * per_epoch
    if not steps:
        yield f"{section}: policy 'step' has no step: the {what} stays as it is"
    elif end and min(steps) >= end:
        yield (
            f"{section}: its first step is after {min(steps)} "
            f"{'epochs' if by_epoch else 'iterations'}, the training has {end}: the {what} stays "
            "as it is"
        )


def _wrong_unit(cfg: Config, runner: BaseRunner) -> Iterator[str]:
    """Yield what waits for the end of an epoch where the runner counts iterations."""
    if runner.max_epochs or not runner.max_iters:
        return
    for section, what in (("evaluation", "evaluation"), ("checkpoint_config", "checkpoint")):
        options = cfg.get(section)
        if isinstance(options, Mapping) and options.get("by_epoch"):
            yield (
                f"{section}.by_epoch=True waits for the end of an epoch, and the runner counts "
                f"iterations: there is no {what}; leave by_epoch out"
            )


def _no_checkpoint(cfg: Config, runner: BaseRunner) -> Iterator[str]:
    """Yield that the training ends without a checkpoint."""
    options = cfg.get("checkpoint_config")
    total = runner.max_epochs or runner.max_iters or 0
    if not isinstance(options, Mapping) or options.get("save_last", True):
        return
    by_epoch = options.get("by_epoch", bool(runner.max_epochs))
    if by_epoch == bool(runner.max_epochs) and not 0 < options.get("interval", -1) <= total:
        yield (
            f"checkpoint_config: save_last=False and interval={options.get('interval', -1)}, and "
            f"the training ends at {total}: no checkpoint is written; lower the interval, or leave "
            "save_last out"
        )


def _nothing_trains(cfg: Config) -> Iterator[str]:
    """Yield settings by which no weight changes."""
    if (cfg.get("optimizer") or {}).get("lr") == 0:
        yield "optimizer.lr=0: no weight changes; set a learning rate above 0"
    clip = (cfg.get("optimizer_config") or {}).get("grad_clip")
    if isinstance(clip, Mapping) and clip.get("max_norm") == 0:
        yield (
            "optimizer_config.grad_clip: max_norm=0 makes all gradients 0; take grad_clip out, or "
            "set a norm above 0"
        )


def _without_match(cfg: Config, runner: BaseRunner) -> Iterator[str]:
    """Yield the options of the optimizer for parameters that the model doesn't have."""
    optimizer = cfg.get("optimizer") or {}
    patterns = {
        "paramwise_options": lambda pattern, name: re.search(pattern, name),
        "paramwise_cfg.custom_keys": lambda key, name: key in name,
    }
    model: Any = unwrap(runner.model)
    names = [name for name, _ in model.named_parameters()] if isinstance(model, nn.Module) else []
    for place, matches in patterns.items():
        options: Any = optimizer
        for part in place.split("."):
            options = (options or {}).get(part)
        found = {p: any(matches(p, name) for name in names) for p in options or {}}
        for pattern, values in (options or {}).items() if names else ():
            if not isinstance(values, Mapping) or found[pattern]:
                continue
            # Lists of what has no weight decay are shared by networks that lack some of it.
            if any(key.startswith("lr") for key in values) or not any(found.values()):
                yield (
                    f"optimizer.{place}: no parameter of the model has {pattern!r} in its name: "
                    f"the option has no effect; names are such as {names[0]}"
                )


def long_warmup(policy: Any, runner: BaseRunner, per_epoch: int) -> str:
    """Return a line about a warm-up that is not shorter than the training; '' otherwise.

    Shortening a run leaves its warm-up as it is, and the rate then stays below the optimizer's.
    """
    if not isinstance(policy, Mapping) or not policy.get("warmup"):
        return ""
    warmup = policy.get("warmup_iters", 0) * (per_epoch if policy.get("warmup_by_epoch") else 1)
    total = runner.max_iters or (runner.max_epochs or 0) * per_epoch
    if warmup < total:
        return ""
    return (
        f"lr_config: the warm-up ({warmup} iterations) is not shorter than the training ({total}), "
        "so that the learning rate does not reach optimizer.lr; lower lr_config.warmup_iters"
    )


def _pairs(cfg: Config) -> Iterator[str]:
    """Yield settings of which another one takes the place, or that need another one."""
    if cfg.get("load_from") and cfg.get("resume_from"):
        yield "load_from has no effect: the run resumes from a checkpoint with all weights"
    runner, epochs = cfg.get("runner") or {}, cfg.get("total_epochs")
    if epochs and runner and epochs != runner.get("max_epochs"):
        own = next((f"runner.{k}={v}" for k, v in runner.items() if k.startswith("max_")), "runner")
        yield f"total_epochs={epochs} has no effect beside {own}: take one of them out"
    policy = cfg.get("lr_config") or {}
    given = [k for k in ("warmup_iters", "warmup_ratio", "warmup_by_epoch") if policy.get(k)]
    if given and not policy.get("warmup"):
        yield (
            f"lr_config.{given[0]} has no effect without lr_config.warmup ('linear', 'constant' or "
            "'exp'): there is no warm-up"
        )
    hooks = [hook for hook in cfg.get("custom_hooks") or [] if isinstance(hook, Mapping)]
    for number, hook in enumerate(hooks):
        if hook in hooks[:number]:
            name = hook.get("type")
            yield f"custom_hooks: {name} is there twice with equal options: it acts twice"
