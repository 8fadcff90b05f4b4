"""Section of the report that says how the numbers were made, so that they can be made again.

The images of each list, the settings of each training, the machine, the command lines, and the
resolved configs, which are read from the folders of the trainings.
"""

from __future__ import annotations

from pathlib import Path

from ..records import Results
from ..settings import ALL, SCRATCH
from .html import Section
from .tables import arm_titles, display_name, labels_note, minutes, seen_how


def method_section(study_dir: Path, results: Results) -> Section:
    """Return the section of the settings; configs that are no longer there are left out."""
    context = {
        "study": results.study,
        "runs": results.runs,
        "ssl": results.ssl,
        "split": results.split,
        "saw_test": any(run.ssl_on == ALL for run in results.runs),
        "seen_how": seen_how(results.runs),
        "environment": results.environment,
        "commands": results.commands,
        "saw_labels": labels_note(results.runs),
        "display_name": arm_titles(results.runs),
        "minutes": minutes,
        "configs": _configs(study_dir, results),
    }
    return Section("method.html.j2", context)


def _configs(study_dir: Path, results: Results) -> list[tuple[str, str]]:
    """Read the resolved configs that the trainings wrote into their work directories."""
    folders = {
        f"{display_name(ssl.name)} pre-training": study_dir / "ssl" / ssl.name
        for ssl in results.ssl
    }
    for run in results.runs:
        start = "from scratch" if run.arm == SCRATCH else f"after {display_name(run.arm)}"
        start = f"from {display_name(run.arm)}" if run.weights and not run.ssl else start
        folders[f"Final classifier {start}"] = study_dir / "finetune" / run.arm / "final"
    return [
        (title, path.read_text(encoding="utf-8"))
        for title, folder in folders.items()
        for path in sorted(folder.glob("*.py"))[:1]  # each training writes its resolved config
    ]
