"""Explanation of a trained classifier: its occlusion test and its heat maps."""

from __future__ import annotations

import ast
import copy
import hashlib
import inspect
import sys
from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

import numpy as np
from mmcv import Config

from mmselfsup.config import own_data
from mmselfsup.config.inspect import find_dataset, test_part
from mmselfsup.config.load import load_config
from mmselfsup.datasets import build_dataset
from mmselfsup.datasets.class_order import use_classes
from mmselfsup.evaluation.explanation_files import (
    AS_IS,
    PICTURES,
    SHEET,
    VIEWS,
    Explanation,
    write_explanation,
)
from mmselfsup.evaluation.features import check_labels, dataset_digest, files_digest
from mmselfsup.evaluation.heat_map_cases import draw_cases, mask_sheet, write_webp
from mmselfsup.evaluation.occlusion import (
    LesionMasks,
    MaskFinder,
    cached_arrays,
    find_masks,
    measure_occlusion,
    view_scores,
)
from mmselfsup.utils import setup_multi_processes
from mmselfsup.utils.device import default_device
from mmselfsup.utils.error_context import config_errors
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import sha256

from .preflight.trained_input import report_other_input
from .test import evaluate_options, trained_model

SHOWN_MASKS = 24


def run(args: Namespace, find_mask: MaskFinder, dark: int) -> None:
    """Explain the classifier that the command line names, and write the files.

    Args:
        args: The arguments of the command line.
        find_mask: Function that finds the mask of an image's lesion.
        dark: Pixels whose brightest channel is below this, 0..255, are no skin.

    Raises:
        UserError: A file or config can't be used.
    """
    out, checkpoint = Path(args.out), Path(args.checkpoint)
    cfg = load_config(args.config, args.cfg_options)
    own_data.resolve_for([cfg], str(checkpoint))
    setup_multi_processes(cfg)
    dataset, images = _dataset(cfg, args.config)
    model: Any = trained_model(cfg, str(checkpoint)).to(default_device()).eval()
    report_other_input(cfg, str(checkpoint))
    use_classes(dataset, model.CLASSES, "the explained data set", "the checkpoint")
    if not hasattr(model, "class_scores"):
        raise UserError(f"{args.config}: {type(model).__name__} is no classifier with a head")
    masks = _masks(out, dataset, images, cfg, find_mask)
    origin = {"images": images, "weights": sha256(checkpoint), "model": str(cfg.model)}
    hidden = {
        **origin,
        "masks": hashlib.sha256(masks.packed.tobytes()).hexdigest(),
        "dark": str(dark),
    }
    scores = {}
    # Scores of each view are cached at once: an interrupted run resumes with the next view.
    for view in VIEWS:
        scores[view] = cached_arrays(
            out / f"{view}.npz",
            origin if view == AS_IS else hidden,
            partial(view_scores, model, dataset, cfg, masks, view, dark),
        )["scores"]
    drawn = np.random.default_rng(args.seed).permutation(len(dataset))[:SHOWN_MASKS]
    sheet = mask_sheet(dataset.data_source, masks, sorted(drawn.tolist()), dark)
    write_webp(sheet, out / SHEET)
    cases, places, no_heat = draw_cases(
        model, dataset, cfg, scores[AS_IS], args.seed, out / PICTURES
    )
    explanation = Explanation(
        classes=list(dataset.CLASSES or map(str, range(scores[AS_IS].shape[1]))),
        seed=args.seed,
        blackout=measure_occlusion(scores, dataset, masks, evaluate_options(cfg, dataset)),
        cases=cases,
        places=places,
        no_heat=no_heat,
    )
    write_explanation(out, explanation)
    for view, score in explanation.blackout.views.items():
        print(f"{view:<14} balanced accuracy {score.balanced_accuracy:.4f}  "
              f"95 %: {score.balanced_low:.4f} to {score.balanced_high:.4f}")  # fmt: skip
    print(f"masks guessed: {explanation.blackout.guessed} of {len(dataset)}\nwritten: {out}")


def _masks(out: Path, dataset: Any, images: str, cfg: Config, find_mask: MaskFinder) -> LesionMasks:
    """Return the masks of the images, from the file of a run with the same code of the masks."""
    code = "".join(_sources(find_mask.__module__))
    origin = {"images": images, "code": hashlib.sha256(code.encode()).hexdigest()}
    return LesionMasks(
        **cached_arrays(
            out / "masks.npz", origin, lambda: find_masks(dataset.data_source, cfg, find_mask)
        )
    )


def _sources(name: str) -> Iterator[str]:
    """Yield the source of a module, and of those of its package that it imports, directly or not.

    A mask depends on constants and functions of other modules, too.
    """
    package, known, todo = name.partition(".")[0], set[str](), [name]
    while todo:
        name = todo.pop()
        module = sys.modules.get(name)
        if name in known or name.partition(".")[0] != package or module is None:
            continue
        known.add(name)
        try:
            source = inspect.getsource(module)
        except OSError:  # an empty __init__.py, or code without a file
            continue
        yield source
        todo += _imported(source, module.__package__ or "")


def _imported(source: str, package: str) -> list[str]:
    """Return the names of the modules that a source imports, and of what it takes out of them."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            origin = resolve_name(relative, package) if node.level else relative
            names += [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
    return names


def _dataset(cfg: Config, name: str) -> tuple[Any, str]:
    """Return the test images with their labels, and a digest of them.

    Raises:
        UserError: The config has no test images, or not every one has a label.
    """
    part = test_part(cfg)
    _, node = find_dataset(cfg, part)
    with config_errors(f"data.{part}"):
        dataset = build_dataset(copy.deepcopy(node))
    where = node["data_source"].get("ann_file") or f"{name}, data.{part}"
    check_labels(getattr(dataset, "gt_labels", None), len(dataset), where)
    return dataset, f"{dataset_digest(node, dataset, cfg, 'test')} {files_digest(dataset)}"
