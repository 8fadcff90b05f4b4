"""Evaluation of frozen features, as ``tools/benchmarks/classification`` runs it.

The steps are the same for every protocol: weights and data sets of the command line, extraction on
all ranks (or features from a file), the protocol's metrics, a table and a JSON file. A further
evaluation is a ``Protocol`` in ``mmselfsup/evaluation``, a line in ``PROTOCOLS``, and a tool with
its options.
"""

import copy
import logging
import os
import time
from argparse import Namespace
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from mmcv import Config
from rich.table import Column
from torch import nn

from mmselfsup.config import own_data
from mmselfsup.config.inspect import names_weights
from mmselfsup.config.load import load_config
from mmselfsup.core.checkpoint import load_state, load_weights
from mmselfsup.datasets.loader import build_eval_loader
from mmselfsup.evaluation.features import (
    LabelledFeatures,
    cached_features,
    check_features_path,
    extract,
    labelled_datasets,
    origin_of,
    precision,
    write_features,
)
from mmselfsup.evaluation.knn import KnnProtocol
from mmselfsup.evaluation.linear_probe import LinearProbeProtocol
from mmselfsup.evaluation.protocol import Protocol
from mmselfsup.metrics import finite
from mmselfsup.models import build_algorithm
from mmselfsup.utils import dist, setup_multi_processes
from mmselfsup.utils.console import console_table, table_console
from mmselfsup.utils.device import default_device
from mmselfsup.utils.error_context import config_errors, peer_errors, shared_errors
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_json, check_writable
from mmselfsup.utils.seed import set_random_seed

from ..launch import Ranks, join_ranks, open_log, open_work_dir, work_dir_of
from ..preflight.compared_data import report_overlap, report_unseen_classes
from ..preflight.data_look import look_at
from ..preflight.overview import data_rows, log_table
from ..preflight.trained_input import report_other_input
from ..preflight.trained_network import report_other_network
from ..training.acceleration import accelerate_extraction

#: The evaluations of frozen features, by the start of the names of their logs and results.
PROTOCOLS: dict[str, type[Protocol]] = {"knn": KnnProtocol, "linear": LinearProbeProtocol}
#: Recalls of more classes than this are in the JSON file only.
_MAX_COLUMNS = 12


def run(args: Namespace, name: str) -> None:
    """Evaluate frozen features as the command line says: print a table, write JSON.

    Args:
        args: The arguments of the command line, those of ``add_frozen_arguments`` and one for each
            field of the protocol.
        name: A key of ``PROTOCOLS``.

    Raises:
        UserError: See the single steps.
    """
    protocol_of(args, name)  # a wrong setting is an error now
    checkpoint = wanted_checkpoint(args)
    if args.features:
        check_features_path(args.features)
    if args.out:
        check_writable(args.out)
    cfg, data_cfg = read_configs(args, checkpoint)
    if checkpoint is None and not args.random and not names_weights(cfg.get("model")):
        raise UserError("name the weights by --checkpoint FILE, or ask for --random ones")
    cfg.work_dir = args.work_dir or cfg.get("work_dir") or work_dir_of(args.config)
    if getattr(args, "no_check_files", False):
        data_cfg.check_files = False
    setup_multi_processes({**cfg, "data": data_cfg.get("data")})
    ranks = join_ranks(args, cfg)
    with peer_errors():
        evaluate_joined(args, name, (cfg, data_cfg), checkpoint, ranks)
    dist.destroy()


def evaluate_joined(
    args: Namespace, name: str, configs: tuple[Config, Config], checkpoint: str | None, ranks: Ranks
) -> None:
    """Evaluate frozen features on a rank that has joined the others.

    Args:
        args: The arguments of the command line.
        name: A key of ``PROTOCOLS``.
        configs: That of the model and that of the data sets.
        checkpoint: See ``frozen_model``.
        ranks: The role of this process.

    Raises:
        UserError: See the single steps.
    """
    protocol, (cfg, data_cfg) = protocol_of(args, name), configs
    # What this rank finds on its node is checked here, so that the others learn of an error.
    with shared_errors():
        open_work_dir(cfg.work_dir)
    logger, stamp = open_log(cfg, f"{name}_")
    if ranks.note:
        logger.info(ranks.note)
    with shared_errors():
        datasets = labelled_datasets(data_cfg, args.dataset_config)
        model = extraction_model(cfg, checkpoint, args.seed, logger, image_cfg=data_cfg)
        protocol.check(len(datasets["train"]))  # before the extraction, which takes the most time
    if not (args.features and os.path.exists(args.features)):
        look_at_lists(datasets, data_cfg, ranks.distributed, logger)
    start = time.perf_counter()
    data = _features(args, model, datasets, (cfg, data_cfg), ranks.distributed, logger)
    seconds = time.perf_counter() - start
    if dist.is_main():  # every rank has all features; one of them fits, prints and writes
        result = protocol.evaluate(data, logger)
        dtype = precision(model)
        weights = checkpoint or f"initial weights, seed {args.seed}"
        head = {
            "config": args.config,
            "checkpoint": weights,
            "dataset_config": args.dataset_config,
            "num_train": len(data.train),
            "num_test": len(data.test),
            "feature_width": int(data.train.shape[1]),
            "precision": dtype,
            **result.facts,
            "classes": data.classes,
        }
        path = args.out or os.path.join(cfg.work_dir, f"{name}_{stamp}.json")
        atomic_write_json(path, {**head, "results": {k: finite(m) for k, m in result.rows.items()}})
        # After the file: the table may be piped into ``head``.
        print_table(result.rows, data, weights, dtype)
        num_images = len(data.train) + len(data.test)
        logger.info(
            "%d images in %.1f s, features in %s; written: %s",
            num_images, seconds, dtype, os.path.abspath(path),
        )  # fmt: skip


def look_at_lists(
    datasets: Mapping[str, Any], cfg: Config, distributed: bool, logger: logging.Logger
) -> None:
    """Check the data sets before their features are extracted, and log what was found.

    Raises:
        UserError: See ``look_at``.
    """
    # Built by all ranks, which exchange what they read; a rank that fails below stops alone.
    loaders = {
        part: build_eval_loader(dataset, cfg, part, distributed)
        for part, dataset in datasets.items()
    }
    with shared_errors():
        looks = [look_at(loaders[part], f"data.{part}", cfg, logger) for part in datasets]
        named = {f"data.{part}": dataset for part, dataset in datasets.items()}
        report_overlap(named)
        report_unseen_classes(named, logger)
    log_table(data_rows(looks), logger, "what is measured:")


def protocol_of(args: Namespace, name: str) -> Protocol:
    """Return the protocol of that name with its settings from the command line."""
    kind = PROTOCOLS[name]
    return kind(**{field.name: getattr(args, field.name) for field in fields(kind)})


def wanted_checkpoint(args: Namespace) -> str | None:
    """Return the file of the weights; None for those that the config initialises."""
    if args.checkpoint in (None, "none", "None", "random"):
        args.random = args.random or args.checkpoint is not None
        return None
    if args.random:
        raise UserError("--random and --checkpoint contradict each other: leave one out")
    return str(args.checkpoint)


def read_configs(args: Namespace, checkpoint: str | None) -> tuple[Config, Config]:
    """Return the config of the model and that of the data sets, with their overrides.

    Args:
        args: The arguments of the command line.
        checkpoint: See ``frozen_model``.
    """
    data_cfg = load_config(args.dataset_config)
    model_options, data_options = split_options(args.cfg_options, data_cfg)
    configs = (
        load_config(args.config, model_options),
        load_config(args.dataset_config, data_options),
    )
    own_data.resolve_for(configs, checkpoint)
    return configs


def split_options(options: Iterable[str], data_cfg: Config) -> tuple[list[str], list[str]]:
    """Split ``--cfg-options`` between the two configs.

    A key whose first part is in the data set config (``data``, ``img_norm_cfg``) belongs to it,
    any other to the model's. In ``data.*.KEY`` the star means every data set of the config.

    Args:
        options: Overrides ``KEY=VALUE``.
        data_cfg: The data set config.

    Returns:
        The options of the model's config and those of the data sets'.
    """
    model, data = [], []
    parts = [part for part in ("train", "val", "test") if (data_cfg.get("data") or {}).get(part)]
    for option in options:
        key = option.partition("=")[0]
        if key.startswith("data.*."):
            data += [option.replace("*", part, 1) for part in parts]
        elif key.split(".")[0] in data_cfg:
            data.append(option)
        else:
            model.append(option)
    return model, data


def frozen_model(
    cfg: Config,
    checkpoint: str | None,
    seed: int,
    logger: logging.Logger | None = None,
    state: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Return the model of a config in eval mode, with its whole backbone from a checkpoint.

    Args:
        cfg: A config with ``model``.
        checkpoint: The file of the weights; None for those that the config initialises: random
            ones, or those of ``init_cfg=dict(type='Pretrained', ...)``.
        seed: Seed of the random weights.
        logger: The logger that reports on the loading.
        state: The content of the checkpoint, where it is read already.

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
        state = load_state(checkpoint) if state is None else state
        report_other_network(cfg.model, checkpoint, state, logger)
        report = load_weights(model, checkpoint, logger=logger, state=state)
        if not report.complete:
            raise UserError(
                f"{checkpoint} fills {report.backbone_matched} of {report.backbone_total} weights "
                "of the backbone: take the config it was trained with"
            )
    return model.eval()


def extraction_model(
    cfg: Config,
    checkpoint: str | None,
    seed: int,
    logger: logging.Logger | None = None,
    state: Mapping[str, Any] | None = None,
    image_cfg: Config | None = None,
) -> nn.Module:
    """Return a frozen model on its device, in the precision and as fast as in its training.

    Args:
        cfg: See ``frozen_model``, as for all arguments; ``amp``, ``fp16`` and ``channels_last``
            count as in a training.
        checkpoint: The file of the weights, or None.
        seed: Seed of random weights.
        logger: The logger that reports on the loading.
        state: The content of the checkpoint, where it is read already.
        image_cfg: The config that prepares the images, if ``report_other_input`` is to compare it.

    Raises:
        UserError: See ``frozen_model`` and ``accelerate_extraction``.
    """
    if checkpoint is not None and state is None:
        state = load_state(checkpoint)
    model = frozen_model(cfg, checkpoint, seed, logger, state).to(default_device())
    if image_cfg is not None:
        report_other_input(image_cfg, checkpoint, state, logger)
    accelerate_extraction(model, cfg, logger)
    return model


def _features(
    args: Namespace,
    model: Any,
    datasets: dict[str, Any],
    configs: tuple[Config, Config],
    distributed: bool,
    logger: logging.Logger,
) -> LabelledFeatures:
    """Return the features of the cache file, otherwise those of the images."""
    cfg, data_cfg = configs
    if not args.features:
        return extract(model, datasets, data_cfg, distributed)
    origin = origin_of(model, cfg, datasets, data_cfg)
    data = cached_features(args.features, origin)
    if data is None:
        data = extract(model, datasets, data_cfg, distributed)
        if dist.is_main():
            write_features(args.features, data, origin)
    logger.info("features: %s", os.path.abspath(args.features))
    return data


def print_table(
    rows: Mapping[str, Mapping[str, float]], data: LabelledFeatures, weights: str, dtype: str
) -> None:
    """Print balanced accuracy, accuracy and, for few classes, the recalls of each classifier.

    Args:
        rows: Metrics of each classifier.
        data: The features of the evaluation.
        weights: Where the network's weights come from.
        dtype: The precision in which the features were computed.
    """
    names = list(data.classes or map(str, range(data.num_classes)))
    names = names if len(names) <= _MAX_COLUMNS else []
    first = Column("classifier", no_wrap=True)
    table = console_table([first, "bal. acc.", "accuracy", *names])
    for title, metrics in rows.items():
        recalls = (f"{metrics[f'recall_{name}']:.2f}" for name in names)
        main = (f"{metrics[key]:.4f}" for key in ("balanced_accuracy", "accuracy"))
        table.add_row(title, *main, *recalls)
    console = table_console()
    console.print(table)
    width = data.train.shape[1]
    console.print(
        f"{len(data.train)} training and {len(data.test)} test images, {width} features each, "
        f"in {dtype}; weights: {weights}. Columns of classes: recall.",
        highlight=False,
    )
