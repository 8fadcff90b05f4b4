"""Pre-train with every method for the same number of views, judge the features, make the table."""

from __future__ import annotations

from mmselfsup.datasets.data_sources.csv_list import read_entries
from mmselfsup.utils.errors import UserError

from .. import machine
from ..one_at_a_time import only_study
from ..stage import run_stage
from .entry import UNTRAINED, plan_entries
from .jobs import judge_job, train_job
from .record import read_record
from .settings import FrozenSettings
from .table import print_records, write_records


def run(settings: FrozenSettings) -> None:
    """Do the steps that aren't done yet, write the table as JSON, CSV and Markdown, print it.

    Raises:
        UserError: Something the user gave can't be used, or a training failed.
    """
    num_images = len(read_entries(str(settings.train))[0])
    if settings.views < num_images:
        raise UserError(
            f"--views {settings.views} is less than one view of each of the {num_images} training "
            "images: give at least as many"
        )
    entries = plan_entries(settings, num_images)
    with only_study(settings.out):
        here = machine.look()
        trained = [entry for entry in entries if entry.name != UNTRAINED]
        jobs = [train_job(settings, entry) for entry in trained]
        run_stage("Pre-training", jobs, here, settings.jobs)
        for judge, title in (("knn", "Nearest neighbours"), ("linear", "Linear probe")):
            judges = [judge_job(settings, entry, judge) for entry in entries]
            run_stage(title, judges, here, settings.jobs)
        records = [read_record(entry, settings.num_knn) for entry in entries]
        print_records(records, settings.num_knn)
        facts = {
            "views": settings.views,
            "neighbours": settings.num_knn,
            "training_images": num_images,
            "options": list(settings.options),
            "environment": machine.environment(here),
            "commands": [str(job.command) for job in jobs],
        }
        for path in write_records(records, facts, settings.out):
            print(f"written: {path}")
