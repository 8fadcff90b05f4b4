"""A table of the methods to choose by: what each compares, and what it needs."""

import inspect
import json
import re
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from mmcv import Config

from mmselfsup.config.inspect import find_dataset
from mmselfsup.config.load import load_config
from mmselfsup.models.algorithms.base import BaseModel
from mmselfsup.models.builder import ALGORITHMS, HEADS

#: Columns of the table, one for each field of ``Method``.
COLUMNS = (
    "method", "family", "network", "views", "teacher", "memory", "labels", "batch", "learns at",
    "step time", "step memory", "config",
)  # fmt: skip
#: What ``benchmarks/method_costs.py`` and ``smallest_batch.py`` measured, beside the folder of
#: configs of a clone.
_MEASURED = ("benchmarks/results/method_costs.json", "benchmarks/results/smallest_batch.json")
# Small configs whose name has no other network behind the size.
_SMALL = "*isic2019-64*.py"
_MEMORIES = {
    "queue_len": "queue",
    "queue_length": "queue",
    "memory_bank": "bank",
    "bank_len": "bank",
}


@dataclass(frozen=True)
class Method:
    """A row of the table, read from a method's class and its small ISIC-2019 config.

    Attributes:
        method: Name as papers write it.
        family: One of ``FAMILIES``.
        network: Type and size of the backbone.
        views: Views of an image in a step, ``2 + 6`` with multi-crop.
        teacher: ``yes`` where a moving average or a frozen network gives targets.
        memory: What is kept of earlier images: a queue, or a bank of all images.
        labels: ``where there are any`` for a method that uses them.
        batch: Images of a step in the config.
        learns_at: Smallest batch at which it was seen to learn, ``> N`` where it did not learn
            with batches up to N; ``-`` where it was not tried.
        step_time: Time of a step, as a multiple of SimCLR's with equally many images; ``-`` where
            it was not measured.
        step_memory: The same of the peak memory of the process.
        config: Its path in ``configs/selfsup``.
    """

    method: str
    family: str
    network: str
    views: str
    teacher: str
    memory: str
    labels: str
    batch: int
    learns_at: str
    step_time: str
    step_memory: str
    config: str


def list_methods(configs: Path) -> list[Method]:
    """Return all methods with a small ISIC-2019 config, by family and name.

    Args:
        configs: The folder ``configs/selfsup``.
    """
    measured = _measured(configs.parents[1])
    found = [
        _method(load_config(str(path), {}), path.relative_to(configs).as_posix(), measured)
        for folder in sorted(configs.glob("[!_]*"))
        for path in sorted(folder.glob(_SMALL))[:1]
    ]
    return sorted(found, key=lambda row: (row.family, row.method.lower()))


def markdown(methods: list[Method]) -> str:
    """Return the table as Markdown, a line for each row."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    for row in methods:
        *cells, config = map(str, astuple(row))
        lines.append(f"| {' | '.join(cells)} | `{config}` |")
    return "\n".join(lines) + "\n"


def _measured(root: Path) -> dict[str, dict[str, Any]]:
    """Return ``time``, ``memory`` and ``batch`` of what was measured, by folder of configs."""
    found: dict[str, dict[str, Any]] = {}
    for file in (root / name for name in _MEASURED):
        if file.is_file():
            for folder, numbers in json.loads(file.read_text(encoding="utf-8"))["methods"].items():
                found.setdefault(folder, {}).update(numbers)
    return found


def _method(cfg: Config, path: str, measured: dict[str, dict[str, Any]]) -> Method:
    """Return the row of one config, with what was measured by folder."""
    cost = measured.get(path.partition("/")[0], {})
    kind: type[BaseModel] = ALGORITHMS.get(cfg.model.type)
    has_teacher = kind.momentum_pairs is not BaseModel.momentum_pairs or "teacher" in cfg.model
    dataset = find_dataset(cfg, "train")[1]
    time, memory = (f"{cost[key]:.2f}x" if key in cost else "-" for key in ("time", "memory"))
    return Method(
        _name(kind, path),
        kind.family,
        _network(cfg.model.backbone),
        " + ".join(map(str, dataset.get("num_views", [1]))),
        "yes" if has_teacher else "",
        _memory(cfg),
        "where there are any" if dataset.get("with_label") else "",
        cfg.data.samples_per_gpu,
        str(cost.get("batch", "-")),
        time,
        memory,
        path,
    )


def _name(kind: type[BaseModel], path: str) -> str:
    """Return the title, with the version or the variant that the folder of the config names."""
    folder = path.partition("/")[0]
    title = kind.title
    version = re.fullmatch(rf"{re.escape(title.lower())}(v\d+)", folder)
    if version:
        return f"{title} {version[1]}"
    return "DCLW" if folder == "dcl" else title


def _network(backbone: Any) -> str:
    """Return the type of a backbone with its depth or architecture."""
    arch = backbone.get("depth", backbone.get("arch", ""))
    size = arch if isinstance(arch, int | str) else "of its own size"
    patch = f", patches of {backbone.patch_size}" if backbone.get("patch_size") else ""
    return f"{backbone.type} {size}{patch}".strip()


def _memory(cfg: Config) -> str:
    """Return what is kept of earlier images, by the arguments of the model and of its hooks."""
    model = cfg.model
    kinds = [ALGORITHMS.get(model.type)]
    kinds += [HEADS.get(model.head.type)] if model.get("head") else []
    names = {name for kind in kinds for name in inspect.signature(kind).parameters}
    names |= {name for hook in cfg.get("custom_hooks", []) for name in hook if hook[name]}
    return " and ".join(dict.fromkeys(what for name, what in _MEMORIES.items() if name in names))
