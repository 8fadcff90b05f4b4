"""What a checkpoint and the files around it say about a training, for model cards."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from mmcv import Config

from mmselfsup.isic.study_data import ISIC_2019
from mmselfsup.metrics import is_fact
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import sha256
from mmselfsup.utils.json_log import read_log
from mmselfsup.utils.study_data import WORDS, StudyData, Words, licence_of, read_words

#: Data sets that are known by the names of their lists or of their folder.
_KNOWN: tuple[StudyData, ...] = (ISIC_2019,)
#: A checkpoint is at most that many folders below the work dir of its study.
_LEVELS = 8
_META = ("epoch", "iter", "seed", "mmselfsup_version")
_NO_METRICS = {"mode", "epoch", "iter", "lr", "time", "data_time", "memory"}


def training_facts(cfg: Config, meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a training that may be told: no paths, nobody's name.

    Args:
        cfg: The config.
        meta: The facts in the checkpoint.
    """
    facts = {key: meta[key] for key in _META if isinstance(meta.get(key), int | str)}
    if isinstance(meta.get("exp_name"), str):
        facts["config"] = meta["exp_name"]
    start = cfg.get("load_from") or _pretrained((cfg.get("model") or {}).get("backbone") or {})
    if isinstance(start, str):
        facts["start_weights"] = os.path.basename(start) if "://" not in start else start
    return facts


def _pretrained(backbone: Mapping[str, Any]) -> str | None:
    """Return the weights that a backbone's ``init_cfg`` names."""
    steps = backbone.get("init_cfg") or []
    for step in steps if isinstance(steps, list | tuple) else [steps]:
        if isinstance(step, Mapping) and step.get("type") == "Pretrained":
            return step.get("checkpoint")
    return None


def data_of(
    cfg: Config, checkpoint: str, licence: str | None = None
) -> tuple[list[str], str | None]:
    """Return the last parts of the paths of the training images, and their licence if known.

    The licence is that of the study whose work dir the checkpoint is in, if it was trained on lists
    of this study, as the description of the data states it; or that of a data set whose lists are
    known by name. A study whose words can't be read states none.

    Args:
        cfg: The config of the training.
        checkpoint: Its file.
        licence: The licence that the user states, which is returned as it is.
    """
    train = (cfg.get("data") or {}).get("train")
    paths = list(_paths(train))
    names = list(dict.fromkeys(os.path.basename(path.rstrip("/")) for path in paths))
    if licence:
        return names, licence
    words = _study_of(checkpoint, list(_paths(train, ("ann_file",))))
    if words is not None:
        stated = licence_of(words, _KNOWN)
        return names, f"{words.name}: {stated}" if stated else None
    for data in _KNOWN:
        parts = {part for path in paths for part in Path(path).parts}
        if data.licence and (data.folder in parts or any(n.startswith(data.lists) for n in names)):
            return names, f"{data.name}: {data.licence}"
    return names, None


def _study_of(checkpoint: str, lists: list[str]) -> Words | None:
    """Return the words of the study that a checkpoint is in; None if it has trained on others."""
    folders = Path(checkpoint).absolute().parents[:_LEVELS]
    folder = next((one for one in folders if (one / WORDS).is_file()), None)
    try:
        words = None if folder is None else read_words([folder])
    except UserError:  # it may be no study's at all
        return None
    if folder is None or words is None or not lists:
        return None
    # Paths are relative to a repository that may be elsewhere, so their ends are compared.
    for path in map(Path, lists):
        inside = (folder.name, "data") in pairwise(path.parts)
        named = words.lists and path.name.startswith(f"{words.lists}_")
        if not inside and not named:
            return None
    return words


def _paths(part: Any, keys: Sequence[str] = ("ann_file", "data_prefix")) -> Iterator[str]:
    """Yield the lists and folders (or one of them) of all data sources in a part of a config."""
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key in keys:
                yield from (
                    text
                    for text in (value if isinstance(value, list | tuple) else [value])
                    if isinstance(text, str) and text
                )
            else:
                yield from _paths(value, keys)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from _paths(value, keys)


def found_metrics(checkpoint: str, meta: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return the results of a checkpoint that lie beside it, by where they were found.

    They are the files of ``tools/test.py --out x.json`` in its folder or in ``test/`` beside that
    (as a study has it), and the validation of its epoch in the log.

    Args:
        checkpoint: The file.
        meta: The facts in it.
    """
    path = Path(checkpoint)
    found: dict[str, dict[str, float]] = {}
    for folder in (path.parent, path.parent.parent / "test"):
        for file in sorted(folder.glob("*.json")):
            metrics = _tested(file, path)
            if metrics:
                found[file.name] = metrics
    lines = [line for line in read_log(path.parent).val if line["epoch"] == meta.get("epoch")]
    values = _numbers(lines[-1]) if lines else {}
    if values:
        found[f"Validation after epoch {meta['epoch']}"] = values
    return found


def _tested(file: Path, checkpoint: Path) -> dict[str, float]:
    """Return the metrics in a file of ``tools/test.py``; empty if it is another checkpoint's.

    Also of the one that a training before this had written there; older files don't tell.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        own = os.path.samefile(content["checkpoint"], checkpoint)
        own = own and content.get("sha256") in (None, sha256(checkpoint))
        return _numbers(content["metrics"]) if own else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # another program's file
        return {}


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics among values: finite numbers whose name has no detail."""
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
        and math.isfinite(value) and name not in _NO_METRICS and "/" not in name
        and not is_fact(name)
    }  # fmt: skip
