"""The table printed at the end of a study, and the words that the report shares with it.

One row for each classifier, then a sentence on each pre-training: whether its classifier is better
than that from scratch by more than the 95 % interval of one test fold, as in the report. The names
of arms and the formats of numbers are those of the report and of the table over several studies.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from textwrap import fill

from rich.console import Console
from rich.table import Column, Table

from mmselfsup.utils.console import console_table, table_console
from mmselfsup.utils.plurals import counted

from ..label_reading import any_known
from ..records import Results, RunRecord, SearchRecord, class_names, mixed_code
from ..settings import ALL, SCRATCH
from ..starts import ADAPTATIONS, DISTILLATION, split_arm
from .intervals import difference_error, on_one_fold
from .words import words

MANY = (
    "Several comparisons with the same classifier from scratch: about one in twenty pairs that "
    "are truly equal has a clear difference by chance."
)
SAW_LABELS = " (pre-trained with all training labels)"
SAW_TEST = " (start weights saw test images)"
STARTS_NOTE = (
    "Image passes: images that go through the network in all trainings of an arm, each view "
    "counted, the search of the learning rate included; validation, tests and few labels are not. "
    "What the start weights themselves cost is not known here. Whether they have read labels, and "
    "whether they have seen images of the test fold, is known only of files that lie beside the "
    "config of their training, such as a study's backbone.pth. Weights of a file, and a "
    "pre-training from them, are different arms: what the pre-training adds is its difference from "
    "the same weights without it."
)
_LEGEND = 40  # characters in a line
_ALGORITHMS = Path(__file__).parents[2] / "models" / "algorithms"


def results_table(runs: Sequence[RunRecord]) -> Table:
    """Build the table: a row for each classifier, its metrics and the recall of each class."""
    # These remarks are too long for one line of a terminal: only then names may wrap.
    long = any(run.saw_test or run.saw_labels for run in runs)
    first = Column("classifier", no_wrap=not long, min_width=12 if long else None)
    table = console_table([first, "lr", "bal. acc.", "accuracy", "AUC", *class_names(runs)])
    for run in runs:
        table.add_row(
            run_label(run),
            f"{run.lr:g}",
            *(number(v, 3) for v in (run.balanced_accuracy, run.accuracy, run.macro_auc)),
            *(number(v, 2) for v in run.recall.values()),
        )
    return table


def passes(count: int) -> str:
    """Format a number of images with a space between thousands."""
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def minutes(seconds: float) -> str:
    """Format a duration."""
    return f"{seconds / 60:.1f} min"


def seen_note(runs: Sequence[RunRecord]) -> str:
    """Return the warning that a start saw test images; empty where none did."""
    lines = []
    if any(run.ssl_on == ALL for run in runs):
        lines.append(
            f"The pre-training has seen the test images{seen_how(runs)} (--ssl-on all): compared "
            "with networks that have not seen theirs, these numbers may be too high."
        )
    if names := dict.fromkeys(display_name(run.arm) for run in runs if run.start_saw_test):
        lines.append(
            f"The start weights of {', '.join(names)} have seen images of the test fold in their "
            "own training: compared with networks that have not seen theirs, these numbers may be "
            "too high."
        )
    return " ".join(lines)


def unknown_note(runs: Sequence[RunRecord]) -> str:
    """Return which start weights may have seen test images; empty where all is known."""
    files = (run for run in runs if _from_file(run) and run.start_saw_test is None)
    names = dict.fromkeys(display_name(run.arm) for run in files)
    if not names:
        return ""
    return (
        f"Whether the start weights of {', '.join(names)} have seen images of the test fold is not "
        "known."
    )


def _from_file(run: RunRecord) -> bool:
    """Return whether weights of a file are behind a classifier, those of a teacher included."""
    parts = split_arm(run.arm)
    return bool(parts.start) or parts.tasks[:1] == (DISTILLATION,)


def seen_how(runs: Iterable[RunRecord]) -> str:
    """Return with which labels pre-trainings saw the test images, as a part of a sentence.

    Runs that have not seen them do not count; empty where it is not known.
    """
    read = any_known(ssl.labels for run in runs if run.ssl_on == ALL for ssl in run.ssl)
    if read is None:
        return ""
    return ", with labels where its name says so" if read else ", without their labels"


def labels_note(runs: Sequence[RunRecord]) -> str:
    """Return the warning that a pre-training read labels; empty where none did."""
    names = dict.fromkeys(display_name(run.arm) for run in runs if run.saw_labels)
    lines = []
    if names:
        lines.append(
            f"Pre-trained with the labels of all training images: {', '.join(names)}. Those of the "
            f"validation {words().groups} are among them, on which learning rate and temperature "
            "are chosen. With a part of the labels such a network would know the others, so it is "
            "left out there."
        )
    files = (run for run in runs if split_arm(run.arm).start and run.start_labels is None)
    if names and (others := dict.fromkeys(display_name(run.arm) for run in files)):
        lines.append(f"The start weights of {', '.join(others)} are not checked for labels.")
    unknown = dict.fromkeys(display_name(run.arm) for run in runs if run.labels_unknown)
    if unknown:
        lines.append(
            f"Whether the pre-training read labels is not known of {', '.join(unknown)}: an older "
            "version did not store it, and its config is gone."
        )
    return " ".join(lines)


def number(value: float | None, digits: int) -> str:
    """Format a fraction; a dash for None."""
    return "–" if value is None else f"{value:.{digits}f}"


def notes(results: Results) -> list[str]:
    """Return sentences on how the numbers were made, and warnings."""
    study, runs = results.study, results.runs
    lr = f"each learning rate chosen on validation {words().groups}"
    lines = [
        f"Fold {study.fold}, seed {study.seed}, {counted(runs[0].n_test, 'test image')}; equal "
        f"{counted(runs[0].epochs, 'epoch')} of fine-tuning, the last one counts; "
        f"{lr if results.lr_search else 'the learning rate was given, not chosen'}. "
        "Columns of classes: recall."
    ]
    many = MANY if len(runs) > 2 and not results.arms else ""  # the pairs of starts are corrected
    lines += [seen_note(runs), unknown_note(runs), labels_note(runs), many]
    lines.append(mixed_code(runs))
    lines += [at_the_edge(tried) or "" for tried in by_arm(results.lr_search).values()]
    return [line for line in lines if line]


def by_arm(tried: Sequence[SearchRecord]) -> dict[str, list[SearchRecord]]:
    """Group the learning rates tried by arm, each group sorted."""
    arms: dict[str, list[SearchRecord]] = {}
    for run in sorted(tried, key=lambda run: run.lr):
        arms.setdefault(run.arm, []).append(run)
    return arms


def print_results(results: Results, console: Console | None = None) -> None:
    """Print the table, the comparisons and the notes."""
    console = table_console(console)
    console.print(results_table(results.runs))
    for comparison in compare_with_scratch(results.runs):
        console.print(comparison.text, style="bold", highlight=False)
    for line in notes(results):
        console.print(line, style="dim", highlight=False)


@dataclass(frozen=True)
class Comparison:
    """The comparison of a pre-trained classifier with that from scratch.

    Attributes:
        outcome: ``better``, ``worse`` or ``unclear``.
        text: One sentence.
        difference: Balanced accuracy of the pre-trained classifier minus that from scratch.
        error: Standard error of the difference.
    """

    outcome: str
    text: str
    difference: float
    error: float


def compare_with_scratch(runs: Sequence[RunRecord]) -> list[Comparison]:
    """Compare each pre-trained classifier with that from scratch; empty without the latter."""
    scratch = next((run for run in runs if run.arm == SCRATCH), None)
    if scratch is None:
        return []
    comparisons = [compare(scratch, run) for run in runs if run.arm != SCRATCH]
    return [comparison for comparison in comparisons if comparison is not None]


def compare(scratch: RunRecord, other: RunRecord) -> Comparison | None:
    """Compare a pre-trained classifier with that from scratch; None if either has no metric.

    A difference whose 95 % interval holds 0 is called unclear.
    """
    before, after = scratch.balanced_accuracy, other.balanced_accuracy
    if before is None or after is None:
        return None
    difference = after - before
    error = difference_error(other, scratch)
    unclear = abs(difference) < on_one_fold({0: difference}, error).half_width
    signed = f"{difference:+.3f}".replace("-", "\N{MINUS SIGN}")
    numbers = (
        f"balanced accuracy {after:.3f} against {before:.3f} from scratch "
        f"({signed}, standard error {error:.3f})"
    )
    name = _subject(other)
    images = " on all images, test images included," if other.ssl_on == ALL else ""
    images = " with all training labels" + images if other.saw_labels else images
    images += SAW_TEST if other.start_saw_test and not start_file(other) else ""
    if unclear:
        text = f"No clear difference: {name}{images} gives {numbers}."
    elif difference > 0:
        text = f"{name}{images} helps: {numbers}."
    else:
        text = f"{name}{images} does not help here: {numbers}."
    outcome = "unclear" if unclear else "better" if difference > 0 else "worse"
    return Comparison(outcome, text, difference, error)


def _subject(run: RunRecord) -> str:
    """Return what is compared with training from scratch, as the subject of a sentence."""
    name = run_label(run) if start_file(run) else display_name(run.arm)
    parts = split_arm(run.arm)
    if not parts.start:
        return f"{name} pre-training" if not start_file(run) else name
    return f"Pre-training by {name}" if parts.tasks else f"Starting from {name}"


def start_file(run: RunRecord) -> str:
    """Return the name of the file that an override of its first pre-training loads; else empty."""
    options = run.ssl[0].cfg_options if run.ssl else []
    files = [option.partition("=")[2] for option in options if option.startswith("load_from=")]
    return Path(files[-1].strip("'\"")).name if files else ""


#: Folders of configs that are a variant of another method.
_VARIANTS = {"dcl": "DCLW"}


def display_name(arm: str) -> str:
    """Return the name of an arm as papers write it, which says its start.

    Arrows join the tasks of a curriculum: ``from-imagenet+simclr@lora`` is "SimCLR from imagenet
    weights (LoRA)". A number at its end, as in ``simclr (2)``, stays there.
    """
    arm, number = re.fullmatch(r"(.*?)( \(\d+\))?", arm).groups(default="")  # type: ignore[union-attr]
    parts = split_arm(arm)
    tasks = " → ".join(map(_title, parts.tasks))
    adapted = f" ({ADAPTATIONS.get(parts.adapt, parts.adapt)})" if parts.adapt else ""
    if not parts.start:
        return tasks + adapted + number
    weights = f"{parts.start} weights"
    return (f"{tasks} from {weights}{adapted}" if tasks else weights) + number


def _title(task: str) -> str:
    """Return the title of a task: the name of a folder of configs, or ``scratch``.

    The folder is called as the algorithm, such as ``relative_loc`` as ``RelativeLoc``; a version
    may follow, as in ``mocov2``. A name that the user made up stays.
    """
    if task == SCRATCH:
        return "from scratch"
    name = task.replace("_", "")
    if name in _VARIANTS:
        return _VARIANTS[name]
    if name in _titles():
        return _titles()[name]
    base, version = re.fullmatch(r"(.*?)(v\d+)?", name).groups()  # type: ignore[union-attr]
    return f"{_titles()[base]} {version}" if version and base in _titles() else task


@cache
def _titles() -> dict[str, str]:
    """Return the ``title`` of each algorithm, by the name of its class in small letters.

    A class whose configs are in a folder of another name says so by ``folder``. They are read from
    the source: to import the classes would load torch.
    """
    titles = {}
    for path in sorted(_ALGORITHMS.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in (node for node in tree.body if isinstance(node, ast.ClassDef)):
            assigned = {
                ast.unparse(line.targets[0]): line.value
                for line in node.body
                if isinstance(line, ast.Assign)
            }
            if "title" in assigned:
                title = ast.literal_eval(assigned["title"])
                titles[node.name.lower()] = title
                if "folder" in assigned:
                    titles[ast.literal_eval(assigned["folder"])] = title
    return titles


def run_label(run: RunRecord) -> str:
    """Return the name of a classifier in the table of its study; marks test images seen."""
    file = start_file(run)
    start = f" from {file} weights" if file else ""
    return display_name(run.arm) + start + (" (greedy)" if run.chosen_from else "") + _seen(run)


def arm_titles(runs: Iterable[RunRecord]) -> Callable[[str], str]:
    """Return the function that names arms and pre-trainings in tables, labels seen included.

    Args:
        runs: The classifiers, with the pre-trainings behind them.
    """
    marked = {run.arm for run in runs if run.saw_labels}
    marked |= {ssl.name for run in runs for ssl in run.ssl if ssl.labels}
    return lambda arm: mark_labels(arm, arm in marked)


def arm_legends(runs: Iterable[RunRecord]) -> Callable[[str], str]:
    """Return the function that names arms in the legend of a figure, in short lines."""
    titles = arm_titles(runs)
    return lambda arm: fill(titles(arm), _LEGEND)


def mark_labels(arm: str, saw_labels: bool) -> str:
    """Return the name of an arm or a pre-training, marked where it has read training labels."""
    return display_name(arm) + (SAW_LABELS if saw_labels else "")


def group_label(runs: Sequence[RunRecord]) -> str:
    """Return the name of a group of runs: of a greedy curriculum, the tasks it chose from.

    It has the mark of labels where any of them has: older records may not know.
    """
    run = next((run for run in runs if run.saw_labels), runs[0])
    # The same file may have seen the test images of one fold, and none of another.
    seen = next((run.start_saw_test for run in runs if run.start_saw_test), run.start_saw_test)
    run = replace(run, start_saw_test=seen)
    if not run.chosen_from:
        return run_label(run)
    return f"Greedy curriculum of {', '.join(map(display_name, run.chosen_from))}{_seen(run)}"


def _seen(run: RunRecord) -> str:
    images = " (pre-trained on all images, test images included)" if run.ssl_on == ALL else ""
    images += SAW_TEST if run.start_saw_test else ""
    return (SAW_LABELS if run.saw_labels else "") + images


def at_the_edge(tried: Sequence[SearchRecord]) -> str | None:
    """Return a warning when the chosen learning rate is the smallest or largest of several."""
    lrs = sorted(run.lr for run in tried)
    chosen = next((run.lr for run in tried if run.chosen), math.nan)
    if len(lrs) < 2 or chosen not in (lrs[0], lrs[-1]):
        return None
    side = "smallest" if chosen == lrs[0] else "largest"
    return f"{display_name(tried[0].arm)}: the chosen learning rate {chosen:g} is the {side} tried"
