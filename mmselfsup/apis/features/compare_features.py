"""Comparison of a network's features before and after pre-training.

Both networks see the same images through the test pipeline of a classifier's config; features are
cached, so that an interrupted run resumes.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmcv import Config

from mmselfsup.config import own_data
from mmselfsup.config.inspect import comparison_config
from mmselfsup.config.load import load_config
from mmselfsup.datasets.data_sources.lists import read_list
from mmselfsup.evaluation.feature_comparison import (
    NUM_VOTERS,
    draw_points,
    draw_queries,
    find_neighbours,
    knn_scores_by,
    lines_of,
)
from mmselfsup.evaluation.feature_comparison_files import (
    SIDES,
    THUMBS,
    Embedding,
    FeatureComparison,
    write_comparison,
)
from mmselfsup.evaluation.features import (
    LabelledFeatures,
    cached_features,
    extract,
    labelled_datasets,
    origin_of,
    write_features,
)
from mmselfsup.evaluation.tsne import embed
from mmselfsup.utils import get_root_logger, setup_multi_processes
from mmselfsup.utils.files import atomic_write_text
from mmselfsup.utils.patients import source_of

from .frozen_features import extraction_model

Sides = Mapping[str, LabelledFeatures]
Datasets = Mapping[str, Any]


def run(args: Namespace) -> None:
    """Compare the features as the command line says, and write the files.

    Raises:
        UserError: A file or config can't be used, or features aren't finite.
    """
    out = Path(args.out)
    entries = read_list(str(args.test))
    # The data set reads a list from a file, so the drawn images are written as one.
    atomic_write_text(out / "test.txt", lines_of(draw_points(entries, args.seed)))
    cfg = load_config(str(args.config), args.cfg_options)
    classifier = load_config(str(args.dataset_config), args.dataset_options)
    own_data.resolve_for([cfg, classifier], None)
    data_cfg = comparison_config(
        classifier, args.images, args.train, out / "test.txt", args.metadata
    )
    setup_multi_processes(data_cfg)
    datasets = labelled_datasets(data_cfg, str(args.dataset_config))
    logger = get_root_logger(out / "look.log")  # also takes mmcv's lines about each weight
    features = {}
    # Without a checkpoint the network has the random weights of the seed.
    for side, weights in zip(SIDES, (None, str(args.checkpoint)), strict=True):
        model = extraction_model(cfg, weights, args.seed, logger, image_cfg=data_cfg)
        features[side] = _features(model, datasets, (cfg, data_cfg), out, side)
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
    model: Any, datasets: dict[str, Any], configs: tuple[Config, Config], folder: Path, side: str
) -> LabelledFeatures:
    """Return the features of all images, from the file of an interrupted run or computed."""
    cfg, data_cfg = configs
    path, origin = str(folder / f"{side}.npz"), origin_of(model, cfg, datasets, data_cfg)
    data = cached_features(path, origin)
    if data is None:
        counts = f"{len(datasets['train'])} training and {len(datasets['val'])} test images"
        print(f"{side} pre-training: features of {counts}", flush=True)
        data = extract(model, datasets, data_cfg)
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


def sources_of(dataset: Any) -> list[str] | None:
    """Return the source of each image (HAM, BCN, MSK, none); None where no lesion is known."""
    lesions = getattr(dataset.data_source, "lesions", None)
    return None if lesions is None else [source_of(lesion) for lesion in lesions]


def shared_lesions(first: Sequence[str] | None, second: Sequence[str] | None) -> int | None:
    """Return the number of lesions that have images in both lists.

    Args:
        first: Lesion of each image of a list, ``''`` where it has none; None if unknown.
        second: The same of the other list.

    Returns:
        The number; None if the lesions of a list aren't known.
    """
    if first is None or second is None:
        return None
    return len((set(first) & set(second)) - {""})
