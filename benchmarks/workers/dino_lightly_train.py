"""DINO by the training command of lightly-train: an epoch for each ``go``.

With ``equal`` its optimizer is AdamW, as ours; otherwise only the sizes of the views, batch and
workers are set, and all else is its default. Nothing is sent to its makers.
"""

import os
import tempfile
import time
from typing import Any

os.environ["LIGHTLY_TRAIN_EVENTS_DISABLED"] = "1"

import lightly_train
import torch
from lightly_train._methods.dino.dino import DINO
from serve import cpu_seconds, next_go, send, settings

wanted = settings()
torch.set_num_threads(wanted["threads"])
start = [0.0, 0.0]


def begin(self: Any) -> None:
    """Wait for the turn of an epoch."""
    next_go()
    start[:] = time.perf_counter(), cpu_seconds()


def end(self: Any) -> None:
    """Send how long the epoch took; before the callbacks that write checkpoints."""
    send({"wall": time.perf_counter() - start[0], "cpu": cpu_seconds() - start[1]})


# The hooks of Lightning's module: its trainer offers no turns.
DINO.on_train_epoch_start = begin
DINO.on_train_epoch_end = end
views: dict[str, Any] = {
    "image_size": (wanted["size"], wanted["size"]),
    "local_view": {"view_size": (wanted["small"], wanted["small"])},
}
options: dict[str, Any] = {}
if wanted["equal"]:
    options = dict(
        optim="adamw", precision="32-true", method_args=dict(output_dim=1024),
        loader_args=dict(persistent_workers=True),
    )  # fmt: skip
send({"lightly-train": lightly_train.__version__, "torch": torch.__version__})
lightly_train.pretrain(
    out=tempfile.mkdtemp(), overwrite=True, data=wanted["folder"], model="torchvision/resnet18",
    method="dino", epochs=wanted["epochs"], batch_size=wanted["batch"],
    num_workers=wanted["workers"], transform_args=views, accelerator="cpu", devices=1, **options,
)  # fmt: skip
