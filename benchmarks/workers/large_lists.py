"""Measurements of lists and shards of very many images; ``scale.py`` beside this file runs them."""

import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from meters import MIB, Figures, Meter, in_fork, status, write_list


def image_list(images: int) -> Figures:
    """Read a list, then touch each image in a forked process, as a worker does in an epoch."""
    from mmselfsup.datasets import build_datasource

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "list.txt")
        write_list(path, images)
        tiny = Path(folder, "tiny.txt")
        write_list(tiny, 10)
        config = dict(type="ImageList", data_prefix=folder)
        build_datasource({**config, "ann_file": str(tiny)}).get_gt_labels()
        with Meter() as meter:
            source = build_datasource({**config, "ann_file": str(path)})
        with Meter() as labels_meter:
            labels = source.get_gt_labels()

        def epoch() -> None:
            for i in range(images):  # in an order that jumps about, as a shuffled epoch
                idx = i * 7919 % images
                source.path(idx)
                labels[idx]

        worker = in_fork(epoch) if images <= 2_000_000 else float("nan")
    figures = meter.figures()
    figures["memory"] += labels_meter.kept
    figures["labels_seconds"] = labels_meter.seconds
    return {**figures, "worker": worker}


def list_checks(images: int) -> Figures:
    """Look up the files of a list and describe it, as before a training; the files are empty."""
    from mmselfsup.apis.training.resume import describe_data
    from mmselfsup.datasets import build_datasource
    from mmselfsup.datasets.source_check import check_files, unlisted_images
    from mmselfsup.utils.data_info import DataInfo

    def check(source: Any) -> None:
        check_files(source, "data.train")
        unlisted_images([source])

    def describe(source: Any) -> None:
        dataset = torch.utils.data.Subset(source, range(len(source)))
        vars(dataset)["data_source"] = source
        describe_data(dataset, DataInfo(len(source), 1, 1))

    with tempfile.TemporaryDirectory(dir=_memory_folder()) as folder:
        path = Path(folder, "list.txt")
        write_list(path, images)
        for number in range(min(images, 1000)):
            Path(folder, f"n{number:08d}").mkdir()
        for i in range(images):
            os.mknod(f"{folder}/n{i % 1000:08d}/n{i % 1000:08d}_{i}.JPEG")
        config = dict(type="ImageList", data_prefix=folder, ann_file=str(path))
        source = build_datasource(config)
        with Meter() as meter:
            check(source)
        with Meter() as described:
            describe(source)
    peaks = dict(peak=meter.peak, described_peak=described.peak)
    return {**meter.figures(), **peaks, "described_cpu": described.cpu}


def _memory_folder() -> str | None:
    """Return a folder in memory, None without one: a million files take long on a disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def shard_index(images: int) -> Figures:
    """Open an index of shards, then touch each image in a forked process, as in an epoch.

    Returns:
        ``memory``: memory that no file stands behind; ``mapped``: size of the file.
    """
    import numpy as np

    from mmselfsup.datasets import build_datasource
    from mmselfsup.datasets.data_sources.packed import PackedStrings, bounds_of
    from mmselfsup.datasets.data_sources.shard_index import ShardIndex

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "index.safetensors")
        if os.fork() == 0:  # what making it takes is no part of the figures
            length = len("n00000000/n00000000_00000000.JPEG")
            text = np.frombuffer(b"n00000000/n00000000_00000000.JPEG" * images, np.uint8)
            names = PackedStrings(text, bounds_of(np.full(images, length)))
            first = np.append(np.arange(0, images, 5000), images)
            shards = tuple(f"images-{i:06d}.tar" for i in range(len(first) - 1))
            row = np.arange(images, dtype=np.uint32)
            label = np.arange(images) % 1000
            ShardIndex(names, shards, first, first[1:], row, row, row, label).save(path)
            os._exit(0)
        os.wait()
        config = dict(type="Shards", index=str(path))
        before = status("RssAnon")
        with Meter() as meter:
            source = build_datasource(config)
        kept = status("RssAnon") - before

        def epoch() -> None:
            for i in range(0, images, max(images // 1_000_000, 1)):
                source.index.place(source.data_infos[i * 7919 % images]["line"] - 1)

        worker = in_fork(epoch, "Private_Dirty")
        mapped = path.stat().st_size / MIB
    return {**meter.figures(), "memory": kept, "worker": worker, "mapped": mapped}


def shards(images: int) -> Figures:
    """Read images of 600x450 in a random order: from a folder, from shards, and decoded.

    Returns:
        CPU time of an image in microseconds: ``folder`` and ``shards`` (bytes alone),
        ``folder_pixels`` and ``shards_pixels``; ``written``, that of writing one to shards.
    """
    import numpy as np
    from PIL import Image

    from mmselfsup.datasets.data_sources import ImageList, Shards
    from mmselfsup.datasets.data_sources.shard_writer import make_shards

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "images")
        place.mkdir()
        small = Image.fromarray(rng.integers(0, 256, (45, 60, 3)).astype(np.uint8))
        small.resize((600, 450)).save(place / "0.jpg", quality=90)
        data = (place / "0.jpg").read_bytes()
        for i in range(images):
            (place / f"{i}.jpg").write_bytes(data)
        source = ImageList(str(place))
        with Meter() as meter:
            make_shards(source, Path(folder, "shards"), 1000)
        found = dict(written=meter.cpu / images * 1e6, kilobytes=len(data) / 1000)
        order = rng.permutation(images).tolist()
        for name, one in (("folder", source), ("shards", Shards(url=f"{folder}/shards"))):
            for what, read in (("", one.read_bytes), ("_pixels", one.get_pixels)):
                part = order if not what else order[:1000]
                with Meter() as meter:
                    for idx in part:
                        read(idx)
                found[name + what] = meter.cpu / len(part) * 1e6
                found[f"{name}{what}_peak"] = meter.peak
    return found
