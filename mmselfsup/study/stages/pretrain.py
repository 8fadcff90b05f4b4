"""A pre-training: a task on unlabelled images, from random weights or the last task's backbone.

Its weights must fit the classifier, which is checked before hours of training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmselfsup.config.inspect import comparison_config, config_digest
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_text
from mmselfsup.utils.json_log import read_log

from .. import configs
from ..configs import positives_options
from ..records import SslRecord
from ..report.tables import display_name
from ..resolved import Pretraining, ResolvedStudy
from ..settings import TRAIN
from ..step import CHECKPOINT
from .context import StudyContext
from .stage import Stage

if TYPE_CHECKING:
    from mmcv import Config


#: Config keys that determine the shapes of a backbone, with their defaults.
_SHAPE: dict[str, Any] = {
    "depth": None,
    "arch": None,
    "stem_channels": 64,
    "base_channels": 64,
    "patch_size": None,
}


_ATTENTION = ("lora", "apla")  # adaptations of attention


def check_backbones(task: Pretraining, finetune: Config) -> list[str]:
    """Compare the backbone of a pre-training with that of the classifier.

    Backbones of different types are not compared, as some types can load each other's weights; but
    a transformer and a convolutional network can't.

    Returns:
        Warnings: what the classifier will not load.

    Raises:
        UserError: Both are of the same type and of different size, or only one is a transformer.
    """
    pretrained, classifier = _backbone(task.cfg), _backbone(finetune)
    kinds = _kind(pretrained), _kind(classifier)
    start = task.start
    adapt = start.adapt if start is not None and start.adapts(task.tasks) else ""
    if start is not None and adapt in _ATTENTION and kinds[0].startswith("ResNe"):
        raise UserError(
            f"--start ...{start.tasks[-1]}:{adapt} changes the attention of a transformer, and the "
            f"backbone of {task.tasks[-1]} is a {kinds[0]}: take full, last_blocks or norm_bias"
        )
    if kinds[0] != kinds[1]:
        if _is_transformer(kinds[0]) != _is_transformer(kinds[1]):
            raise UserError(
                f"the backbone of {task.tasks[-1]} is a {kinds[0]}, that of FINETUNE_CONFIG a "
                f"{kinds[1]}: name a classifier whose backbone can take its weights"
            )
        return []
    for key, default in _SHAPE.items():
        ssl_value, value = pretrained.get(key, default), classifier.get(key, default)
        if ssl_value != value:
            raise UserError(
                f"the backbone of {task.tasks[-1]} has {key}={ssl_value}, that of "
                f"FINETUNE_CONFIG {value}: name configs of the same network (SIZE picks a pair)"
            )
    ssl_channels, channels = pretrained.get("in_channels", 3), classifier.get("in_channels", 3)
    if ssl_channels == channels:
        return []
    # Only a warning: loading skips this one layer, all others fit.
    return [
        f"{task.tasks[-1]} has {ssl_channels} input channels, the classifier {channels}: the "
        "first convolution starts from random weights"
    ]


def check_labels(study: ResolvedStudy) -> None:
    """Refuse a pre-training with labels where they would be those that the study measures with.

    Otherwise only say that its learning rate is chosen with labels that it knows.

    Raises:
        UserError: It would read labels of test images, or of those that a greedy curriculum is
            chosen on.
    """
    names = [display_name(task.name) for task in study.pretrainings if task.reads_labels]
    if names and study.settings.ssl_on != TRAIN:
        raise UserError(
            f"--ssl-on all: {names[0]} reads labels, and would read those of the test images: "
            "leave out --ssl-on all, or this pre-training"
        )
    if names and study.settings.min_gain is not None:
        raise UserError(
            f"--curriculum greedy: {names[0]} reads labels, those of the validation "
            f"{study.settings.data.group[1]} included, on which the order is chosen: leave it out"
        )
    known = [display_name(a) for a in study.settings.arms if study.saw_labels(a)]
    fits = "temperature is fitted" if study.settings.external else ""
    chosen = "learning rate is chosen" if len(study.lrs) > 1 else ""
    if known and (what := " and ".join(filter(None, (chosen, fits)))):
        print(
            f"warning: {', '.join(known)}: pre-trained with the labels of the validation "
            f"{study.settings.data.group[1]} on which the {what}; tables and the report say so",
            flush=True,
        )


def _backbone(cfg: Config) -> dict[str, Any]:
    backbone = cfg.get("model", {}).get("backbone")
    return dict(backbone) if isinstance(backbone, dict) else {}


def _kind(backbone: dict[str, Any]) -> str:
    """Return the type of a backbone without the package that registers it."""
    return str(backbone.get("type", "")).rpartition(".")[2]


def _is_transformer(kind: str) -> bool:
    return "ViT" in kind or "Transformer" in kind


def run(context: StudyContext) -> None:
    """Pre-train in the given order; a curriculum that was chosen has all of its trainings.

    Raises:
        UserError: A training failed.
    """
    study = context.study
    if context.curriculum is None:
        for task in study.pretrainings:
            write_monitor_data(study, task)
            context.run(f"Pre-training: {task.name}", [pretrain_stage(study, task)])
    context.ssl = [ssl_record(study, task) for task in study.pretrainings]


def pretrain_stage(study: ResolvedStudy, task: Pretraining, may_diverge: bool = False) -> Stage:
    """Return the stage of a pre-training, from the backbone of the task before if any."""
    settings = study.settings
    options = list(task.options)
    if task.weights is not None:
        options.append(f"load_from={configs.quoted(task.weights)}")
    options += configs.data_options(task.cfg, study.images, {"train": settings.ssl_list})
    # Partners of lesion positives must not be test images, unless those are pre-trained on anyway.
    held_out = settings.split("test") if settings.ssl_on == TRAIN else None
    options += positives_options(task.cfg, held_out, study.metadata)
    options += monitor_options(study, task)
    return Stage(
        name=f"{task.name} pre-training",
        folder=task.folder,
        argv=train_argv(study, task.config, task.folder, options),
        root=settings.root,
        outputs=(CHECKPOINT, task.backbone.name),
        epochs=task.epochs,
        may_diverge=may_diverge,
        logged=True,
    )


def monitor_options(study: ResolvedStudy, task: Pretraining) -> list[str]:
    """Return the overrides that let an adaptation of start weights be monitored.

    k-NN and probe are fitted on the fold's ``subtrain`` list and scored on its ``val`` list, parts
    of the training list by whole lesions; the best checkpoint by the probe stays.

    Returns:
        Overrides ``key=value``; none without ``adapt`` in the config, or where that has a monitor.
    """
    adapt = task.cfg.get("adapt")
    if not adapt or adapt.get("monitor") is not None:
        return []
    data = configs.quoted(_monitor_data(study))
    return [f"adapt.monitor.data={data}", "adapt.monitor.save_best=probe_balanced_accuracy"]


def write_monitor_data(study: ResolvedStudy, task: Pretraining) -> None:
    """Write the data sets of ``monitor_options`` as a config, if they are used."""
    if monitor_options(study, task):
        fit, val = study.settings.split("subtrain"), study.settings.split("val")
        data = comparison_config(study.finetune, study.images, fit, val, None)
        atomic_write_text(_monitor_data(study), data.pretty_text)


def _monitor_data(study: ResolvedStudy) -> Path:
    return study.settings.work_dir / "monitor_data.py"


def train_argv(
    study: ResolvedStudy, config: Path, work_dir: Path, options: Sequence[str]
) -> tuple[str, ...]:
    """Return the command line of any training of the study."""
    settings = study.settings
    argv = (
        *("--work_dir", str(work_dir), "--seed", str(settings.seed), "--auto-resume"),
        *("--cfg-options", *options),
    )
    # GPUS=1 needs no launcher: one process uses one GPU.
    if settings.gpus > 1:
        return ("tools/dist_train.sh", study.relative(config), str(settings.gpus), *argv)
    return ("tools/train.py", study.relative(config), *argv)


def ssl_record(study: ResolvedStudy, task: Pretraining) -> SslRecord:
    """Describe a pre-training."""
    curve = read_log(task.folder).train_curve()
    record = pretrain_stage(study, task).record
    return SslRecord(
        name=task.name,
        config=study.relative(task.config),
        epochs=task.epochs,
        images_of=study.settings.ssl_on,
        last_loss=curve[-1][1] if curve else None,
        seconds=record.seconds,
        cfg_options=list(task.options),
        config_sha256=config_digest(task.cfg),
        made_by=record.made_by,
        labels=study.task_saw_labels(task),
    )
