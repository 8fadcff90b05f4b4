"""Benchmark of how time grows with the work: items, epochs, clustering, k-NN at 1x, 4x and 16x.

All sizes take turns within a round, in one process with one thread; smaller ones are repeated, so
that all would take equally long if the time grew linearly. The CPU time decides.

Example: python benchmarks/growth.py --rounds 5
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2
import torch
from mmcv.runner import HOOKS, Hook
from pairs import ROOT, ratio
from results import Row, add_quick, add_rounds, save
from synthetic import write_images

from mmselfsup.apis.train import build_datasets, build_model, train_model
from mmselfsup.config.load import load_config
from mmselfsup.datasets import build_dataloader
from mmselfsup.models.utils.knn_classifier import knn_votes
from mmselfsup.utils.clustering import Kmeans

CONFIG = ROOT / "configs/selfsup/simclr/simclr_resnet18_1xb128-coslr-100e_isic2019-64.py"
FACTORS = (1, 4, 16)
TOLERANCE = 0.05
Times = dict[str, float]  # "wall" and "cpu", in seconds
Work = Callable[[], Times | None]
Answers = dict[int, list[Times]]


def seconds() -> Times:
    """Return the clocks of the wall and of this process."""
    return {"wall": time.perf_counter(), "cpu": time.process_time()}


def config(images: Path, count: int, epochs: int, folder: str) -> Any:
    """Return the config for small images with the first ``count`` files, views of 32 px.

    Args:
        images: Folder of the files.
        count: Number of images in the list; files are named again where there are fewer.
        epochs: Number of epochs.
        folder: Existing folder for the list and what a training writes.
    """
    names = list(islice(cycle(sorted(path.name for path in images.glob("*.jpg"))), count))
    Path(folder, "list.txt").write_text("".join(f"{name} 0\n" for name in names))
    options = {
        "data.train.data_source.data_prefix": str(images),
        "data.train.data_source.ann_file": f"{folder}/list.txt",
        "data.samples_per_gpu": 32,
        "data.workers_per_gpu": 0,
        "runner.max_epochs": epochs,
        "checkpoint_config.interval": 10**6,
        "seed": 0,
        "work_dir": folder,
    }
    cfg: Any = load_config(str(CONFIG), options)
    cfg.fp16 = None
    cfg.data.train.pipelines[0][0].size = 32
    return cfg


def items(size: int, images: Path) -> Work:
    """Return: read a list of ``size`` images and load each once, two views."""
    place = images / f"items_{size}"
    place.mkdir()
    cfg = config(images, size, 1, str(place))
    options = dict(shuffle=True, drop_last=False, seed=0)

    def work() -> None:
        (dataset,) = build_datasets(cfg)
        loader = build_dataloader(dataset, samples_per_gpu=32, workers_per_gpu=0, **options)
        assert sum(len(batch["img"][0]) for batch in loader) == size

    return work


@HOOKS.register_module()
class EpochTimes(Hook):  # type: ignore[misc]
    """A hook that keeps wall and CPU seconds of each epoch."""

    def before_run(self, runner: Any) -> None:
        self.times: list[Times] = []

    def before_train_epoch(self, runner: Any) -> None:
        self.begin = seconds()

    def after_train_epoch(self, runner: Any) -> None:
        self.times.append({name: now - self.begin[name] for name, now in seconds().items()})


def epochs(size: int, images: Path) -> Work:
    """Return: train for two epochs of ``size`` images, and give the time of the second.

    The network is a ResNet-18 of a quarter of the width.
    """

    def work() -> Times:
        with tempfile.TemporaryDirectory() as folder:
            cfg = config(images, size, 2, folder)
            cfg.custom_hooks = [*cfg.get("custom_hooks", []), dict(type="EpochTimes")]
            cfg.model.backbone.update(stem_channels=16, base_channels=16)
            cfg.model.neck.in_channels = 128
            runner = train_model(build_model(cfg), build_datasets(cfg), cfg)
            (hook,) = (hook for hook in runner.hooks if isinstance(hook, EpochTimes))
            return hook.times[1]

    return work


def clusters(size: int, images: Path) -> Work:
    """Return: whiten ``size`` features of 256 numbers, then k-means into 100 clusters."""
    features = torch.randn(size, 256, generator=torch.Generator().manual_seed(0)).numpy()

    def work() -> None:
        torch.manual_seed(0)
        Kmeans(k=100, pca_dim=256).cluster(features)

    return work


def neighbours(size: int, images: Path) -> Work:
    """Return: find the 20 nearest of ``size`` features of 256 numbers, for 500 queries."""
    generator = torch.Generator().manual_seed(0)
    train, test = (torch.randn(n, 256, generator=generator) for n in (size, 500))
    labels = torch.arange(size) % 8

    def work() -> None:
        knn_votes(train, labels, test, [20], 0.07, 8)

    return work


@dataclass(frozen=True)
class Kind:
    """A kind of work.

    Attributes:
        what: Its name in the table, with a gap for the number.
        make: Function of a size and the folder of the images that returns the work of this size;
            a work that returns times is measured by these.
        size: Items, images of an epoch or features at 1x.
        quick: The same with ``--quick``.
    """

    what: str
    make: Callable[[int, Path], Work]
    size: int
    quick: int


KINDS = {
    "items": Kind("{} items of two views, read from a list of JPEG files", items, 100, 2),
    "epochs": Kind("an epoch of {} images, the second of a training", epochs, 128, 32),
    "clusters": Kind("whitening and k-means of {} x 256, 100 clusters", clusters, 5_000, 400),
    "neighbours": Kind("k-NN of 500 among {} x 256", neighbours, 20_000, 100),
}


def in_turn(works: dict[int, Work], rounds: int) -> Answers:
    """Run each work once without, then ``rounds`` times with measuring.

    Returns:
        ``wall`` and ``cpu`` seconds by factor and round, of so many repetitions that all factors
        have the same number of items.
    """
    answers: Answers = {factor: [] for factor in works}
    for work in works.values():
        work()
    for number in range(rounds):
        for factor in list(works)[:: 1 if number % 2 == 0 else -1]:
            total = {"wall": 0.0, "cpu": 0.0}
            for _ in range(max(works) // factor):
                begin = seconds()
                took = works[factor]()
                if took is None:
                    took = {name: now - begin[name] for name, now in seconds().items()}
                total = {name: total[name] + took[name] for name in total}
            answers[factor].append(total)
    return answers


def rows_of(kind: Kind, size: int, answers: Answers) -> list[Row]:
    """Return a row for each factor but the first; ``size`` is that at 1x."""
    first, *rest = answers
    lowest = {
        factor: min(answer["cpu"] for answer in values) * factor / max(answers)
        for factor, values in answers.items()
    }
    rows = []
    for factor in rest:
        wall, cpu = (ratio(answers[factor], answers[first], key) for key in ("wall", "cpu"))
        details = (
            f"CPU time {cpu['low']:.3f} to {cpu['high']:.3f}x; lowest {lowest[first]:.3f} s at 1x, "
            f"{lowest[factor]:.3f} s"
        )
        if factor != rest[0]:
            step = ratio(answers[factor], answers[rest[0]], "cpu")
            details += f"; beside {rest[0]}x {step['median']:.3f}x"
        rows.append(
            Row(
                f"{kind.what.format(f'{size * factor:,}')} ({factor}x): time / linear",
                f"{wall['median']:.3f}x",
                f"{wall['low']:.3f} to {wall['high']:.3f}",
                f"{1 - TOLERANCE:g} to {1 + TOLERANCE:g}x",
                abs(cpu["median"] - 1) <= TOLERANCE,
                details,
                f"{cpu['median']:.3f}x",
            )
        )
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    text = "Measure these kinds alone; the rows of the others stay."
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS), help=text)
    add_rounds(parser, 5)
    add_quick(parser)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    logging.disable(logging.WARNING)  # a training says how it goes
    rounds = 1 if args.quick else args.rounds
    with tempfile.TemporaryDirectory() as name:
        images = Path(name)
        write_images(images, max(64, FACTORS[-1] * KINDS["items"].size), 96, 96)
        for kind in (KINDS[name] for name in args.only):
            size = kind.quick if args.quick else kind.size
            works = {factor: kind.make(factor * size, images) for factor in FACTORS}
            rows = rows_of(kind, size, in_turn(works, rounds))
            command = f"OMP_NUM_THREADS=1 python benchmarks/growth.py --rounds {rounds}"
            versions = {"torch": torch.__version__}
            save("growth", command, rows, versions, keep=not args.quick, merge=True)


if __name__ == "__main__":
    main()
