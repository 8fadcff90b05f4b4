"""Steps of SimCLR on random images: by 0.x, by ours, or by a plain loop."""

import contextlib
import resource
from typing import Any

import torch
from serve import serve, settings
from torch import Tensor, nn

wanted = settings()
torch.set_num_threads(wanted["threads"])
torch.manual_seed(0)
kind, depth, size, half = wanted["kind"], wanted["depth"], wanted["size"], wanted["half"]
width = 2048 if depth == 50 else 512
MODEL = dict(
    type="SimCLR",
    backbone=dict(
        type="ResNet", depth=depth, in_channels=3, out_indices=[4], norm_cfg=dict(type="BN")
    ),
    neck=dict(
        type="NonLinearNeck", in_channels=width, hid_channels=width, out_channels=128,
        num_layers=2, with_avg_pool=True, norm_cfg=dict(type="BN1d"),
    ),
    head=dict(type="ContrastiveHead", temperature=0.1),
)  # fmt: skip


def build() -> Any:
    """Return the model that the settings name."""
    if kind == "plain":
        from plain import PlainSimCLR

        return PlainSimCLR(depth)
    if kind == "0.x":  # 0.x calls .cuda() even without a GPU
        Tensor.cuda = lambda self, *args, **kwargs: self  # type: ignore[method-assign]
        nn.Module.cuda = lambda self, *args, **kwargs: self  # type: ignore[method-assign]
        store = torch.distributed.HashStore()  # and needs a process group
        torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    from mmselfsup.models import build_algorithm

    model = build_algorithm(MODEL)
    model.init_weights()
    return model


model = build().train()
if half and kind == "plain":
    model.to(memory_format=torch.channels_last)
if kind == "ours":
    import logging

    from mmselfsup.apis.training.acceleration import accelerate
    from mmselfsup.utils.memory_allocator import keep_blocks_apart, keep_freed_memory

    keep_blocks_apart()  # as FreedMemoryHook does around the first iteration
    options = dict(amp=dict(dtype="bfloat16"), channels_last=True) if half else {}
    accelerate(model, {**options, "compile": wanted["compile"]}, logging.getLogger())
elif wanted["compile"]:
    model.net.compile(dynamic=False)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
views = [torch.randn(wanted["images"], 3, size, size) for _ in range(2)]


def work() -> dict[str, float]:
    """Run one step; return the peak memory of this process so far, in MiB."""
    if kind == "plain":
        region = torch.autocast("cpu", torch.bfloat16) if half else contextlib.nullcontext()
        with region:
            loss = model(*views)
    else:
        loss = model.train_step({"img": views}, optimizer)["loss"]
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return {"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


work()
if kind == "ours":
    keep_freed_memory()
if wanted["compile"]:
    work()
serve(work, {"torch": torch.__version__})
