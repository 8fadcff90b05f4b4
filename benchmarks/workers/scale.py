"""One measurement of memory and time as the work grows; prints its figures as a line of JSON.

Example: python benchmarks/workers/scale.py list '{"images": 100000}'

Memory is in MiB, time in seconds. ``memory``: what is kept, private to the process; ``peak``: the
highest resident memory above that of the imports.
"""

import json
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from large_lists import image_list, list_checks, shard_index, shards
from meters import MIB, Figures, Meter, status


def features(rows: int, width: int, ranks: int) -> Figures:
    """Collect features on several ranks for the first one; memory in sizes of the whole matrix.

    Returns:
        ``first`` and ``other``: the highest memory of the first rank and of any other above that
        before the extraction.
    """
    with tempfile.TemporaryDirectory() as folder:
        context = torch.multiprocessing.get_context("fork")
        port = 20_000 + os.getpid() % 20_000
        arguments = [(rank, ranks, port, rows, width, folder) for rank in range(ranks)]
        processes = [context.Process(target=_features_of, args=args) for args in arguments]
        begin = time.perf_counter()
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        seconds = time.perf_counter() - begin
        peaks = [float(Path(folder, str(rank)).read_text()) for rank in range(ranks)]
    matrix = 4 * rows * width / MIB
    return dict(seconds=seconds, first=peaks[0] / matrix, other=max(peaks[1:]) / matrix)


def _features_of(rank: int, ranks: int, port: int, rows: int, width: int, folder: str) -> None:
    """Extract and collect the part of a rank."""
    from torch.utils.data import DataLoader, TensorDataset

    from mmselfsup.utils import dist
    from mmselfsup.utils.collect import nondist_forward_collect

    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in names.items()})
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    dist.init_dist("pytorch", backend="gloo")

    def collate(batch: list[Any]) -> dict[str, Any]:
        return {"idx": torch.stack([row[0] for row in batch])}

    def forward(idx: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"feature": idx[:, None].float().expand(-1, width)}

    def collect(length: int) -> Any:
        loader: Any = DataLoader(
            TensorDataset(torch.arange(length)), batch_size=256, collate_fn=collate
        )
        return nondist_forward_collect(forward, loader, length, everywhere=False)

    collect(2 * ranks)
    dist.barrier()
    with Meter() as meter:
        result = collect(rows)
    if rank == 0:
        found = result["feature"]
        assert found.shape == (rows, width)
        assert (found[:, -1] == torch.arange(rows).float().numpy()).all()
    Path(folder, str(rank)).write_text(str(meter.peak))


def whitening(rows: int, width: int, components: int) -> Figures:
    """Whiten features; memory is that beside the features and the result."""
    from mmselfsup.utils.clustering import preprocess_features

    generator = torch.Generator().manual_seed(0)
    preprocess_features(torch.randn(50, 8, generator=generator).numpy(), 4)
    matrix = torch.empty(rows, width)
    for part in matrix.split(4096):
        part.normal_(generator=generator)
    with Meter() as meter:
        result = preprocess_features(matrix.numpy(), components)
    figures = meter.figures()
    figures["peak"] -= result.nbytes / MIB
    return figures


def neighbours(rows: int, width: int, queries: int) -> Figures:
    """Search the 20 nearest of ``rows`` training samples; memory is that beside the features."""
    from mmselfsup.models.utils.knn_classifier import knn_votes

    generator = torch.Generator().manual_seed(0)
    train, test = (torch.randn(n, width, generator=generator) for n in (rows, queries))
    labels = torch.arange(rows) % 8
    knn_votes(train[:1000], labels[:1000], test[:10], [20], 0.07, 8)
    with Meter() as meter:
        knn_votes(train, labels, test, [20], 0.07, 8)
    return meter.figures()


def nt_xent(ranks: int, images: int, width: int) -> Figures:
    """Loss and gradient of the views of one rank; those of the other ranks are made up."""
    import torch.nn.functional as F

    from mmselfsup.models import build_algorithm
    from mmselfsup.utils import dist

    class Views(torch.nn.Module):
        """Takes images as projections."""

        def forward(self, x: Any) -> Any:
            return x if isinstance(x, list) else [x.flatten(1)]

    head = dict(type="ContrastiveHead", temperature=0.1)
    neck = dict(type="LinearNeck", in_channels=4, out_channels=4)
    backbone = dict(type="ResNet", depth=18, stem_channels=4, base_channels=4)
    model: Any = build_algorithm(dict(type="SimCLR", backbone=backbone, neck=neck, head=head))
    model.backbone, model.neck = Views(), Views()
    rest = F.normalize(torch.randn(2 * images * (ranks - 1), width), dim=1)
    views = [torch.randn(images, width, 1, 1, requires_grad=True) for _ in range(2)]
    model([view[:2] for view in views])["loss"].backward()
    # A gather of ranks that are not there.
    dist.gather_with_grad = lambda z: torch.cat((z, rest))
    with Meter() as meter:
        losses = model(views)
        losses["loss"].backward()
    return meter.figures()


def bank(images: int, width: int, batch: int) -> Figures:
    """A step of NPID beside the bank; the table of the negatives."""
    from mmselfsup.models import build_algorithm

    class Features(torch.nn.Module):
        """Takes images as features."""

        def forward(self, x: Any) -> Any:
            return [x]

    config = dict(
        type="NPID",
        backbone=dict(type="ResNet", depth=18, stem_channels=4, base_channels=4),
        head=dict(type="ContrastiveHead", temperature=0.07),
        memory_bank=dict(type="SimpleMemory", length=images, feat_dim=width, momentum=0.5),
        neg_num=4096,
    )
    model: Any = build_algorithm(config)
    model.backbone = Features()
    with Meter() as table:
        _ = model.memory_bank.multinomial
    idx = torch.arange(batch)

    def step() -> None:
        img = torch.randn(batch, width, 1, 1, requires_grad=True)
        model(img, idx=idx)["loss"].backward()

    model.train()
    with Meter() as meter:
        step()
    figures = meter.figures()
    return {**figures, "table_seconds": table.cpu, "table_peak": table.peak}


def large_image(images: int) -> Figures:
    """A batch of ``device_transforms`` with one image of 12 megapixels among those of 500x375."""
    import numpy as np

    from mmselfsup.datasets.batched.deferred import defer, join
    from mmselfsup.datasets.batched.pipeline import build_batched_pipelines
    from mmselfsup.datasets.pipelines.compose import build_pipeline

    steps = [dict(type="RandomResizedCrop", size=224), dict(type="ToTensor")]
    pipelines = build_batched_pipelines([build_pipeline(steps)] * 2)
    torch.manual_seed(0)
    small, large = np.ones((375, 500, 3), np.uint8), np.ones((3000, 4000, 3), np.uint8)

    def sent(pictures: list[Any]) -> tuple[float, Any]:
        batch: Any = join([defer([picture] * 2, pipelines) for picture in pictures])
        return sum(block.pixels.nbytes for block in batch.blocks) / MIB, batch

    usual, _ = sent([small] * images)
    with Meter() as meter:
        bytes_sent, batch = sent([small] * (images - 1) + [large])
        batch.views(pipelines, torch.device("cpu"))
    return {**meter.figures(), "sent": bytes_sent, "usual": usual}


def resume(images: int) -> Figures:
    """The first batch after a resume in the last tenth of an epoch; ``decoded``: images read."""
    from mmselfsup.datasets import build_dataloader
    from mmselfsup.utils.module import batches_from, set_epoch

    read: list[int] = []

    class Pictures(torch.utils.data.Dataset[dict[str, Any]]):
        """Images that take 20 ms each to decode."""

        def __len__(self) -> int:
            return images

        def __getitem__(self, idx: int) -> dict[str, Any]:
            time.sleep(0.02)
            read.append(int(idx))
            return {"img": torch.zeros(3, 2, 2), "idx": idx}

    loader: Any = build_dataloader(
        Pictures(), samples_per_gpu=32, workers_per_gpu=0, shuffle=True, seed=0
    )
    set_epoch(loader, 3)
    skipped = len(loader) * 9 // 10
    with Meter() as meter:
        next(batches_from(loader, skipped))
    return {**meter.figures(), "decoded": len(read), "skipped": 32 * skipped}


def checkpoint(megabytes: int) -> Figures:
    """Read a checkpoint for a resume, as the command line does, and load weights and optimizer.

    ``peak``: the highest memory of its own beside the model and the state of its optimizer, without
    pages of the file; ``read``: what was read of the file, in sizes of it.
    """
    import logging

    from mmcv import Config

    from mmselfsup.apis.training.resume import read_checkpoint
    from mmselfsup.core.runner import EpochBasedRunner

    layer = 4 * MIB  # of float32
    count = max(1, megabytes * MIB // (3 * layer))

    def make_runner() -> Any:
        model = torch.nn.Module()
        model.layers = torch.nn.ParameterList(torch.ones(layer // 4) for _ in range(count))
        model.train_step = lambda *args: None  # type: ignore[assignment]
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        logger = logging.getLogger("scale")
        return EpochBasedRunner(model, optimizer=optimizer, logger=logger, max_epochs=2, meta={})

    with tempfile.TemporaryDirectory() as folder:
        written = make_runner()
        for parameter in written.model.parameters():
            parameter.grad = torch.ones_like(parameter)
        written.optimizer.step()
        written.save_checkpoint(folder, "epoch_1.pth")
        size = Path(folder, "epoch_1.pth").stat().st_size
        del written
        runner = make_runner()
        path = str(Path(folder, "epoch_1.pth"))
        before, anonymous = _bytes_read(), [status("RssAnon")]
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(0.005):
                anonymous.append(status("RssAnon"))

        watcher = threading.Thread(target=watch)
        watcher.start()
        with Meter() as meter:
            state: Any = read_checkpoint(Config(dict(resume_from=path)), "resume_from")
            runner.resume(path, state=state)
            del state
        ended.set()
        watcher.join()
        states = 2 * count * layer / MIB  # of the optimizer, made by the resume
        return dict(
            seconds=meter.seconds, cpu=meter.cpu, peak=max(anonymous) - anonymous[0] - states,
            megabytes=size / MIB, read=(_bytes_read() - before) / size,
        )  # fmt: skip


def _bytes_read() -> int:
    """Return how many bytes this process has asked the system for."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("rchar")))


def limit_memory() -> None:
    """Let this process fail alone, instead of others being ended for lack of memory."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    most = int(status("VmData") * MIB) + int(0.8 * 1024 * free)
    resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))


MEASUREMENTS: dict[str, Callable[..., Figures]] = {
    "list": image_list,
    "list_checks": list_checks,
    "shard_index": shard_index,
    "shards": shards,
    "features": features,
    "whitening": whitening,
    "neighbours": neighbours,
    "nt_xent": nt_xent,
    "bank": bank,
    "large_image": large_image,
    "resume": resume,
    "checkpoint": checkpoint,
}


if __name__ == "__main__":
    torch.set_num_threads(1)
    limit_memory()
    found: dict[str, Any] | None = None
    try:
        found = MEASUREMENTS[sys.argv[1]](**json.loads(sys.argv[2]))
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
    print(json.dumps(found))  # null: there was too little memory
