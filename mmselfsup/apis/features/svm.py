"""The command lines of ``tools/benchmarks/classification/svm_voc07/tools``.

The files and flags are those of MMSelfSup 0.x. An SVM is a ``.npz`` of its weights, not a pickle.
"""

import json
from argparse import Namespace
from pathlib import Path

import numpy as np

from mmselfsup.evaluation.svm import (
    NUM_FOLDS,
    average_precision,
    best_of_costs,
    check_classes,
    class_file,
    decision,
    load_features,
    load_targets,
    read_svm,
    sample_suffix,
    train_classes,
)
from mmselfsup.metrics import finite
from mmselfsup.utils.cpus import available_cores
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write, atomic_write_json
from mmselfsup.utils.plurals import counted


def split(text: str, flag: str, kind: type = float) -> list[str]:
    """Return the parts of a list with commas.

    Raises:
        UserError: A part is no number.
    """
    parts = [part.strip() for part in (text or "").split(",") if part.strip()]
    try:
        numbers = [kind(part) for part in parts]
    except ValueError:
        numbers = []
    if not numbers or len(numbers) != len(parts):
        raise UserError(f"{flag} {text!r}: give numbers with commas between them")
    return parts


def required(args: Namespace, *flags: str) -> None:
    """Check that options without a default are given.

    Raises:
        UserError: One is missing.
    """
    missing = [f"--{flag}" for flag in flags if not getattr(args, flag)]
    if missing:
        raise UserError(f"give {', '.join(missing)}")


def train(args: Namespace, low_shot: bool = False) -> None:
    """Train the SVMs of all classes and costs: with cross-validation, or on a low-shot sample."""
    required(args, "data_file", "targets_data_file", "output_path")
    costs = split(args.costs_list, "--costs_list")
    features = load_features(args.data_file)
    targets = load_targets(args.targets_data_file, len(features))
    check_classes(targets, 1 if low_shot else NUM_FOLDS, args.targets_data_file)
    suffix = sample_suffix(args.targets_data_file) if low_shot else ""
    listed = getattr(args, "cls_list", None)
    classes = [int(c) for c in split(listed, "--cls_list", int)] if listed else None
    if classes is not None and not all(0 <= c < targets.shape[1] for c in classes):
        raise UserError(f"--cls_list {listed}: the classes are 0..{targets.shape[1] - 1}")
    Path(args.output_path).mkdir(parents=True, exist_ok=True)
    train_classes(
        features,
        targets,
        costs,
        lambda number, cost: class_file(args.output_path, number, cost, suffix),
        classes,
        folds=not low_shot,
        seed=args.random_seed,
        workers=available_cores() if args.workers < 0 else args.workers,
    )


def test(args: Namespace) -> None:
    """Test the SVM of each class whose cost was best in cross-validation; print the mean AP."""
    required(args, "data_file", "targets_data_file", "output_path")
    costs = split(args.costs_list, "--costs_list")
    features = load_features(args.data_file)
    targets = load_targets(args.targets_data_file, len(features))
    models = [best_of_costs(args.output_path, c, costs) for c in range(targets.shape[1])]
    scores = np.stack([decision(model, features) for model in models], axis=1)  # [N, C]
    ap = np.array([average_precision(*pair) for pair in zip(targets.T, scores.T, strict=True)])
    with atomic_write(Path(args.output_path, "test_ap.npy")) as file:
        np.save(file, ap)
    if args.generate_json:
        names = image_names(args.json_targets, len(features))
        rows = dict(zip(names, scores.tolist(), strict=True))
        atomic_write_json(Path(args.output_path, "test_scores.json"), rows)
    print(f"mean AP of {counted(len(ap), 'class')}: {100 * np.nanmean(ap):.2f}")


def image_names(path: str | None, num_images: int) -> list[str]:
    """Return the names in a JSON file of targets (its keys, or a list); numbers without a file."""
    if not path:
        return [str(number) for number in range(num_images)]
    try:
        names = [str(name) for name in json.loads(Path(path).read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"--json_targets {path}: {error}") from error
    if len(names) != num_images:
        raise UserError(f"--json_targets {path}: {len(names)} names for {num_images} features")
    return names


def test_low_shot(args: Namespace) -> None:
    """Test the SVMs of all low-shot samples; write the AP [costs, C] of each sample and k."""
    required(args, "data_file", "targets_data_file", "output_path")
    costs = split(args.costs_list, "--costs_list")
    features = load_features(args.data_file)
    targets = load_targets(args.targets_data_file, len(features))
    table: dict[str, dict[str, float | None]] = {}
    for sample, k in samples(args):
        suffix = f"_sample{sample}_k{k}"
        ap = np.array(
            [
                [
                    average_precision(column, decision(read_svm(path), features))
                    for number, column in enumerate(targets.T)
                    for path in [class_file(args.output_path, number, cost, suffix)]
                ]
                for cost in costs
            ]
        )
        with atomic_write(Path(args.output_path, f"test_ap{suffix}.npy")) as file:
            np.save(file, ap)
        means = np.nanmean(ap, axis=1)
        table[suffix[1:]] = finite(dict(zip(costs, means.tolist(), strict=True)))
        print(f"sample {sample}, k = {k}: mean AP {100 * means.max():.2f}")
    if args.generate_json:
        atomic_write_json(Path(args.output_path, "test_ap.json"), table)


def samples(args: Namespace) -> list[tuple[int, int]]:
    """Return the samples, counted from 1 as in the file names, with each k."""
    ks = [int(k) for k in split(args.k_values, "--k_values", int)]
    numbers = [int(s) + 1 for s in split(args.sample_inds, "--sample_inds", int)]
    return [(sample, k) for k in ks for sample in numbers]


def aggregate(args: Namespace) -> None:
    """Print the mean AP of each k over its samples, and write ``low_shot_ap.json``.

    Of the costs the one with the best mean AP on the test images counts, as the benchmark does it:
    with few images there is nothing to choose on. One cost in ``--costs_list`` leaves no choice.
    """
    required(args, "output_path", "k_values", "sample_inds")
    results: dict[int, list[float]] = {}
    for sample, k in samples(args):
        path = Path(args.output_path, f"test_ap_sample{sample}_k{k}.npy")
        if not path.exists():
            raise UserError(f"{path} is missing: run test_svm_low_shot.py first")
        ap = np.load(path, allow_pickle=False)  # [costs, C]
        results.setdefault(k, []).append(100 * float(np.nanmean(ap, axis=1).max()))
    rows = {
        k: dict(mean=float(np.mean(v)), std=float(np.std(v)), min=min(v), max=max(v))
        for k, v in results.items()
    }
    print("   k   mean    std    min    max")
    for k, row in rows.items():
        print(f"{k:4d} " + " ".join(f"{row[name]:6.2f}" for name in ("mean", "std", "min", "max")))
    atomic_write_json(Path(args.output_path, "low_shot_ap.json"), rows)
