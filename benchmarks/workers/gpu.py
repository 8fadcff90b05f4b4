"""Epochs of SimCLR on a GPU: by our runner from the decode cache, or by a plain loop.

It also runs on a CPU, to try it out.
"""

import os
import resource
import tempfile
import time
from typing import Any

import torch
from mmcv import Config
from mmcv.runner import HOOKS, Hook
from plain import PlainSimCLR
from serve import next_go, send, serve, settings

from mmselfsup.apis.train import build_datasets, build_model, train_model

wanted = settings()
kind, depth, size, images, iters = (
    wanted[key] for key in ("kind", "depth", "size", "images", "iters")
)
width = 2048 if depth == 50 else 512
on_gpu = torch.cuda.is_available()
device = torch.device("cuda" if on_gpu else "cpu")
NORM = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
torch.backends.cudnn.benchmark = True


def memory() -> float:
    """Return the peak memory of tensors on the GPU in MiB; without a GPU, that of the process."""
    if on_gpu:
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def finish() -> None:
    """Wait for the GPU."""
    if on_gpu:
        torch.cuda.synchronize()


def by_hand() -> None:
    """Run a plain loop: compiled, bfloat16, channels_last, images on the GPU."""
    model = PlainSimCLR(depth).to(device, memory_format=torch.channels_last).train()
    if wanted["compile"]:
        model.net.compile()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, fused=True)
    views = torch.randn(2, images, 3, size, size, device=device)

    def epoch() -> dict[str, float]:
        for _ in range(iters):
            with torch.autocast(device.type, torch.bfloat16):
                loss = model(*views)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        finish()
        return {"memory": memory()}

    serve(epoch, {})


@HOOKS.register_module()
class Turns(Hook):  # type: ignore[misc]
    """A hook that waits for its turn before an epoch, and sends how long the epoch took."""

    def before_train_epoch(self, runner: Any) -> None:
        next_go()
        self.start, self.waited = time.perf_counter(), 0.0
        self.end = self.start
        self.idle: list[Any] = []  # tensors: converting one would wait for the GPU

    def before_train_iter(self, runner: Any) -> None:
        self.waited += time.perf_counter() - self.end
        self.idle.append(runner.log_buffer.val_history["idle_time"][-1])

    def after_train_iter(self, runner: Any) -> None:
        self.end = time.perf_counter()

    def after_train_epoch(self, runner: Any) -> None:
        finish()
        wall = time.perf_counter() - self.start
        idle = sum(map(float, self.idle[1:]))  # the first includes the wait for its turn
        fractions = {"waiting": self.waited / wall, "idle": idle / wall}
        send({"wall": wall, "cpu": 0, "views": 2 * images * iters, "memory": memory(), **fractions})


def ours() -> None:
    """Run our runner, with workers that read the cache and send uint8 views or images."""
    folder = tempfile.mkdtemp()
    names = sorted(os.listdir(wanted["folder"]))
    names = (names * (images * iters // len(names) + 1))[: images * iters]
    with open(f"{folder}/list.txt", "w") as file:
        file.writelines(f"{name}\n" for name in names)
    jitter = dict(type="ColorJitter", brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2)
    pipeline = [
        dict(type="RandomResizedCrop", size=size),
        dict(type="RandomHorizontalFlip"),
        dict(type="RandomAppliedTrans", transforms=[jitter], p=0.8),
        dict(type="RandomGrayscale", p=0.2),
        dict(type="GaussianBlur", sigma_min=0.1, sigma_max=2.0, p=0.5),
    ]
    on_device = kind == "device"
    views = dict(prefetch=True)
    if on_device:
        pipeline += [dict(type="ToTensor"), dict(type="Normalize", **NORM)]
        views = dict(device_transforms=True)
    source = dict(type="ImageList", data_prefix=wanted["folder"], ann_file=f"{folder}/list.txt")
    cache = dict(dir=f"{folder}/cache", short_side=256)
    cfg = Config(
        dict(
            model=dict(
                type="SimCLR",
                backbone=dict(type="ResNet", depth=depth, out_indices=[4]),
                neck=dict(
                    type="NonLinearNeck", in_channels=width, hid_channels=width, out_channels=128,
                    num_layers=2,
                ),
                head=dict(type="ContrastiveHead", temperature=0.1),
            ),
            data=dict(
                samples_per_gpu=images, workers_per_gpu=wanted["workers"], drop_last=True,
                train=dict(
                    type="MultiViewDataset", data_source={**source, "cache": cache},
                    num_views=[2], pipelines=[pipeline], **views,
                ),
            ),
            prefetch=not on_device, img_norm_cfg=NORM,
            amp=dict(dtype="bfloat16"), channels_last=True, compile=wanted["compile"],
            optimizer=dict(type="SGD", lr=0.1, momentum=0.9),
            lr_config=dict(policy="CosineAnnealing", min_lr=0.0),
            runner=dict(type="EpochBasedRunner", max_epochs=wanted["epochs"]),
            log_config=dict(interval=20, hooks=[dict(type="TextLoggerHook")]),
            custom_hooks=[dict(type="Turns", priority="VERY_LOW")],
            work_dir=folder, seed=0,
        )
    )  # fmt: skip
    model, datasets = build_model(cfg), build_datasets(cfg)
    send({})
    train_model(model, datasets, cfg, timestamp="bench")


by_hand() if kind == "by hand" else ours()
