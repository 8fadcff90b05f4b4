"""What a checkpoint and the files around it say about a training, for model cards."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmcv import Config

from mmselfsup.isic.study_data import ISIC_2019
from mmselfsup.utils.json_log import read_log
from mmselfsup.utils.study_data import StudyData, read_words

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


def data_of(cfg: Config, checkpoint: str) -> tuple[list[str], str | None]:
    """Return the last parts of the paths of the training images, and their licence if known.

    The licence is that of the study whose work dir the checkpoint is in, as its description of the
    data states it, or that of a data set whose lists are known by name.

    Raises:
        UserError: The words of the study are damaged.
    """
    paths = list(_paths((cfg.get("data") or {}).get("train")))
    names = list(dict.fromkeys(os.path.basename(path.rstrip("/")) for path in paths))
    folders = Path(checkpoint).absolute().parents
    words = read_words(folders[:_LEVELS])
    if words is not None:
        return names, f"{words.name}: {words.licence}" if words.licence else None
    for data in _KNOWN:
        parts = {part for path in paths for part in Path(path).parts}
        if data.licence and (data.folder in parts or any(n.startswith(data.lists) for n in names)):
            return names, f"{data.name}: {data.licence}"
    return names, None


def _paths(part: Any) -> Iterator[str]:
    """Yield the lists and folders of all data sources inside a part of a config."""
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key in ("ann_file", "data_prefix"):
                yield from (
                    text
                    for text in (value if isinstance(value, list | tuple) else [value])
                    if isinstance(text, str) and text
                )
            else:
                yield from _paths(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from _paths(value)


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
    """Return the metrics in a file of ``tools/test.py``; empty if it is another checkpoint's."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        own = os.path.samefile(content["checkpoint"], checkpoint)
        return _numbers(content["metrics"]) if own else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics among values: finite numbers whose name has no detail."""
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
        and math.isfinite(value) and name not in _NO_METRICS and "/" not in name
    }  # fmt: skip
