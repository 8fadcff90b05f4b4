"""Look at the features of a network before and after pre-training."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmcv import Config

from mmselfsup.apis.config import load_config
from mmselfsup.apis.frozen import (
    extract,
    frozen_model,
    kept_features,
    labelled_datasets,
    origin_of,
)
from mmselfsup.core.evaluation import LabelledFeatures, embed, write_features
from mmselfsup.datasets.data_sources.entries import read_list
from mmselfsup.utils import get_root_logger, setup_multi_processes
from mmselfsup.utils.atomic import atomic_write_text
from mmselfsup.utils.device import default_device

from .choose import draw_points, draw_queries, lines_of
from .data import looks_config, shared_lesions, sources_of
from .files import SIDES, THUMBS, Look, Points, write_look
from .neighbours import find_neighbours
from .votes import NUM_VOTERS, count_votes

Sides = Mapping[str, LabelledFeatures]
Datasets = Mapping[str, Any]


def run(args: Namespace) -> None:
    """The way from the command line to the files of a look.

    Raises:
        UserError: A file or config can't be used, or features aren't finite.
    """
    out = Path(args.out)
    entries = read_list(str(args.test))
    atomic_write_text(out / "test.txt", lines_of(draw_points(entries, args.seed)))
    cfg = load_config(str(args.config), args.cfg_options)
    classifier = load_config(str(args.dataset_config), args.dataset_options)
    data_cfg = looks_config(classifier, args.images, args.train, out / "test.txt", args.metadata)
    setup_multi_processes(data_cfg)
    datasets = labelled_datasets(data_cfg, str(args.dataset_config))
    logger = get_root_logger(out / "look.log")  # takes mmcv's lines on each weight, too
    features = {}
    for side, weights in zip(SIDES, (None, str(args.checkpoint)), strict=True):
        model = frozen_model(cfg, weights, args.seed, logger).to(default_device())
        features[side] = _features(model, datasets, data_cfg, out, side)
    places = {}
    for side, data in features.items():
        print(f"{side} pre-training: t-SNE of {len(data.test)} test images", flush=True)
        places[side] = embed(data.test, args.seed)
    points = Points(
        names=np.array(datasets["val"].data_source.image_names()),
        labels=features["after"].test_labels,
        sources=np.array(sources_of(datasets["val"]) or [], dtype=np.str_),
        **places,
    )
    write_look(out, _look(features, datasets, args.seed, len(entries), out / THUMBS), points)
    print(f"written: {out}", flush=True)


def _features(
    model: Any, datasets: dict[str, Any], cfg: Config, folder: Path, side: str
) -> LabelledFeatures:
    """Features of all images, from the file of a run that was broken off or from the images."""
    path, origin = str(folder / f"{side}.npz"), origin_of(model, datasets, cfg)
    data = kept_features(path, origin)
    if data is None:
        counts = f"{len(datasets['train'])} training and {len(datasets['val'])} test images"
        print(f"{side} pre-training: features of {counts}", flush=True)
        data = extract(model, datasets, cfg)
        write_features(path, data, origin)
    data.check()
    return data


def _look(features: Sides, datasets: Datasets, seed: int, all_test: int, thumbs: Path) -> Look:
    """Votes, the check of the lesions, and the neighbours of the queries."""
    data = features["after"]
    sources = [sources_of(datasets[part]) for part in ("train", "val")]
    lesions = [getattr(datasets[part].data_source, "lesions", None) for part in ("train", "val")]
    queries = draw_queries(data.test_labels, seed)
    return Look(
        classes=list(data.classes or map(str, range(data.num_classes))),
        num_train=len(data.train),
        num_test=len(data.test),
        all_test=all_test,
        seed=seed,
        voters=min(NUM_VOTERS, len(data.train)),
        votes={side: count_votes(found, *sources) for side, found in features.items()},
        shared_lesions=shared_lesions(*lesions),
        queries=find_neighbours(features, datasets, queries, thumbs),
    )
