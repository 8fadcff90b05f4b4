"""All folds and seeds that were asked for, one study after the other."""

from __future__ import annotations

from . import pipeline
from .arguments import Request
from .one_at_a_time import only_study


def run(request: Request) -> None:
    """Run the studies, and report over all of them where folds or seeds were given as lists.

    Raises:
        UserError: Another study works in the same folder, something the user gave can't be used,
            or a training failed.
    """
    for study in request.studies:
        pipeline.check(study)
    with only_study(request.work_dir):
        for number, study in enumerate(request.studies, 1):
            if request.several:
                count = f"{number} of {len(request.studies)}"
                print(f"\n#### Fold {study.fold}, seed {study.seed} ({count})", flush=True)
            pipeline.run_study(study)
