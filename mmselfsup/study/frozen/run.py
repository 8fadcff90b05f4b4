"""The comparison: pre-training of every method for the same number of views, k-NN and probe."""

from __future__ import annotations

from mmselfsup.config.inspect import class_list
from mmselfsup.datasets.data_sources.lists import read_names
from mmselfsup.utils.errors import UserError

from .. import configs, machine
from ..one_at_a_time import only_study
from ..ready_lists import check_lists
from ..stage import run_stage
from .entry import UNTRAINED, plan_entries
from .jobs import probe_job, train_job
from .record import read_record
from .settings import FrozenSettings
from .table import print_records, write_records


def check_data(settings: FrozenSettings) -> int:
    """Check lists and numbers before hours of training; return the number of training images.

    Raises:
        UserError: A list can't be used, both name the same image, or there are fewer training
            images than neighbours, or more than views.
    """
    dataset_cfg = configs.load(settings.dataset_config)
    for part, path in (("train", settings.train), ("val", settings.test)):
        check_lists([path], settings.images, class_list(dataset_cfg, part))
    train, test = (set(read_names(str(path))) for path in (settings.train, settings.test))
    if both := sorted(train & test):
        raise UserError(
            f"{len(both)} images are in both lists, such as {both[0]}: a test on training images "
            f"says nothing; take them off {settings.test}"
        )
    if settings.num_knn > len(train):
        raise UserError(f"--num-knn {settings.num_knn}: there are {len(train)} training images")
    if settings.views < len(train):
        raise UserError(
            f"--views {settings.views} is less than one view of each of the {len(train)} training "
            "images: give at least as many"
        )
    return len(train)


def run(settings: FrozenSettings) -> None:
    """Do the steps that aren't done yet, write the table as JSON, CSV and Markdown, print it.

    Raises:
        UserError: Something the user gave can't be used, or a training failed.
    """
    num_images = check_data(settings)
    entries = plan_entries(settings, num_images)
    with only_study(settings.out):
        this_machine = machine.look()
        trained = [entry for entry in entries if entry.name != UNTRAINED]
        jobs = [train_job(settings, entry) for entry in trained]
        run_stage("Pre-training", jobs, this_machine, settings.jobs)
        for probe, title in (("knn", "Nearest neighbours"), ("linear", "Linear probe")):
            probe_jobs = [probe_job(settings, entry, probe) for entry in entries]
            run_stage(title, probe_jobs, this_machine, settings.jobs)
        records = [read_record(entry, settings.num_knn) for entry in entries]
        print_records(records, settings.num_knn)
        facts = {
            "views": settings.views,
            "neighbours": settings.num_knn,
            "training_images": num_images,
            "options": list(settings.options),
            "environment": machine.environment(this_machine),
            "commands": [str(job.command) for job in jobs],
        }
        for path in write_records(records, facts, settings.out):
            print(f"written: {path}")
