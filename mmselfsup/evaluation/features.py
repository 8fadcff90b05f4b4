"""Features of a frozen network for two lists of images."""

import copy
import logging
import os
from typing import Any

import numpy as np
from mmcv import Config
from torch import nn

from mmselfsup.core.checkpoint import load_weights
from mmselfsup.core.evaluation.kept import Origin, dataset_digest, read_features, weights_digest
from mmselfsup.core.evaluation.labelled import LabelledFeatures, check_labels
from mmselfsup.datasets import build_dataset
from mmselfsup.datasets.loader import build_eval_loader
from mmselfsup.models import build_algorithm
from mmselfsup.models.utils import ExtractProcess
from mmselfsup.utils.dist import on_main
from mmselfsup.utils.error_context import config_errors, run_errors
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.seed import set_random_seed

#: The data set of the neighbours or of the fit of a probe, and the one to test on.
PARTS = {"train": "train", "val": "test"}


def frozen_model(
    cfg: Config, checkpoint: str | None, seed: int, logger: logging.Logger | None = None
) -> nn.Module:
    """Return the model of a config in eval mode, with its whole backbone from a checkpoint.

    Args:
        cfg: A config with ``model``.
        checkpoint: The file of the weights; None for those that the config initialises: random
            ones, or those of ``init_cfg=dict(type='Pretrained', ...)``.
        seed: Seed of the random weights.
        logger: The logger that reports on the loading.

    Raises:
        UserError: The checkpoint lacks a weight of the backbone.
    """
    if cfg.get("model") is None:
        raise UserError("the config has no model: give the config of a pre-training")
    set_random_seed(seed)
    with config_errors("model"):
        model: Any = build_algorithm(copy.deepcopy(cfg.model))
        if checkpoint is None:
            model.init_weights()
    if checkpoint is not None:
        report = load_weights(model, checkpoint, logger=logger)
        if not report.complete:
            raise UserError(
                f"{checkpoint} fills {report.backbone_matched} of {report.backbone_total} weights "
                "of the backbone: take the config it was trained with"
            )
    return model.eval()


def labelled_datasets(cfg: Config, name: str) -> dict[str, Any]:
    """Return ``data.train`` and ``data.val`` (or ``data.test``), where each image has one label.

    Args:
        cfg: A data set config.
        name: Its file, for errors.

    Raises:
        UserError: One of the two is missing, or an image has no label.
    """
    data = cfg.get("data") or {}
    configs: dict[str, Any] = {
        "train": data.get("train"),
        "val": data.get("val") or data.get("test"),
    }
    absent = [part for part, part_cfg in configs.items() if part_cfg is None]
    if absent:
        raise UserError(f"{name} has no data.{absent[0]}: data.train and data.val are needed")
    datasets = {}
    for part, part_cfg in configs.items():
        with config_errors(f"data.{part}"):
            dataset = build_dataset(copy.deepcopy(part_cfg))
        source = part_cfg.get("data_source", {}) if isinstance(part_cfg, dict) else {}
        where = source.get("ann_file") or f"{name}, data.{part}"
        check_labels(getattr(dataset, "gt_labels", None), len(dataset), where)
        datasets[part] = dataset
    return datasets


def extract(
    model: nn.Module, datasets: dict[str, Any], cfg: Config, distributed: bool = False
) -> LabelledFeatures:
    """Return the features of all images, extracted by all ranks together, the same on every rank.

    Args:
        model: An algorithm in eval mode, on its device; the features are those of its last stage,
            averaged over all positions.
        datasets: The data sets of ``labelled_datasets``.
        cfg: The data set config, for batch size and workers.
        distributed: Whether there are several ranks.
    """
    arrays: dict[str, Any] = {}
    settings = copy.deepcopy(cfg)
    settings.persistent_workers = False  # each list is read only once
    for part, kind in PARTS.items():
        loader = build_eval_loader(datasets[part], settings, part, distributed)
        with run_errors():
            arrays[kind] = ExtractProcess().extract(model, loader, distributed)["feat"]
        arrays[f"{kind}_labels"] = np.asarray(datasets[part].gt_labels, dtype=np.int64)
    return LabelledFeatures(classes=datasets["train"].CLASSES, **arrays)


def origin_of(model: nn.Module, datasets: dict[str, Any], cfg: Config) -> Origin:
    """Return digests of what features come from; the keys name the parts in an error."""
    data = cfg.data
    lists = {"train": data.train, "val": data.get("val") or data.get("test")}
    digests = {
        f"{kind} images or pipeline": dataset_digest(lists[part].to_dict(), datasets[part])
        for part, kind in PARTS.items()
    }
    return {"weights": weights_digest(model), **digests}


def cached_features(path: str, origin: Origin) -> LabelledFeatures | None:
    """Return the features cached in a file, the same on every rank; None if there is no file yet.

    Raises:
        UserError: The features can't be used; raised on every rank.
    """
    return on_main(lambda: read_features(path, origin) if os.path.exists(path) else None)
