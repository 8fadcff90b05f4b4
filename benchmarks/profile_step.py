"""Profile of a step of SimCLR on the CPU: time of its operators, and the fraction of peak speed.

The peak is measured in the same process: the product of two large square matrices in bfloat16.

Example: python benchmarks/profile_step.py --threads 2
"""

from __future__ import annotations

import argparse
import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from results import Row, add_quick, add_rounds, add_threads, save
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from mmselfsup.apis.training.acceleration import accelerate
from mmselfsup.models import build_algorithm
from mmselfsup.utils.memory_allocator import keep_freed_memory

# An operator belongs to the first key that its name contains.
GROUPS = {
    "convolution": "convolutions",
    "batch_norm": "batch normalisation",
    "_to_copy": "copies between types and layouts",
    "copy_": "copies between types and layouts",
    "threshold": "activations, residual sums, pooling",
    "relu": "activations, residual sums, pooling",
    "add": "activations, residual sums, pooling",
    "pool": "activations, residual sums, pooling",
    "sgd": "optimizer",
}


def step_of(depth: int, size: int, images: int) -> Callable[[], None]:
    """Return a step of our SimCLR in bfloat16 and channels_last on random images."""
    torch.manual_seed(0)
    width = 2048 if depth == 50 else 512
    neck = dict(
        type="NonLinearNeck", in_channels=width, hid_channels=width, out_channels=128, num_layers=2
    )
    model: Any = build_algorithm(
        dict(
            type="SimCLR",
            backbone=dict(type="ResNet", depth=depth, out_indices=[4], norm_cfg=dict(type="BN")),
            neck=neck,
            head=dict(type="ContrastiveHead", temperature=0.1),
        )
    )
    model.train()
    accelerate(model, dict(amp=dict(dtype="bfloat16"), channels_last=True), logging.getLogger())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)
    views = [torch.randn(images, 3, size, size) for _ in range(2)]

    def step() -> None:
        optimizer.zero_grad()
        model.train_step({"img": views}, optimizer)["loss"].backward()
        optimizer.step()

    return step


def seconds_of(work: Callable[[], Any], rounds: int) -> float:
    """Return the least time of a call, after one call to warm up."""
    work()
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def fractions(step: Callable[[], None], rounds: int) -> dict[str, float]:
    """Return the fraction of the profiled time of each group of operators, the largest first."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(rounds):
            step()
    times: Counter[str] = Counter()
    for event in profiler.key_averages():
        name = event.key.lower()
        group = next((group for part, group in GROUPS.items() if part in name), "the rest")
        times[group] += event.self_cpu_time_total
    return {group: value / times.total() for group, value in times.most_common()}


def measure(depth: int, size: int, images: int, rounds: int, peak: float) -> list[Row]:
    """Return the rows of one backbone and size; ``peak``: operations per second."""
    step = step_of(depth, size, images)
    seconds = seconds_of(step, rounds)
    with FlopCounterMode(display=False) as counter:
        step()
    speed = counter.get_total_flops() / seconds
    what = f"ResNet-{depth}, {2 * images} views of {size} px"
    details = f"{seconds:.2f} s, {speed / 1e9:.0f} of {peak / 1e9:.0f} GFLOP/s"
    rows = [Row(f"{what}: speed of a matrix product", f"{speed / peak:.0%}", "", "", None, details)]
    for group, fraction in fractions(step, rounds).items():
        rows.append(
            Row(f"{what}: {group}", f"{fraction:.1%}", "", "", None, "of the profiled time")
        )
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_rounds(parser, 5)
    add_threads(parser, 2)
    add_quick(parser)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    keep_freed_memory()  # as in a training on a CPU
    side = 256 if args.quick else 4096
    left, right = (torch.randn(side, side, dtype=torch.bfloat16) for _ in range(2))
    peak = 2 * side**3 / seconds_of(lambda: left @ right, args.rounds)
    if args.quick:
        save("profile_step", "", measure(18, 64, 2, 1, peak), {}, keep=False)
        return
    rows = measure(18, 64, 128, args.rounds, peak) + measure(50, 224, 16, args.rounds, peak)
    command = f"python benchmarks/profile_step.py --rounds {args.rounds} --threads {args.threads}"
    save("profile_step", command, rows, {"torch": torch.__version__})


if __name__ == "__main__":
    main()
