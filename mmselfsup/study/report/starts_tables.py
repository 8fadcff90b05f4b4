"""The tables of ``--start`` and ``--labels`` on the terminal: cost, all pairs, few labels."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from mmselfsup.utils.console import console_table, table_console

from ..records import Results
from .labels import LabelPoint, few_labels_note, label_curves
from .pairs import PAIRS_NOTE, Pair, p_text, pairs_of_study
from .tables import STARTS_NOTE, display_name, minutes, passes, run_label


def print_starts(results: Results, console: Console | None = None) -> None:
    """Print what a study with ``--start`` or ``--labels`` has beside its results."""
    console = table_console(console)
    curves = label_curves([(Path(), results)])  # one study, wherever it is
    if results.arms:
        pairs = pairs_of_study(results)
        _print(console, starts_table(results), STARTS_NOTE)
        if pairs:
            _print(console, pairs_table(pairs), PAIRS_NOTE)
    if curves:
        _print(console, labels_table(results, curves), few_labels_note())


def _print(console: Console, table: Table, note: str) -> None:
    console.print()
    console.print(table)
    console.print(note, style="dim", highlight=False)


def starts_table(results: Results) -> Table:
    """Build the table of what the arms cost."""
    table = console_table(["classifier", "passes: pre-training", "fine-tuning", "time"])
    labels = {run.arm: run_label(run) for run in results.runs}
    for arm in results.arms:
        counts = passes(arm.pretraining_passes), passes(arm.finetuning_passes)
        table.add_row(labels.get(arm.arm, display_name(arm.arm)), *counts, minutes(arm.seconds))
    return table


def pairs_table(pairs: list[Pair]) -> Table:
    """Build the table of all pairs."""
    table = console_table([Column("first"), Column("second"), "difference", "p", "p (Holm)"])
    for pair in pairs:
        half = "" if pair.gap.half_width is None else f" ± {pair.gap.half_width:.3f}"
        gap = f"{pair.gap.mean:+.3f}{half}"
        values = p_text(pair.gap.p_value), p_text(pair.corrected)
        table.add_row(pair.first, pair.second, gap, *values, style="bold" if pair.is_clear else "")
    return table


def labels_table(results: Results, curves: dict[str, list[LabelPoint]]) -> Table:
    """Build the table of balanced accuracy over the part of the labels."""
    percents = sorted({point.percent for points in curves.values() for point in points})
    table = console_table(["classifier", *(f"{percent:g} %" for percent in percents)])
    runs = [run for run in results.runs if run.arm in curves]
    for run in runs:
        cells = {point.percent: point.text for point in curves[run.arm]}
        table.add_row(run_label(run), *(cells.get(percent, "–") for percent in percents))
    for run in runs:
        gains = {point.percent: point.gain_text for point in curves[run.arm]}
        if any(gains.values()):
            name = f"{run_label(run)}: gain"
            table.add_row(name, *(gains.get(percent, "–") for percent in percents))
    return table
