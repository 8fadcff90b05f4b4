"""The stages before any training: the synthetic demo images, and the lists of the folds."""

from __future__ import annotations

from pathlib import Path

from mmselfsup.config.inspect import head_classes
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.study_data import DemoData

from ..data import (
    PARTS,
    SPLIT_SEED,
    check_class_order,
    ground_truth_csv,
    metadata_csv,
    write_ssl_list,
)
from ..resolved import ResolvedStudy
from ..settings import StudySettings
from .context import StudyContext
from .external import check_own
from .stage import Stage


def run(context: StudyContext) -> None:
    """Make the demo images if requested, and the lists if not given.

    Raises:
        UserError: There are no images, the tools failed, or rows of a test image differ.
    """
    settings = context.settings
    if settings.demo and settings.data.demo is not None:
        context.run("Demo data", [demo_data_stage(settings, settings.data.demo)])
    images, _ = settings.data.find_images(settings.data_root)
    if settings.ready_splits is None:
        try:
            context.run("Splits", [splits_stage(settings, images)])
        except UserError as error:
            hint = '; options of this step are given as SPLITS="--option ..."'
            raise UserError(f"{error}{hint}") from error
    write_ssl_list(settings)
    context.resolve(images)
    check_class_order(settings, head_classes(context.study.finetune))
    check_own(context.study)
    _tell_seen(context.study)


def _tell_seen(study: ResolvedStudy) -> None:
    """Say at the start which weights saw images of the test fold, or may have."""
    for start in {
        start.weights: start for start in study.settings.starts if start.weights
    }.values():
        seen = study.file_saw_test(start)
        if seen is None:
            print(
                f"--start {start.name}={start.weights}: whether these weights have seen images of "
                "the test fold is not known",
                flush=True,
            )
        elif seen:
            print(
                f"warning: --start {start.name}={start.weights}: these weights have seen images of "
                f"the test fold {study.settings.fold} in their own training, so their results may "
                "be too high, and tables say so: start from weights of the same fold",
                flush=True,
            )


def demo_data_stage(settings: StudySettings, demo: DemoData) -> Stage:
    """Return the stage that makes the embedded data set."""
    argv = (*demo.command, "--out", str(settings.data_root))
    return Stage("demo data", settings.data_root, argv, settings.root, demo.outputs)


def splits_stage(settings: StudySettings, images: Path) -> Stage:
    """Return the stage that makes the lists; the user's options come last and take precedence."""
    data, groups, labels = settings.data, metadata_csv(settings), ground_truth_csv(settings)
    argv = (
        *(*data.split_command, "--root", str(settings.data_root)),
        *(() if groups is None else (data.groups.option, str(groups))),
        *("--out", str(settings.splits_dir), "--folds", str(data.num_folds)),
        *("--seed", str(SPLIT_SEED), *settings.splits),
    )
    reads = {"images": images, **({} if labels is None else {"ground truth": labels})}
    lists = (data.list_name(part, fold) for fold in range(data.num_folds) for part in PARTS)
    outputs = ("splits.json", *lists)
    return Stage("splits", settings.splits_dir, argv, settings.root, outputs, reads=reads)
