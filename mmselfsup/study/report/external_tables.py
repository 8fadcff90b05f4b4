"""The tables of ``--external``: on the terminal, and as ``external.csv`` with full precision."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from mmselfsup.metrics.bootstrap import FEWEST_LESIONS
from mmselfsup.metrics.subgroups import FEWEST, Measured
from mmselfsup.utils.console import console_table, table_console
from mmselfsup.utils.files import atomic_write_text, csv_text
from mmselfsup.utils.plurals import counted

from ..external_records import OWN, ExternalSet
from ..records import Results, RunRecord
from ..starts import split_arm
from .tables import display_name, number, run_label

EXTERNAL_CSV = "external.csv"
OWN_NAME = "own test fold"
EXTERNAL_NOTE = (
    "Each set is measured in its own classes: the probabilities of the model's classes behind one "
    "of them are added, and divided by the sum over the classes that the set has images of. Drop: "
    "balanced accuracy on the study's test fold with these classes only, minus that on the set. "
    "Brackets: 95 % intervals by a bootstrap over the lesions or patients of each set. ECE: "
    "expected calibration error, before and after temperature scaling; the temperature is fitted "
    "on the validation part of the training images, with the classifier of the learning-rate "
    "search, which is not fine-tuned on them. Images that look like one of the study's own "
    "(perceptual hash; turned and mirrored copies are not found) are left out. Weights of a file "
    "may have been trained on such images: that is not known here."
)
_KNOWN_LABELS = (
    "The temperatures of {names} are fitted on images whose labels the pre-training has read: they "
    "may be too low for new images, so the error after scaling can't be compared with that of the "
    "others."
)
SUBGROUPS_NOTE = (
    "Balanced accuracy is the mean over the classes that a part has images of, so parts with other "
    f"classes can't be compared by it alone. Parts of fewer than {FEWEST} images are not measured, "
    f"and those of fewer than {FEWEST} lesions or patients have no interval: so few don't show how "
    "much they differ. Intervals are not corrected for their number."
)


def set_name(name: str) -> str:
    """Return the name of a set in tables."""
    return OWN_NAME if name == OWN else name


def group_words(external: ExternalSet) -> str:
    """Return over what the intervals of a set are drawn."""
    return external.group[1] if external.groups else "images"


def few_note(results: Results) -> str:
    """Say which sets have a class of too few lesions for their intervals; empty without one."""
    names = [
        f"{set_name(external.name)} ({fewest} {group_words(external)})"
        for external in results.external_sets
        if (fewest := _fewest(results, external.name)) is not None and fewest < FEWEST_LESIONS
    ]
    if not names:
        return ""
    return (
        f"Sets with a class of fewer than {FEWEST_LESIONS} lesions, patients or images have too "
        "narrow intervals of balanced accuracy, drop and macro AUC, here (with those of the class "
        f"that has the fewest): {', '.join(names)}."
    )


def _fewest(results: Results, name: str) -> int | None:
    """Return the lesions of the class of a set that has the fewest; None where nothing tells."""
    found = (r.fewest_lesions for r in results.external if r.external == name)
    return min((fewest for fewest in found if fewest is not None), default=None)


def cell(measured: Measured | None, signed: bool = False) -> str:
    """Format a number and its interval."""
    if measured is None or measured.value is None:
        return "–"
    text = f"{measured.value:+.3f}" if signed else f"{measured.value:.3f}"
    low, high = measured.low, measured.high
    if low is None or high is None:
        return text
    ends = f"[{low:+.3f}, {high:+.3f}]" if signed else f"[{low:.3f}, {high:.3f}]"
    return f"{text} {ends}".replace("-", "\N{MINUS SIGN}")


def left_out(external: ExternalSet) -> str:
    """Say which images and classes of a set do not count."""
    parts = []
    if external.not_on_disk:
        parts.append(f"{counted(external.not_on_disk, 'image')} not on disk")
    if external.near_duplicates:
        parts.append(
            f"{counted(external.near_duplicates, 'near-duplicate')} of the study's own images"
        )
    if external.left_out:
        listed = ", ".join(f"{name} {count}" for name, count in external.left_out.items())
        number = counted(sum(external.left_out.values()), "image")
        parts.append(f"{number} of other classes ({listed})")
    if external.absent:
        parts.append(f"the model's classes {', '.join(external.absent)}, which the set lacks")
    return "; ".join(parts)


def external_note(results: Results) -> str:
    """Return the sentences that explain the numbers, and which temperatures saw labels before."""
    names = dict.fromkeys(display_name(run.arm) for run in results.runs if run.saw_labels)
    if not names:
        return EXTERNAL_NOTE
    return f"{EXTERNAL_NOTE} {_KNOWN_LABELS.format(names=', '.join(names))}"


def print_external(results: Results, console: Console | None = None) -> None:
    """Print a table of each arm on each set; nothing without ``--external``."""
    if not results.external:
        return
    console = table_console(console)
    console.print()
    console.print(external_table(results))
    for external in results.external_sets:
        if text := left_out(external):
            console.print(f"{set_name(external.name)}: left out: {text}.", highlight=False)
    note = " ".join(filter(None, (external_note(results), few_note(results))))
    console.print(note, style="dim", highlight=False, markup=False)


def external_table(results: Results) -> Table:
    """Build the table: sets, and below each the arms."""
    heads = ["bal. acc.", "drop", "AUC", "ECE", "scaled"]
    table = console_table([Column("set: classifier"), "images", *heads])
    labels = {run.arm: run_label(run) for run in results.runs}
    for external in results.external_sets:
        for record in (r for r in results.external if r.external == external.name):
            table.add_row(
                f"{set_name(external.name)}: {labels.get(record.arm, display_name(record.arm))}",
                str(record.images),
                cell(record.balanced_accuracy).replace("[", r"\["),
                cell(record.drop, signed=True).replace("[", r"\["),
                number(record.macro_auc.value, 3),
                number(record.ece, 3),
                number(record.scaled_ece, 3),
            )
    return table


def write_external_table(folder: Path, results: Results) -> None:
    """Write ``external.csv``, a row for each arm, set and part; without sets remove it."""
    path = folder / EXTERNAL_CSV
    if not results.external:
        path.unlink(missing_ok=True)
        return
    atomic_write_text(path, csv_text(external_rows(results)))


_METRICS = ("balanced_accuracy", "macro_auc", "accuracy", "own_balanced_accuracy", "drop")


def external_rows(results: Results) -> list[list[object]]:
    """Return header and rows of ``external.csv``.

    ``training_labels`` says whether the start of the classifier has read those of all training
    images: yes, no, or nothing where that is not known.
    """
    head: list[object] = [
        "fold",
        "seed",
        "classifier",
        "training_labels",
        "set",
        "kind",
        "part",
        "images",
        "classes",
    ]
    ends = [f"{name}{end}" for name in _METRICS for end in ("", "_low", "_high")]
    rows = [[*head, *ends, "ece", "ece_scaled", "temperature"]]
    counts = {external.name: len(external.counts) for external in results.external_sets}
    read = {run.arm: _labels_read(run) for run in results.runs}
    for record in results.external:
        arm, name = record.arm, set_name(record.external)
        first = [results.study.fold, results.study.seed, arm, read.get(arm, ""), name]
        whole = (
            record.balanced_accuracy,
            record.macro_auc,
            record.accuracy,
            record.own,
            record.drop,
        )
        last = [record.ece, record.scaled_ece, record.temperature]
        facts = [*first, "", "", record.images, counts[record.external]]
        rows.append([*facts, *_ends(*whole), *last])
        for part in record.subgroups:
            facts = [*first, part.kind, part.name, part.images, part.classes]
            numbers = _ends(part.balanced_accuracy, part.macro_auc, None, None, None)
            rows.append([*facts, *numbers, "", "", ""])
    return rows


def _labels_read(run: RunRecord) -> str:
    """Return whether the start of a classifier has read training labels; empty: not known."""
    if run.saw_labels:
        return "yes"
    file_unknown = bool(split_arm(run.arm).start) and run.start_labels is None
    return "" if run.labels_unknown or file_unknown else "no"


def _ends(*measured: Measured | None) -> list[object]:
    """Return value and ends of each number, blank where there is none."""
    cells: list[object] = []
    for one in measured:
        values = (None, None, None) if one is None else (one.value, one.low, one.high)
        cells += ["" if value is None else value for value in values]
    return cells
