"""Iterations of a small SimCLR: through the runner with all hooks, or in a bare loop.

Both use the same random images, made before; the loader returns them without work. The runner
sends the time of an epoch, and the gap before it.
"""

import tempfile
import time
from typing import Any

import torch
from mmcv import Config
from mmcv.runner import HOOKS, Hook
from serve import next_go, send, serve, settings

from mmselfsup.apis.train import train_model
from mmselfsup.models import build_algorithm

wanted = settings()
torch.set_num_threads(wanted["threads"])
torch.manual_seed(0)
batch, size, epochs = wanted["images"], wanted["size"], wanted["epochs"]
model: Any = build_algorithm(
    dict(
        type="SimCLR",
        backbone=dict(type="ResNet", depth=18, out_indices=[4], norm_cfg=dict(type="BN")),
        neck=dict(
            type="NonLinearNeck", in_channels=512, hid_channels=512, out_channels=128, num_layers=2
        ),
        head=dict(type="ContrastiveHead", temperature=0.1),
    )
)
model.init_weights()
views = torch.randn(2, batch, 3, size, size)


class Made(torch.utils.data.Dataset[dict[str, Any]]):
    """A data set of images in memory."""

    def __len__(self) -> int:
        return batch * wanted["iters"]

    def __getitem__(self, idx: int) -> dict[str, Any]:
        return {"img": [view[idx % batch] for view in views], "idx": idx}


@HOOKS.register_module()
class Turns(Hook):  # type: ignore[misc]
    """A hook that sends the time of an epoch, and that of the gap before it."""

    def before_run(self, runner: Any) -> None:
        self.end = None

    def before_train_epoch(self, runner: Any) -> None:
        self.gap = 0.0 if self.end is None else time.perf_counter() - self.end
        next_go()

    def before_train_iter(self, runner: Any) -> None:
        if runner.inner_iter == 0:
            self.start = time.perf_counter(), time.process_time()

    def after_train_epoch(self, runner: Any) -> None:
        wall, cpu = time.perf_counter() - self.start[0], time.process_time() - self.start[1]
        send({"wall": wall, "cpu": cpu, "gap": self.gap})
        self.end = time.perf_counter()


def bare() -> None:
    """Run the same iterations without a runner."""
    for batch in loader:
        loss = model(batch["img"])["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


if wanted["kind"] == "bare":
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loader = torch.utils.data.DataLoader(Made(), batch)
    model.train()
    serve(bare, {"torch": torch.__version__})
else:
    cfg = Config(
        dict(
            data=dict(samples_per_gpu=batch, workers_per_gpu=0),
            optimizer=dict(type="SGD", lr=0.01, momentum=0.9),
            lr_config=dict(policy="CosineAnnealing", min_lr=0.0),
            runner=dict(type="EpochBasedRunner", max_epochs=epochs),
            log_config=dict(interval=10, hooks=[dict(type="TextLoggerHook")]),
            custom_hooks=[dict(type="Turns", priority="VERY_LOW")],
            work_dir=tempfile.mkdtemp(),
            seed=0,
        )
    )
    send({"torch": torch.__version__})
    train_model(model, Made(), cfg, timestamp="bench")
