"""How a greedy curriculum was chosen: the decision table and its explanation.

The same lines appear on the terminal, after the search, and as a section of the report.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.table import Column

from mmselfsup.utils.console import console_table, table_console

from ..records import Curriculum, Results, Trial
from ..settings import JOIN
from .html import Section
from .tables import display_name, minutes
from .words import words

UNTRAINED = "untrained network"


@dataclass(frozen=True)
class Row:
    """A line of the table, as text.

    Attributes:
        trial: The sequence that it describes.
        name: The sequence.
        score: Balanced accuracy and its standard error.
        gain: Gain with its sign.
        decision: What was decided.
        minutes: Time of the training of its last task.
    """

    trial: Trial
    name: str
    score: str
    gain: str
    decision: str
    minutes: str


def curriculum_section(study_dir: Path, results: Results) -> Section | None:
    """Return the section of a greedy curriculum; None where the order was given."""
    curriculum = results.curriculum
    if curriculum is None:
        return None
    context = {
        "reason": reason(curriculum),
        "rows": table_rows(curriculum),
        "explanation": explanation(curriculum),
    }
    return Section("curriculum.html.j2", context)


def table_rows(curriculum: Curriculum) -> list[Row]:
    """Return every line of the table as text."""
    return [_row(trial) for trial in curriculum.trials]


def reason(curriculum: Curriculum) -> str:
    """Explain in a few sentences what was chosen and why no further task was added."""
    trials = {trial.tasks: trial for trial in curriculum.trials}
    chosen = trials[curriculum.chosen]
    last = curriculum.last_best
    text = f"Chosen: {sequence_name(chosen)}. "
    if last is None:
        text += "No further task was taken: the loss of every extension was not finite."
    else:
        what = (
            f"gains {signed(last.gain)}, not more than {curriculum.min_gain:g}"
            if (last.gain or 0.0) > 0
            else f"gains nothing ({signed(last.gain)})"
        )
        text += f"No further task was taken: the best extension, {sequence_name(last)}, {what}."
    first = trials[chosen.tasks[:1]]
    if first.gain is not None and first.gain <= 0:
        text += " No task alone beat the untrained network; the best one was taken all the same."
    return text


def print_curriculum(curriculum: Curriculum) -> None:
    """Print the table and what was decided."""
    decision = Column("decision", no_wrap=True)
    table = console_table([Column("sequence"), "score ± s.e.", "gain", decision, "epochs", "time"])
    rows = table_rows(curriculum)
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        # A line below each round: the sequences of the next one have one task more.
        ends = after is None or len(after.trial.tasks) > len(row.trial.tasks)
        cells = (row.score, row.gain, row.decision, str(row.trial.score.epochs or ""), row.minutes)
        style = "bold" if row.trial.kept else None
        table.add_row(row.name, *cells, style=style, end_section=ends)
    console = table_console()
    console.print(table)
    console.print(reason(curriculum), style="bold", highlight=False)
    console.print(explanation(curriculum), style="dim", highlight=False)


def explanation(curriculum: Curriculum) -> str:
    """Explain the scores."""
    trained = [trial.score for trial in curriculum.trials if trial.tasks]
    total = minutes(sum(score.seconds for score in trained))
    return (
        f"Score: balanced accuracy of a linear probe on frozen features, fitted on "
        f"{curriculum.num_fit} training images and scored on {curriculum.num_val} images of other "
        f"training {words().groups} (their labels choose the sequence, no test image does); s.e.: "
        "standard error by the number of these images. Gain: over the sequence that is extended. "
        f"Time: of the last task's training; {total} for all {len(trained)}."
    )


def sequence_name(trial: Trial) -> str:
    """Return the name of a sequence as papers write it."""
    return display_name(JOIN.join(trial.tasks)) if trial.tasks else UNTRAINED


def signed(value: float | None) -> str:
    """Format a difference with its sign; an empty string for None."""
    return "" if value is None else f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def _row(trial: Trial) -> Row:
    score = trial.score
    value = "diverged" if score.value is None else f"{score.value:.3f}"
    value += "" if score.error is None else f" ± {score.error:.3f}"
    decision = ""
    if trial.best:
        too_little = "gains too little" if (trial.gain or 0.0) > 0 else "gains nothing"
        decision = "kept" if trial.kept else f"best, but {too_little}"
    time = minutes(score.seconds) if trial.tasks else ""
    return Row(trial, sequence_name(trial), value, signed(trial.gain), decision, time)
