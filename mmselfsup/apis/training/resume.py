"""What a training continues with: the checkpoint, the same on all ranks, and what has changed.

A checkpoint names the data of its run (``meta['run']``) and the whole config. ``compare`` puts both
beside those of the run that resumes: most changes are reported, other images, labels, classes or
another seed make it another run and need ``--force-resume``.
"""

import hashlib
import os
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from mmcv import Config
from mmcv.runner import BaseRunner
from rich.table import Column

from mmselfsup.config.text import config_text, read_config_text
from mmselfsup.core.checkpoint import class_names, load_state, meta_of, newest_checkpoint
from mmselfsup.core.checkpoint.load import local_file
from mmselfsup.datasets.loader import data_sources
from mmselfsup.utils.console import console_table, table_text
from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.error_context import check_same, shared_errors
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import sha256

#: Facts of ``meta['run']`` that make a run another one, under their names in the table.
_IDENTITY = {"list": "data list", "labels": "labels", "classes": "classes"}
# Options of a group that are no settings, or that a schedule or the machine sets.
_NO_OPTIONS = ("params", "initial_lr", "initial_momentum", "fused", "foreach", "capturable")
# The parts of a config that decide what is computed, and those among them that don't or that have
# a row of their own.
_COMPARED = (
    "adapt", "amp", "channels_last", "compile", "custom_hooks", "data", "deterministic",
    "diff_seed", "fp16", "img_norm_cfg", "lr_config", "model", "momentum_config",
    "optimizer_config", "prefetch", "runner", "sharding", "total_epochs", "workflow",
)  # fmt: skip
_NOT_COMPARED = (
    "data.imgs_per_gpu", "data.samples_per_gpu", "data.test", "data.test_dataloader", "data.val",
    "data.val_dataloader", "data.workers_per_gpu", "data.persistent_workers", "data.pin_memory",
)  # fmt: skip
# Those that the weights or the optimizer in the checkpoint hold, and that therefore stay.
_IN_STATE = ("adapt.alpha", "adapt.choice", "adapt.columns", "adapt.layer_decay", "adapt.lr_mult")
_MAX_ROWS = 30
_NAMES_AT_ONCE = 4096
_SAME_FILES = (
    "all nodes need the same files: use a work dir that they share, or copy it from the first node"
)


def latest_checkpoint(work_dir: str) -> str | None:
    """Return the newest checkpoint that can be read; None to start from the beginning.

    Raises:
        UserError: There are checkpoints, and none can be read.
    """
    path, notes = newest_checkpoint(work_dir)
    for note in notes if os.environ.get("RANK", "0") == "0" else ():  # before the log is open
        print(f"warning: {note}", file=sys.stderr, flush=True)
    return path


def check_paths(cfg: Config) -> None:
    """Check that the files of ``resume_from`` and ``load_from`` exist.

    Raises:
        UserError: One of them doesn't.
    """
    for key in ("resume_from", "load_from"):
        path = cfg.get(key)
        if path and "://" not in path and not os.path.exists(path):
            raise UserError(f"{key}: there is no checkpoint {path}")


def read_checkpoint(cfg: Config, key: str) -> dict[str, Any] | None:
    """Return the content of the checkpoint that ``cfg[key]`` names, None without one; a collective.

    Each rank reads its own file, which must have the content of the first rank's: folders of two
    nodes may have the same name and differ. Tensors stay in the file.

    Raises:
        UserError: A file can't be read, or ranks have different ones.
    """
    path: str | None = cfg.get(key) or None
    # All ranks download together.
    check_same({key: path if path and "://" in path else "a file or none"}, _SAME_FILES)
    with shared_errors():
        state = load_state(path, mmap=True) if path else None
        found = "no checkpoint"
        if path and state is not None:
            found = f"{_progress(state)}digest {_digest(path)}"
    # The names of the folders may differ: only what is in the files counts.
    check_same({key: found}, _SAME_FILES, str(path or cfg.get("work_dir")))
    return state


def _progress(state: Mapping[str, Any]) -> str:
    """Return the progress and the seed in a checkpoint for a line; '' in bare weights."""
    meta = meta_of(state)
    return "".join(f"{name} {meta[name]}, " for name in ("epoch", "iter", "seed") if name in meta)


def _digest(path: str) -> str:
    """Return a digest of a checkpoint's content; its zip has checksums of all parts already."""
    file = local_file(path)
    if not zipfile.is_zipfile(file):
        return sha256(file)[:8]
    digest = hashlib.sha256()
    with zipfile.ZipFile(file) as archive:
        for part in archive.infolist():
            name = part.filename.partition("/")[2]  # after the name that the file once had
            digest.update(f"{name} {part.file_size} {part.CRC}\n".encode())
    return digest.hexdigest()[:8]


def describe_data(dataset: Any, size: DataInfo) -> dict[str, Any]:
    """Return what tells one training set from another; the same on all ranks, or an error.

    Returns:
        ``images`` (their number), ``batch_size`` (over all ranks), ``list`` and ``labels`` (digests
        of the file names and of the labels; None where there are none), and ``classes``.
    """
    sources = list(data_sources(dataset))
    names = [source.image_names() for source in sources if hasattr(source, "image_names")]
    facts = {
        "images": len(dataset),
        "list": _text_digest(n for n in names if n) if names and all(names) else None,
        "labels": _label_digest(dataset, sources),
        "classes": list(getattr(dataset, "CLASSES", None) or []) or None,
    }
    check_same({f"data.train, {k}": v for k, v in facts.items()}, "all nodes need the same data")
    return {**facts, "batch_size": size.batch_size}


def _text_digest(lists: Iterable[Sequence[str]]) -> str:
    """Return a digest of names, in their order: of their lines, and a zero behind each list."""
    digest = hashlib.sha256()
    for names in lists:
        lines, before = iter(names), ""
        while part := list(islice(lines, _NAMES_AT_ONCE)):  # a long list is never one text
            digest.update((before + "\n".join(part)).encode("utf-8", "surrogateescape"))
            before = "\n"
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def _label_digest(dataset: Any, sources: list[Any]) -> str | None:
    """Return a digest of the labels in the lists, None without labels."""
    try:
        labels = [source.get_gt_labels() for source in sources]
    except (UserError, AttributeError, KeyError, TypeError, ValueError):
        return None
    arrays = [np.ascontiguousarray(values, dtype=np.int64) for values in labels]
    if not arrays or all((values < 0).all() for values in arrays):
        return None
    return hashlib.sha256(b"".join(values.tobytes() for values in arrays)).hexdigest()[:16]


def optimizer_options(optimizer: Any) -> dict[str, list[Any]]:
    """Return the values of each option over the groups of one optimizer or of several."""
    several = optimizer.values() if isinstance(optimizer, dict) else [optimizer]
    groups = [group for one in several for group in one.param_groups]
    return _options_of(groups)


def _options_of(groups: list[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the different values of each option, in the order of the groups."""
    found: dict[str, list[Any]] = {}
    for group in groups:
        # A schedule has changed these, and keeps their first values under other names.
        first = {k: group.get(f"initial_{k}", v) for k, v in group.items() if k not in _NO_OPTIONS}
        for name, value in first.items():
            plain = list(value) if isinstance(value, tuple) else value
            if isinstance(plain, bool | int | float | str | list) and plain not in found.setdefault(
                name, []
            ):
                found[name].append(plain)
    return found


@dataclass(frozen=True)
class Change:
    """A row of the table: a setting of the checkpoint's run that this run has otherwise.

    Attributes:
        name: The setting.
        was: Its value in the run that wrote the checkpoint.
        now: Its value in the config and the data.
        used: What this run uses.
        other_run: Whether it makes this run another one.
    """

    name: str
    was: Any
    now: Any
    used: Any
    other_run: bool = False


def compare(
    state: Mapping[str, Any], runner: BaseRunner, cfg: Config, data: Mapping[str, Any]
) -> list[Change]:
    """Return what differs between a checkpoint and the run that resumes from it.

    Args:
        state: The content of the checkpoint; an earlier one says less.
        runner: The runner, before it resumes.
        cfg: The config.
        data: The result of ``describe_data``.
    """
    meta = meta_of(state)
    was = {"seed": meta.get("seed"), "classes": class_names(state), **_run_of(state)}
    changes = []
    for key, name in {**_IDENTITY, "images": "images", "batch_size": "batch size"}.items():
        now = data.get(key)
        if was.get(key) is not None and now is not None and was[key] != now:
            changes.append(Change(name, was[key], now, now, key in _IDENTITY))
    seed = cfg.get("seed")
    if None not in (was["seed"], seed) and was["seed"] != seed:
        changes.append(Change("seed", was["seed"], seed, seed, True))
    changes += _optimizer_changes(state, runner)
    changes += _config_changes(str(meta.get("config") or ""), cfg)
    return changes


def _run_of(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a checkpoint says of its data and optimizer; earlier ones say nothing."""
    run = meta_of(state).get("run")
    return run if isinstance(run, Mapping) else {}


def _optimizer_changes(state: Mapping[str, Any], runner: BaseRunner) -> Iterator[Change]:
    """Yield the options of the optimizer that differ; those of the checkpoint are used."""
    run = _run_of(state)
    was = run.get("optimizer") or _saved_options(state.get("optimizer"), runner.optimizer)
    now = optimizer_options(runner.optimizer)
    for name in [name for name in was if name in now and was[name] != now[name]]:
        before, wanted = (", ".join(map(str, values)) for values in (was[name], now[name]))
        yield Change(f"optimizer.{name}", before, wanted, f"{before} (of the checkpoint)")


def keep_options(runner: BaseRunner, state: Mapping[str, Any]) -> None:
    """Let the next checkpoints name the options that are used, so that a change is said again."""
    run = _run_of(state)
    used = run.get("optimizer") or _saved_options(state.get("optimizer"), runner.optimizer)
    runner.meta["run"] = {**runner.meta.get("run", {}), "optimizer": used}


def _saved_options(saved: Any, optimizer: Any) -> dict[str, list[Any]]:
    """Return the options in the optimizer state of a checkpoint, of one optimizer or of several.

    In a checkpoint of 0.x only some groups have ``lars_exclude``; the others had its default.
    """
    if not isinstance(saved, Mapping):
        return {}
    several = [saved] if "param_groups" in saved else list(saved.values())
    groups = [group for one in several for group in one.get("param_groups", [])]
    named = {name for group in groups for name in group}
    defaults = getattr(optimizer, "defaults", {})
    known = {name: value for name, value in defaults.items() if name in named}
    return _options_of([{**known, **group} for group in groups])


def _config_changes(text: str, cfg: Config) -> Iterator[Change]:
    """Yield the other keys of the config that differ; most of this run are used."""
    was = dict(_leaves(read_config_text(text)))
    now = dict(_leaves(read_config_text(config_text(cfg._cfg_dict))))
    for name in dict.fromkeys([*was, *now]) if was else ():
        before, wanted = (values.get(name, "-") for values in (was, now))
        if before != wanted and _within(name, _COMPARED) and not _within(name, _NOT_COMPARED):
            kept = f"{before} (of the checkpoint)"
            yield Change(name, before, wanted, kept if name in _IN_STATE else wanted)


def _within(name: str, keys: tuple[str, ...]) -> bool:
    """Return whether a dotted name is one of these keys or lies in one."""
    return any(name == key or name.startswith(f"{key}.") for key in keys)


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted name and the value of each innermost item."""
    items: Any = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list | tuple) and any(isinstance(v, Mapping | list) for v in value):
        items = enumerate(value)
    if not items:
        yield name, value
    for key, item in items:
        yield from _leaves(item, f"{name}.{key}" if name else str(key))


def check_changes(changes: list[Change], checkpoint: str, runner: BaseRunner, forced: bool) -> None:
    """Log the table of changes, and refuse to go on with another run unless ``forced``.

    Raises:
        UserError: This would be another run.
    """
    if changes:
        runner.logger.warning("what has changed since %s:\n%s", checkpoint, change_table(changes))
    others = [change for change in changes if change.other_run]
    if others and not forced:
        parts = "; ".join(f"{c.name}: was {_short(c.was)}, now {_short(c.now)}" for c in others)
        raise UserError(
            f"{checkpoint} is of another run ({parts}): choose another --work_dir, start from its "
            "weights by load_from, or let it go on with these by --force-resume"
        )


def change_table(changes: list[Change]) -> str:
    """Return the changes as a table: was, now, used."""
    table = console_table(Column(head) for head in ("setting", "was", "now", "used"))
    for c in changes[:_MAX_ROWS]:
        table.add_row(c.name, *(_short(value) for value in (c.was, c.now, c.used)))
    more = len(changes) - _MAX_ROWS
    return table_text(table) + (f"\n... and {more} more" if more > 0 else "")


def _short(value: Any) -> str:
    """Return a value for a cell of the table."""
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        value = f"{len(value)}: {', '.join(value)}"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
