"""Audit of a data set by the features of a network: duplicates, off-topic images, wrong labels."""

from __future__ import annotations

import copy
import zipfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Column

from mmselfsup.config import own_data
from mmselfsup.config.inspect import class_list, find_dataset, images_config, test_part
from mmselfsup.config.load import load_config
from mmselfsup.datasets import build_dataset
from mmselfsup.datasets.class_order import listed
from mmselfsup.datasets.data_sources.metadata import read_lesions
from mmselfsup.datasets.loader import build_eval_loader
from mmselfsup.evaluation.data_issue_files import (
    ACROSS,
    KINDS,
    LABEL_ERRORS,
    OFF_TOPIC,
    THUMBS,
    DataIssues,
    Measured,
    write_issues,
)
from mmselfsup.evaluation.data_issues import NO_LABEL, check_features, retrieval
from mmselfsup.evaluation.features import dataset_digest, files_digest, network_origin
from mmselfsup.evaluation.issue_rankings import (
    Audited,
    Ranking,
    first_issues,
    rank_issues,
    ranking_table,
)
from mmselfsup.evaluation.occlusion import cached_arrays
from mmselfsup.isic.demo.planting import COPY, OTHER, WRONG, Planted, read_planted
from mmselfsup.isic.duplicates import image_hashes, near_pairs
from mmselfsup.models.utils import ExtractProcess
from mmselfsup.utils import get_root_logger, setup_multi_processes
from mmselfsup.utils.console import console_table, table_console
from mmselfsup.utils.device import default_device
from mmselfsup.utils.error_context import config_errors, run_errors
from mmselfsup.utils.errors import UnknownColumnError, UnknownLabelError, UserError
from mmselfsup.utils.files import atomic_write_text, check_writable
from mmselfsup.utils.seed import MAX_SEED
from mmselfsup.utils.study_data import read_words

from .frozen_features import extraction_model, split_options

#: Parts of the images that a person looks at, for which the recall of planted issues is given.
_PARTS = (0.01, 0.05)
_HASH = "perceptual hash"
_HASH_BITS = 48  # of 256 may differ: twice as many as of a duplicate, see isic.duplicates


def run(args: Namespace) -> None:
    """Rank the issues of the data set that the command line names, and write the files.

    Raises:
        UserError: A file or config can't be used, or the features rank nothing.
    """
    out = Path(args.out)
    check_arguments(args)
    check_writable(out / "issues.json")
    planted = None if args.planted is None else read_planted(args.planted)
    audited, source = _from_file(args) if args.config is None else _from_images(args, out)
    rankings, notes = rank_issues(audited, args.neighbours, default_device())
    for ranking in rankings:
        atomic_write_text(out / f"{ranking.kind}.csv", ranking_table(ranking, audited))
    for kind in set(KINDS) - {ranking.kind for ranking in rankings}:
        (out / f"{kind}.csv").unlink(missing_ok=True)  # of an earlier run: it would look like new
    known = audited.labels[audited.labels != NO_LABEL]
    lesions = None if audited.lesions is None else len(set(audited.lesions) - {""})
    issues = DataIssues(
        source=source,
        num_images=len(audited.names),
        num_labelled=len(known),
        num_classes=len(np.unique(known)),
        num_lesions=lesions,
        width=int(audited.features.shape[1]),
        neighbours=args.neighbours,
        notes=notes,
        rankings=[first_issues(r, audited, args.show, out / THUMBS) for r in rankings],
        measured=[] if planted is None else measure(rankings, audited, planted),
        group=audited.group[0],
        groups=audited.group[1],
    )
    write_issues(out, issues)
    _print(issues)


def check_arguments(args: Namespace) -> None:
    """Check that the arguments fit together, before any work.

    Raises:
        UserError: They do not.
    """
    if (args.config is None) == (args.features is None):
        raise UserError("give CONFIG CHECKPOINT, or --features FILE.npz: one of both")
    if args.config is not None and args.checkpoint is None:
        raise UserError("name the CHECKPOINT, or 'none' for the untrained network")
    if args.config is not None and args.images is None:
        raise UserError("name the folder of the images by --images")
    if args.images is not None and not args.images.is_dir():
        raise UserError(f"--images {args.images}: no such folder")
    if args.features is not None and args.list is not None:
        raise UserError("--list: --features has its own names and labels; leave one of both out")
    if not 0 <= args.seed <= MAX_SEED:
        raise UserError(f"--seed {args.seed}: give a whole number from 0 to {MAX_SEED}")
    if args.show < 1:
        raise UserError(f"--show {args.show}: give 1 or more")


def _from_images(args: Namespace, out: Path) -> tuple[Audited, str]:
    """Return the images of a folder or list with their features, and the name of the weights."""
    data_cfg = load_config(args.dataset_config)
    model_options, data_options = split_options(args.cfg_options, data_cfg)
    cfg = load_config(args.config, model_options)
    data_cfg = load_config(args.dataset_config, data_options)
    key = f"{find_dataset(data_cfg, test_part(data_cfg))[0]}.data_source.classes"
    data_cfg = images_config(data_cfg, args.images, args.list)
    own_data.resolve_for([cfg, data_cfg], None if args.checkpoint == "none" else args.checkpoint)
    setup_multi_processes(data_cfg)
    node = find_dataset(data_cfg, "test")[1]
    with config_errors("data.test"), _named_classes(args, key, class_list(data_cfg)):
        dataset: Any = build_dataset(copy.deepcopy(data_cfg.data.test))
    names = dataset.data_source.image_names()
    lesions = None if args.metadata is None else read_lesions(str(args.metadata), names)
    _check_files(dataset, args.images)
    if args.neighbours >= len(names):  # before the extraction, which takes the most time
        check_features(np.zeros((len(names), 1), np.float32), args.neighbours)
    logger = get_root_logger(out / "find_issues.log")  # also takes mmcv's lines about each weight
    checkpoint = None if args.checkpoint in ("none", "random") else args.checkpoint
    model = extraction_model(cfg, checkpoint, args.seed, logger, image_cfg=data_cfg)

    def extract() -> dict[str, NDArray[Any]]:
        loader = build_eval_loader(dataset, data_cfg, "test", False)
        with run_errors():
            return {"features": ExtractProcess().extract(model, loader)["feat"]}

    origin = {
        **network_origin(model, cfg),
        "images": f"{dataset_digest(node, dataset, data_cfg, 'test')} {files_digest(dataset)}",
    }
    audited = Audited(
        features=cached_arrays(out / "features.npz", origin, extract)["features"],
        names=names,
        labels=single_labels(dataset.gt_labels, len(names)),
        lesions=lesions,
        classes=dataset.CLASSES,
        folder=args.images,
        group=_group_words(args),
    )
    return audited, checkpoint or f"the untrained network, seed {args.seed}"


@contextmanager
def _named_classes(args: Namespace, key: str, classes: Sequence[str] | None) -> Iterator[None]:
    """Say of labels that are none of the given classes where these classes come from.

    Args:
        args: The command line.
        key: Key of the classes in the config of the data set.
        classes: The classes there; None where the images name their own.

    Raises:
        UserError: The list has other classes.
    """
    try:
        yield
    except (UnknownColumnError, UnknownLabelError) as error:
        if not classes:
            raise
        given = any(option.partition("=")[0].endswith(".classes") for option in args.cfg_options)
        place = "--cfg-options" if given else str(args.dataset_config)
        raise UserError(
            f"{error}: {key} of {place} is {listed(classes)}; name the classes of {args.list} by "
            f'--cfg-options "{key}=[NAME,...]", or take those in it by {key}=None'
        ) from error


def _group_words(args: Namespace) -> tuple[str, str]:
    """Return what groups of images are called: as given, or as in the study of the metadata.

    Raises:
        UserError: The file of the study's words is damaged.
    """
    if args.group_words is not None:
        one, several = args.group_words
        return one, several
    folder = None if args.metadata is None else args.metadata.absolute().parent
    said = None if folder is None else read_words((folder, folder.parent))
    return ("lesion", "lesions") if said is None else (said.group, said.groups)


def _check_files(dataset: Any, images: Path) -> None:
    """Check that the image files exist, before the features are computed.

    Raises:
        UserError: Some are missing.
    """
    source = dataset.data_source
    missing = [i for i in range(len(dataset)) if not Path(source.path(i)).is_file()]
    if missing:
        raise UserError(
            f"{images} lacks {len(missing)} of {len(dataset)} listed images, such as "
            f"{Path(source.path(missing[0])).name}"
        )


def single_labels(labels: object, num: int) -> NDArray[np.int64]:
    """Return one label for each image, [N]; -1 for all where there are none or several each."""
    array = np.asarray(labels)
    if array.shape != (num,) or not np.issubdtype(array.dtype, np.integer):
        return np.full(num, NO_LABEL, dtype=np.int64)
    return array.astype(np.int64)


def _from_file(args: Namespace) -> tuple[Audited, str]:
    """Return the features of a ``.npz`` file: ``features``; names and ``labels`` if there.

    Names are in ``names``, or in ``images`` as ``embed.py`` writes them.

    Raises:
        UserError: It is no such file, or its arrays do not fit together.
    """
    path = Path(args.features)
    try:
        loaded = np.load(path, allow_pickle=False)  # a pickle could run any code
        if isinstance(loaded, np.ndarray):
            raise ValueError("it holds one array without a name: np.savez(FILE, features=...)")
        with loaded as file:
            arrays = {name: file[name] for name in file.files}
        features = np.asarray(arrays["features"])
    except FileNotFoundError:
        raise UserError(f"--features {path}: no such file") from None
    except (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise UserError(
            f"--features {path}: no .npz file with an array 'features' [N, D] ({error})"
        ) from error
    num = len(features) if features.ndim else 0
    named = arrays.get("names", arrays.get("images"))  # embed.py writes the latter
    names = [str(name) for name in (np.arange(num) if named is None else named)]
    if len(names) != num:
        raise UserError(f"--features {path}: {num} features, but {len(names)} names")
    if args.images is not None and named is None:
        raise UserError(f"--features {path}: without 'names' in it, --images shows nothing")
    labels = arrays.get("labels")
    if labels is not None and labels.shape != (num,):
        raise UserError(f"--features {path}: labels {labels.shape}, wanted one for each of {num}")
    classes = [str(name) for name in arrays.get("classes", ())] or None
    numbers = single_labels(labels, num)
    if classes is not None and int(numbers.max(initial=-1)) >= len(classes):
        raise UserError(f"--features {path}: a label is {numbers.max()}, of {len(classes)} classes")
    lesions = [str(name) for name in arrays.get("lesions", ())] or None
    if lesions is not None and len(lesions) != num:
        raise UserError(f"--features {path}: {num} features, but {len(lesions)} lesions")
    if args.metadata is not None:
        lesions = read_lesions(str(args.metadata), names)
    check_features(features, args.neighbours)
    audited = Audited(
        features.astype(np.float32),
        names,
        numbers,
        lesions,
        classes,
        args.images,
        _group_words(args),
    )
    return audited, str(path)


def measure(
    rankings: Sequence[Ranking], audited: Audited, planted: Sequence[Planted]
) -> list[Measured]:
    """Return how many planted issues the rankings find; duplicates by their hashes as well.

    Each kind is measured alone: entries with a planted off-topic image are left out of the other
    rankings. Such images are near-duplicates of each other, and their labels mean nothing.

    Raises:
        UserError: None of the planted images is in the data set.
    """
    number = {name: i for i, name in enumerate(audited.names)}
    if not any(item.image in number for item in planted):
        raise UserError("--planted: none of its images is in the data set")
    pairs = {
        frozenset((number[p.image], number[p.source]))
        for p in planted
        if p.kind == COPY and p.image in number and p.source in number
    }
    single = {
        kind: {number[p.image] for p in planted if p.kind == kind and p.image in number}
        for kind in (OTHER, WRONG)
    }
    others = single[OTHER]
    rows = []
    for ranking in rankings:
        index = ranking.index.tolist()
        if ranking.kind == ACROSS and pairs:
            hits = [frozenset(p) in pairs for p in index if not others.intersection(p)]
            rows += _measured("duplicates", hits, pairs, audited)
            rows += _by_hash(audited, pairs, others)
        if ranking.kind == LABEL_ERRORS:
            index = [row for row in index if row[0] not in others]
        known = others if ranking.kind == OFF_TOPIC else single[WRONG]
        if ranking.kind in (OFF_TOPIC, LABEL_ERRORS) and known:
            name = ranking.kind.replace("_", " ")
            rows += _measured(name, [row[0] in known for row in index], known, audited)
    return rows


def _measured(name: str, hits: Sequence[bool], known: Any, audited: Audited) -> list[Measured]:
    """Return a row for each part of the images that is looked at."""
    rows = []
    for part in _PARTS:
        top = max(1, round(part * len(audited.names)))
        found = retrieval(np.array(hits, dtype=bool), len(known), top)
        rows.append(
            Measured(
                name, len(known), top, part, found.found, found.recall, found.average_precision
            )
        )
    return rows


def _by_hash(audited: Audited, pairs: set[frozenset[int]], others: set[int]) -> list[Measured]:
    """Return the rows of the ranking by perceptual hashes, for comparison."""
    if audited.folder is None:
        return []
    hashes = image_hashes([audited.folder / name for name in audited.names])
    ranked = near_pairs(hashes, _HASH_BITS)
    lesions = audited.lesions or [""] * len(audited.names)
    across = [p for p in ranked if not lesions[p.first] or lesions[p.first] != lesions[p.second]]
    kept = [{p.first, p.second} for p in across if not others & {p.first, p.second}]
    hits = [frozenset(p) in pairs for p in kept]
    return _measured(_HASH, hits, pairs, audited)


def _print(issues: DataIssues) -> None:
    """Print the rankings, what was left out, and the planted issues found."""
    console = table_console()
    table = console_table([Column("ranking", no_wrap=True), "entries", "first", "last shown"])
    for ranked in issues.rankings:
        scores = [f"{issue.score:.4f}" for issue in ranked.shown] or ["–"]
        ends = (scores[0], scores[-1])
        kind = ranked.kind.replace("_", " ").replace("lesions", issues.groups)
        table.add_row(kind, str(ranked.num), *ends)
    console.print(table)
    if issues.measured:
        heads = ["planted", "looked at", "found", "recall", "average precision"]
        table = console_table([Column("planted issues", no_wrap=True), *heads])
        for row in issues.measured:
            numbers = (f"{row.recall:.3f}", f"{row.average_precision:.3f}")
            looked = f"{row.top} ({row.part:.0%})"
            table.add_row(row.ranking, str(row.num_planted), looked, str(row.found), *numbers)
        console.print(table)
    for note in issues.notes:
        console.print(note, highlight=False)
