"""The comparison of frozen features, run and printed: a row for each pre-training and seed.

``run`` does the steps of every ``Entry`` that aren't done yet and reads what they left into
``FrozenRecord``; the table goes to the terminal, to Markdown, to CSV and to JSON.
"""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rich.table import Column

from mmselfsup.config.inspect import class_list
from mmselfsup.utils.console import console_table, table_console
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_json, atomic_write_text
from mmselfsup.utils.json_log import number, read_log
from mmselfsup.utils.signals import stop_signals

from . import configs
from .benchmark import UNTRAINED, Entry, FrozenSettings, plan_entries, probe_stage, train_stage
from .data import check_lists
from .fingerprint import forget_images
from .image_digests import INDEX
from .process import environment, inspect_machine, only_study
from .stages.probe import read_precision, read_probe_result
from .stages.stage import run_stages
from .step import StepRecord
from .step import read_record as read_step


@dataclass(frozen=True)
class FrozenRecord:
    """One row of the table.

    Attributes:
        name: The algorithm, or ``untrained``.
        network: The backbone, as the name of the config says it.
        seed: Its seed.
        config: File name of its config.
        epochs: Epochs of its training.
        views: Views that the network saw.
        knn: Balanced accuracy of the nearest neighbours, 0..1.
        probe: Balanced accuracy of the linear probe, 0..1.
        knn_accuracy: Accuracy of the nearest neighbours, 0..1.
        probe_accuracy: Accuracy of the linear probe, 0..1.
        seconds: Wall-clock time of the training.
        images_per_s: Speed, the median over the lines of the log; None: untrained.
        first_loss: Loss of the log's first line.
        last_loss: Loss of the log's last line.
        precision: Type in which the features were computed, such as ``bfloat16``.
    """

    name: str
    network: str
    seed: int
    config: str
    epochs: int
    views: int
    knn: float
    probe: float
    knn_accuracy: float
    probe_accuracy: float
    seconds: float
    images_per_s: float | None
    first_loss: float | None
    last_loss: float | None
    precision: str = ""


def read_record(entry: Entry, num_knn: int) -> FrozenRecord:
    """Read the results of the steps of a row."""
    train = entry.folder / "train"
    lines = read_log(train).train if entry.epochs else []
    speeds = [line["images_per_s"] for line in lines if "images_per_s" in line]
    losses = [number(line["loss"]) for line in lines if "loss" in line]
    knn = read_probe_result(entry.folder / "knn" / "knn.json", f"kNN, k={num_knn}")
    probe = read_probe_result(entry.folder / "linear" / "linear.json", "linear probe")
    return FrozenRecord(
        name=entry.name,
        network=entry.network,
        seed=entry.seed,
        config=entry.config.name,
        epochs=entry.epochs,
        views=entry.views,
        knn=number(knn["balanced_accuracy"]),
        probe=number(probe["balanced_accuracy"]),
        knn_accuracy=number(knn["accuracy"]),
        probe_accuracy=number(probe["accuracy"]),
        seconds=(read_step(train) or StepRecord()).seconds,
        images_per_s=statistics.median(speeds) if speeds else None,
        first_loss=losses[0] if losses else None,
        last_loss=losses[-1] if losses else None,
        precision=read_precision(entry.folder / "knn" / "knn.json"),
    )


def beats_untrained(record: FrozenRecord, records: Sequence[FrozenRecord]) -> bool:
    """Return whether a row beats its own network, untrained, of every seed in both numbers."""
    floor = [
        other for other in records if (other.name, other.network) == (UNTRAINED, record.network)
    ]
    return all(record.knn > other.knn and record.probe > other.probe for other in floor)


def columns(num_knn: int) -> list[str]:
    """Return the headers of the table."""
    head = [
        "pre-training",
        "network",
        "seed",
        "epochs",
        "views",
        f"kNN, k={num_knn}",
        "linear probe",
    ]
    return [*head, "precision", "above untrained", "minutes", "images/s"]


def cells(record: FrozenRecord, records: Sequence[FrozenRecord]) -> list[str]:
    """Return a row of the table; balanced accuracies, 0..1."""
    trained = record.name != UNTRAINED
    above = "yes" if beats_untrained(record, records) else "no"
    speed = "" if record.images_per_s is None else f"{record.images_per_s:.0f}"
    return [
        record.name,
        record.network,
        str(record.seed),
        str(record.epochs),
        f"{record.views:,}",
        f"{record.knn:.3f}",
        f"{record.probe:.3f}",
        record.precision,
        above if trained else "",
        f"{record.seconds / 60:.1f}" if trained else "",
        speed,
    ]


def print_records(records: Sequence[FrozenRecord], num_knn: int) -> None:
    """Print the table."""
    first, *numbers = columns(num_knn)
    table = console_table([Column(first, no_wrap=True), *numbers])
    for record in records:
        table.add_row(*cells(record, records))
    console = table_console()
    console.print(table)
    console.print(
        "Balanced accuracy on the test list, frozen features; precision: in which these were "
        "computed. Above untrained: above the same "
        "network, untrained, in both numbers and of every seed. Minutes and images/s: with other "
        "trainings at the same time.",
        highlight=False,
    )


def write_records(
    records: Sequence[FrozenRecord], facts: Mapping[str, Any], out: Path
) -> list[Path]:
    """Write ``frozen.json``, ``frozen.csv`` and ``frozen.md``; return their paths."""
    num_knn = int(facts["neighbours"])
    rows = [columns(num_knn), *(cells(record, records) for record in records)]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---" * len(rows[0]) + "|")
    text = io.StringIO()
    writer = csv.DictWriter(
        text, [field.name for field in fields(FrozenRecord)], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(asdict(record) for record in records)
    # JSON and CSV have the full numbers, Markdown the rounded ones of the printed table.
    paths = [out / f"frozen.{end}" for end in ("json", "csv", "md")]
    atomic_write_json(paths[0], {**facts, "rows": [asdict(record) for record in records]})
    atomic_write_text(paths[1], text.getvalue())
    atomic_write_text(paths[2], "\n".join(lines) + "\n")
    return paths


def check_data(settings: FrozenSettings) -> int:
    """Check lists and numbers before hours of training; return the number of training images.

    Raises:
        UserError: A list can't be used, both name the same image, or there are fewer training
            images than neighbours, or more than views.
    """
    dataset_cfg = configs.load(settings.dataset_config)
    for part, path in (("train", settings.train), ("val", settings.test)):
        check_lists([path], settings.images, class_list(dataset_cfg, part))
    from mmselfsup.datasets.data_sources.lists import read_names  # loads torch

    train, test = (set(read_names(str(path))) for path in (settings.train, settings.test))
    if both := sorted(train & test):
        raise UserError(
            f"{len(both)} images are in both lists, such as {both[0]}: a test on training images "
            f"says nothing; take them off {settings.test}"
        )
    if settings.num_knn > len(train):
        raise UserError(f"--num-knn {settings.num_knn}: there are {len(train)} training images")
    if settings.views < len(train):
        raise UserError(
            f"--views {settings.views} is less than one view of each of the {len(train)} training "
            "images: give at least as many"
        )
    return len(train)


def run(settings: FrozenSettings) -> None:
    """Do the steps that aren't done yet, write the table as JSON, CSV and Markdown, print it.

    Raises:
        UserError: Something the user gave can't be used, or a training failed.
    """
    num_images = check_data(settings)
    entries = plan_entries(settings, num_images)
    forget_images(settings.out / INDEX, settings.verify)
    with stop_signals("; the same command continues"), only_study(settings.out):
        this_machine = inspect_machine()
        trained = [entry for entry in entries if entry.name != UNTRAINED]
        stages = [train_stage(settings, entry) for entry in trained]
        run_stages("Pre-training", stages, this_machine, settings.jobs)
        # In this order: k-NN extracts the features that the linear probe reads.
        for probe, title in (("knn", "Nearest neighbours"), ("linear", "Linear probe")):
            probes = [probe_stage(settings, entry, probe) for entry in entries]
            run_stages(title, probes, this_machine, settings.jobs)
        records = [read_record(entry, settings.num_knn) for entry in entries]
        print_records(records, settings.num_knn)
        facts = {
            "views": settings.views,
            "neighbours": settings.num_knn,
            "training_images": num_images,
            "options": list(settings.options),
            "environment": environment(this_machine),
            "commands": [str(stage.command) for stage in stages],
        }
        for path in write_records(records, facts, settings.out):
            print(f"written: {path}")
