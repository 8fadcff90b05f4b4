"""Section of the report on test sets of other clinics: metrics, drop, calibration, subgroups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..external_records import ExternalRecord, ExternalSet
from ..records import Results
from ..settings import SCRATCH
from .external_tables import (
    SUBGROUPS_NOTE,
    cell,
    external_note,
    few_note,
    group_words,
    left_out,
    set_name,
)
from .html import Section, arm_colors, css_colors, panel, to_svg
from .tables import arm_legends, arm_titles, number

_Cells = dict[str, dict[str, dict[str, str]]]  # kind -> part with its images -> arm -> cell


def external_section(study_dir: Path, results: Results) -> Section | None:
    """Return the section of external sets; None without ``--external``."""
    if not results.external:
        return None
    arms = list(dict.fromkeys(record.arm for record in results.external))
    colors = arm_colors(results.runs)
    records = {(record.external, record.arm): record for record in results.external}
    context = {
        "arms": arms,
        "sets": [
            {
                "set": external,
                "name": set_name(external.name),
                "drawn": group_words(external),
                "left_out": left_out(external),
                "records": [records[external.name, arm] for arm in arms],
                "map": class_texts(external),
                "subgroups": subgroup_cells([records[external.name, arm] for arm in arms]),
            }
            for external in results.external_sets
        ],
        "cell": cell,
        "number": number,
        "colors": css_colors(colors),
        "display_name": arm_titles(results.runs),
        "figure": draw_sets(results.external_sets, records, colors, arm_legends(results.runs)),
        "note": external_note(results),
        "few_note": few_note(results),
        "subgroups_note": SUBGROUPS_NOTE,
    }
    return Section("external.html.j2", context)


def class_texts(external: ExternalSet) -> str:
    """Return the classes of a set with their images, and what they mean to the model."""
    texts = []
    for name, count in external.counts.items():
        members = external.classes[name]
        meaning = "" if members == [name] else f" = {' or '.join(members)}"
        texts.append(f"{name}{meaning} ({count})")
    return ", ".join(texts)


def subgroup_cells(records: Sequence[ExternalRecord]) -> _Cells:
    """Return the balanced accuracy of each part and arm of a set."""
    found: _Cells = {}
    for record in records:
        for part in record.subgroups:
            row = f"{part.name} ({part.images})"
            cells = found.setdefault(part.kind, {}).setdefault(row, {})
            cells[record.arm] = cell(part.balanced_accuracy)
    return found


def draw_sets(
    sets: Sequence[ExternalSet],
    records: Mapping[tuple[str, str], ExternalRecord],
    colors: Mapping[str, str],
    title: Callable[[str], str],
) -> str:
    """Draw the balanced accuracy of each arm on each set, with its interval."""
    arms = list(dict.fromkeys(arm for _, arm in records))
    step = 0.7 / max(len(arms), 1)
    with panel(height=1.0 + (0.3 + 0.17 * len(arms)) * len(sets)) as (figure, axes):
        for number_, arm in enumerate(arms):
            points: list[tuple[float, ...]] = []
            for place, external in enumerate(sets):
                measured = records[external.name, arm].balanced_accuracy
                if measured.value is None or measured.low is None or measured.high is None:
                    continue
                y = place + (number_ - (len(arms) - 1) / 2) * step
                points.append((measured.value, y, measured.low, measured.high))
            if not points:
                continue
            xs, ys, lows, highs = zip(*points, strict=True)
            axes.hlines(ys, lows, highs, color=colors[arm], linewidth=1.4)
            marker: dict[str, Any] = {"marker": "s" if arm == SCRATCH else "o", "s": 18}
            axes.scatter(xs, ys, color=colors[arm], label=title(arm), **marker)
        axes.set_yticks(range(len(sets)), [set_name(external.name) for external in sets])
        axes.set_ylim(len(sets) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("balanced accuracy")
        figure.legend(loc="outside upper center", ncols=2)
        return to_svg(figure, "external", "Balanced accuracy on each test set by classifier")
