"""The head of the report: what was compared, how, and what came out, in a few sentences.

The warnings are here, too: several comparisons at once, test images or labels seen, a learning rate
at the edge of the search, results of different code, the demo's synthetic images.
"""

from __future__ import annotations

from pathlib import Path

from ..records import Results, mixed_code
from ..settings import SCRATCH
from .html import Section
from .tables import (
    MANY,
    at_the_edge,
    by_arm,
    compare_with_scratch,
    display_name,
    labels_note,
    seen_note,
    unknown_note,
)


def summary_section(study_dir: Path, results: Results) -> Section:
    """Return the head of the report; nothing of it is read from the study's folder."""
    search = by_arm(results.lr_search)
    context = {
        "study": results.study,
        "runs": results.runs,
        "heading": heading(results),
        "comparisons": compare_with_scratch(results.runs),
        "many": "" if results.arms else MANY,
        "search": search,
        "edges": [line for line in map(at_the_edge, search.values()) if line],
        "saw_test": seen_note(results.runs),
        "maybe_saw_test": unknown_note(results.runs),
        "saw_labels": labels_note(results.runs),
        "mixed_code": mixed_code(results.runs),
    }
    return Section("summary.html.j2", context)


def heading(results: Results) -> str:
    """Return the title of the page."""
    names = names_of_pretrainings(results)
    if results.arms:
        return f"Starts of a classifier: {names}"
    return f"{names} pre-training against training from scratch"


def names_of_pretrainings(results: Results) -> str:
    """Return the names of the pre-trainings that are compared; of all arms with ``--start``."""
    compared = [run for run in results.runs if run.arm != SCRATCH or results.arms]
    names = [display_name(run.arm) for run in compared]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1] if names else "")))
