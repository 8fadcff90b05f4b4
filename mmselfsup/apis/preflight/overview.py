"""One table of what a command will do, shown before it begins: data, model, steps, files."""

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmcv import Config
from mmcv.runner import BaseRunner, LoggerHook
from rich.table import Column
from torch import nn

from mmselfsup.core.hooks import CheckpointHook, EvalHook
from mmselfsup.core.hooks.finetune_hooks import counts_epochs
from mmselfsup.utils.console import console_table, table_text
from mmselfsup.utils.device import default_device
from mmselfsup.utils.logger import log_path
from mmselfsup.utils.module import unwrap
from mmselfsup.utils.plurals import counted

from .checkpoint_size import num_checkpoints, state_copies
from .config_faults import batch_sizes
from .data_look import DataLook, unlisted_text

_MIB, _GIB = 1024**2, 1024**3


def training_rows(
    cfg: Config, runner: BaseRunner, loader: Any, looks: Sequence[DataLook]
) -> dict[str, str]:
    """Return what a training will do, a line for each subject.

    Args:
        cfg: The config.
        runner: The runner with all of its hooks.
        loader: The loader of the training.
        looks: What was found of its data sets, that of the training first.
    """
    return {
        "model": _model(cfg, runner.model),
        **data_rows(looks),
        "steps": _steps(runner, loader),
        "start": _start(cfg),
        "optimizer": _optimizer(runner.optimizer),
        "device": _device(),
        "log": _logs(runner, len(loader)),
        "disk": _disk(runner, len(loader)),
        "log file": log_path() or "none",
    }


def data_rows(looks: Sequence[DataLook]) -> dict[str, str]:
    """Return the lines about data sets; lines that all have in common stand once."""
    rows: dict[str, str] = {}
    for look in looks:
        rows[look.part] = f"{counted(look.images, 'image')}; classes: {look.class_text()}"
    for name, of in (("image files", "files"), ("a sample", "sample")):
        texts = {look.part: getattr(look, of) for look in looks if getattr(look, of)}
        if len(set(texts.values())) > 1:
            rows[name] = "; ".join(f"{part}: {text}" for part, text in texts.items())
        elif texts:
            rows[name] = next(iter(texts.values()))
    if unlisted := unlisted_text(looks):
        rows["not listed"] = unlisted
    return rows


def log_table(rows: Mapping[str, str], logger: logging.Logger, title: str) -> None:
    """Log a table of two columns."""
    table = console_table([Column("", no_wrap=True), Column("")])
    table.show_header = False
    for name, text in rows.items():
        table.add_row(name, text)
    logger.info("%s\n%s", title, table_text(table))


def report_disk(runner: BaseRunner, length: int, logger: logging.Logger) -> None:
    """Warn where the disk has less room than the checkpoints of the training will take.

    Args:
        runner: The runner with all of its hooks.
        length: Iterations of an epoch.
        logger: Logger of the warning.
    """
    if not runner.work_dir:
        return
    size, number = _checkpoints(runner, length)
    free = _free(runner.work_dir)
    if free is not None and size * number > free:
        logger.warning(
            "%s: %s of about %.0f MiB due, and the disk has %.0f MiB left: set "
            "checkpoint_config.max_keep_ckpts, or choose another --work_dir",
            runner.work_dir, counted(number, "checkpoint"), size / _MIB, free / _MIB,
        )  # fmt: skip


def _model(cfg: Config, model: nn.Module) -> str:
    """Return the method, its backbone, and the number of parameters."""
    module: Any = unwrap(model)
    backbone = (cfg.get("model") or {}).get("backbone") or {}
    kind = str(backbone.get("type", "")) + str(backbone.get("depth", ""))
    if isinstance(backbone.get("arch"), str):
        kind += f" {backbone['arch']}"
    total = sum(p.numel() for p in module.parameters())
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    part = "" if trained == total else f", {trained / 1e6:.2f} million of them trained"
    name = getattr(module, "title", type(module).__name__)
    return f"{name}, {kind}: {total / 1e6:.2f} million parameters{part}"


def _steps(runner: BaseRunner, loader: Any) -> str:
    """Return batch, iterations and epochs."""
    sizes, length = batch_sizes(loader), len(loader)
    last = f", the last batch has {sizes[-1]}" if len(sizes) > 1 else ""
    ranks = f" on each of {runner.world_size} processes" if runner.world_size > 1 else ""
    epoch = f"{counted(length, 'iteration')} an epoch of {counted(sizes[0], 'image')}{ranks}{last}"
    if not counts_epochs(runner):
        return f"{counted(runner.max_iters, 'iteration')}; {epoch}"
    epochs = counted(runner.max_epochs, "epoch")
    return f"{epochs}, {counted(runner.max_epochs * length, 'iteration')}; {epoch}"


def _start(cfg: Config) -> str:
    """Return where the weights come from."""
    if cfg.get("resume_from"):
        return f"resumes from {cfg.resume_from}"
    if cfg.get("load_from"):
        return f"weights of {cfg.load_from}"
    return "initial weights of the config"


def _optimizer(optimizer: Any) -> str:
    """Return the kind of each optimizer and its learning rates."""
    several = optimizer.values() if isinstance(optimizer, dict) else [optimizer]
    texts = []
    for one in several:
        rates = sorted({group.get("initial_lr", group["lr"]) for group in one.param_groups})
        rate = f"{rates[0]:g}" if len(rates) == 1 else f"{rates[0]:g} to {rates[-1]:g}"
        texts.append(f"{type(one).__name__}, learning rate {rate}")
    return "; ".join(texts)


def _device() -> str:
    """Return the device of this process."""
    device = default_device()
    if device.type == "cpu":
        return f"CPU, {counted(torch.get_num_threads(), 'thread')}"
    return torch.cuda.get_device_name(device)


def _logs(runner: BaseRunner, length: int) -> str:
    """Return what is logged, evaluated and saved when; an epoch has ``length`` iterations."""
    intervals = [hook.interval for hook in runner.hooks if isinstance(hook, LoggerHook)]
    # A log never waits for longer than an epoch.
    shown = min([*intervals, length])
    parts = [f"loss {_every(shown, 'iteration')}"] if intervals else ["no loss"]
    for name, kind in (("evaluation", EvalHook), ("checkpoint", CheckpointHook)):
        hook = next((h for h in runner.hooks if isinstance(h, kind)), None)
        if hook is None:
            parts.append(f"no {name}")
        else:
            unit = "epoch" if hook.by_epoch else "iteration"
            parts.append(f"{name} {_every(hook.interval, unit)}")
    return ", ".join(parts)


def _every(interval: int, unit: str) -> str:
    """Return an interval in words."""
    if interval < 1:
        return "at the end"
    return f"every {unit}" if interval == 1 else f"every {counted(interval, unit)}"


def _disk(runner: BaseRunner, length: int) -> str:
    """Return the size of the checkpoints, and the space that is left."""
    size, number = _checkpoints(runner, length)
    if not number:
        return "no checkpoints"
    free = _free(runner.work_dir)
    left = "" if free is None else f"; {free / _GIB:.1f} GiB are free"
    return f"up to {counted(number, 'checkpoint')} of about {size / _MIB:.0f} MiB{left}"


def _free(folder: str | None) -> int | None:
    """Return the free bytes of the disk of a folder, None where unknown."""
    try:
        return shutil.disk_usage(folder or os.curdir).free
    except OSError:
        return None


def _checkpoints(runner: BaseRunner, length: int) -> tuple[int, int]:
    """Return the bytes of a checkpoint, about, and how many will be there at once.

    An interval may be in iterations also where the runner counts epochs.
    """
    hook = next((h for h in runner.hooks if isinstance(h, CheckpointHook)), None)
    if hook is None or "://" in str(hook.out_dir or ""):
        return 0, 0
    epochs = runner.max_epochs or 0
    total = (epochs if hook.by_epoch else runner.max_iters or epochs * length) or 1
    number = num_checkpoints(hook.interval, hook.max_keep_ckpts, total)
    best = any(getattr(h, "save_best", None) for h in runner.hooks)
    module = unwrap(runner.model)
    size = sum(t.numel() * t.element_size() for t in module.state_dict().values())
    if hook.save_optimizer:
        size += sum(_state_bytes(one) for one in _optimizers(runner))
    return size, number + best


def _optimizers(runner: BaseRunner) -> list[Any]:
    several = isinstance(runner.optimizer, dict)
    return list(runner.optimizer.values()) if several else [runner.optimizer]


def _state_bytes(optimizer: Any) -> int:
    """Return the bytes of the state that an optimizer will have."""
    copies = state_copies(type(optimizer).__name__)
    params = (p for group in optimizer.param_groups for p in group["params"])
    return copies * sum(p.numel() * p.element_size() for p in params)
