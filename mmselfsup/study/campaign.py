"""The sweep over the requested folds and seeds, one study after the other."""

from __future__ import annotations

from pathlib import Path

from . import pipeline
from .arguments import StudyRequest
from .one_at_a_time import only_study
from .overview import make_overview, print_overview
from .overview_files import write_page, write_tables
from .recipe import RESULTS


def run_sweep(request: StudyRequest) -> None:
    """Run the studies, and report over all of them where folds or seeds were given as lists.

    Raises:
        UserError: Another study works in the same folder, something the user gave can't be used,
            or a training failed.
    """
    for study in request.studies:  # all of them first: a mistake in the last one costs no training
        pipeline.check(study)
    with only_study(request.work_dir):
        for number, study in enumerate(request.studies, 1):
            if request.several:
                count = f"{number} of {len(request.studies)}"
                print(f"\n#### Fold {study.fold}, seed {study.seed} ({count})", flush=True)
            pipeline.run_study(study)
        report(request.work_dir)


def report(root: Path) -> None:
    """Write the table of all runs under a folder; print it and write its page if there are several.

    Raises:
        UserError: There are none, or a file can't be written.
    """
    overview = make_overview(root)
    files = write_tables(overview)
    if overview.num_studies > 1 or not (root / RESULTS).exists():
        files.append(write_page(overview))
        print()
        print_overview(overview)
    print(f"Tables:       {', '.join(map(str, files))}", flush=True)
