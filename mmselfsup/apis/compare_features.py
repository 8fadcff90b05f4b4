"""Comparison of a network's features before and after pre-training."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmcv import Config

from mmselfsup.apis.frozen import (
    cached_features,
    extract,
    frozen_model,
    labelled_datasets,
    origin_of,
)
from mmselfsup.config.load import load_config
from mmselfsup.core.evaluation.embedding import embed
from mmselfsup.core.evaluation.kept import write_features
from mmselfsup.core.evaluation.labelled import LabelledFeatures
from mmselfsup.datasets.data_sources.lists import read_list
from mmselfsup.utils import get_root_logger, setup_multi_processes
from mmselfsup.utils.device import default_device
from mmselfsup.utils.files import atomic_write_text

from .choose import draw_points, draw_queries, lines_of
from .data import comparison_config, shared_lesions, sources_of
from .files import SIDES, THUMBS, Embedding, FeatureComparison, write_comparison
from .neighbours import find_neighbours
from .votes import NUM_VOTERS, knn_scores_by

Sides = Mapping[str, LabelledFeatures]
Datasets = Mapping[str, Any]


def run(args: Namespace) -> None:
    """Compare the features as the command line says, and write the files.

    Raises:
        UserError: A file or config can't be used, or features aren't finite.
    """
    out = Path(args.out)
    entries = read_list(str(args.test))
    atomic_write_text(out / "test.txt", lines_of(draw_points(entries, args.seed)))
    cfg = load_config(str(args.config), args.cfg_options)
    classifier = load_config(str(args.dataset_config), args.dataset_options)
    data_cfg = comparison_config(
        classifier, args.images, args.train, out / "test.txt", args.metadata
    )
    setup_multi_processes(data_cfg)
    datasets = labelled_datasets(data_cfg, str(args.dataset_config))
    logger = get_root_logger(out / "look.log")  # also takes mmcv's lines about each weight
    features = {}
    # Without a checkpoint the network has the random weights of the seed.
    for side, weights in zip(SIDES, (None, str(args.checkpoint)), strict=True):
        model = frozen_model(cfg, weights, args.seed, logger).to(default_device())
        features[side] = _features(model, datasets, data_cfg, out, side)
    places = {}
    for side, data in features.items():
        print(f"{side} pre-training: t-SNE of {len(data.test)} test images", flush=True)
        places[side] = embed(data.test, args.seed)
    embedding = Embedding(
        names=np.array(datasets["val"].data_source.image_names()),
        labels=features["after"].test_labels,
        sources=np.array(sources_of(datasets["val"]) or [], dtype=np.str_),
        **places,
    )
    comparison = _comparison(features, datasets, args.seed, len(entries), out / THUMBS)
    write_comparison(out, comparison, embedding)
    print(f"written: {out}", flush=True)


def _features(
    model: Any, datasets: dict[str, Any], cfg: Config, folder: Path, side: str
) -> LabelledFeatures:
    """Return the features of all images, from the file of an interrupted run or computed."""
    path, origin = str(folder / f"{side}.npz"), origin_of(model, datasets, cfg)
    data = cached_features(path, origin)
    if data is None:
        counts = f"{len(datasets['train'])} training and {len(datasets['val'])} test images"
        print(f"{side} pre-training: features of {counts}", flush=True)
        data = extract(model, datasets, cfg)
        write_features(path, data, origin)
    data.check()
    return data


def _comparison(
    features: Sides, datasets: Datasets, seed: int, all_test: int, thumbs: Path
) -> FeatureComparison:
    """Return the k-NN scores, the check of the lesions, and the neighbours of the queries."""
    data = features["after"]
    sources = [sources_of(datasets[part]) for part in ("train", "val")]
    lesions = [getattr(datasets[part].data_source, "lesions", None) for part in ("train", "val")]
    queries = draw_queries(data.test_labels, seed)
    return FeatureComparison(
        classes=list(data.classes or map(str, range(data.num_classes))),
        num_train=len(data.train),
        num_test=len(data.test),
        all_test=all_test,
        seed=seed,
        voters=min(NUM_VOTERS, len(data.train)),
        votes={side: knn_scores_by(data, *sources) for side, data in features.items()},
        shared_lesions=shared_lesions(*lesions),
        queries=find_neighbours(features, datasets, queries, thumbs),
    )
