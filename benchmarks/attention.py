"""Benchmark of attention in bfloat16 on the CPU, both passes: ours and torch's kernel.

Freed memory is reused on both sides, as in a training of this project.

Example: python benchmarks/attention.py --threads 1
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from results import Row, add_quick, add_rounds, add_threads, ratio_row, save
from torch import Tensor

from mmselfsup.models.utils.attention import attention
from mmselfsup.utils.memory_allocator import keep_blocks_apart, keep_freed_memory

SCALE = 0.125
# Images, tokens, heads: views of 32 and 64 pixels in patches of 8, MAE's encoder, ViT-S/16.
SHAPES = ((192, 17, 3), (64, 65, 3), (32, 50, 6), (8, 101, 6), (8, 197, 6))


def seconds(part: Callable[..., Tensor], inputs: Sequence[Tensor]) -> dict[str, float]:
    """Return wall and CPU time of a forward and backward pass."""
    wall, cpu = time.perf_counter(), time.process_time()
    out = part(*inputs)
    torch.autograd.grad(out, inputs, out)
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def ours(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return the attention of this project."""
    return attention(query, key, value, SCALE)


def kernel(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return the attention of torch's kernel."""
    return F.scaled_dot_product_attention(query, key, value, scale=SCALE)


def row_of(images: int, tokens: int, heads: int, rounds: int) -> Row:
    """Return the row of one shape; the two sides alternate."""
    qkv = torch.randn(images, tokens, 3, heads, 64, dtype=torch.bfloat16)
    inputs = [part.requires_grad_() for part in qkv.permute(2, 0, 3, 1, 4)]
    slow, fast = [], []
    for _ in range(rounds + 1):
        slow.append(seconds(kernel, inputs))
        fast.append(seconds(ours, inputs))
    shape = f"{images} x {tokens} tokens, {heads} heads of 64"
    return ratio_row(f"{shape}: torch's kernel / ours", slow[1:], fast[1:], 0.95)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_rounds(parser, 9)
    add_threads(parser, 1)
    add_quick(parser)
    args = parser.parse_args()
    if args.quick:
        args.rounds = 1
    torch.set_num_threads(args.threads)
    keep_blocks_apart()
    keep_freed_memory()
    rows = [row_of(*shape, args.rounds) for shape in (SHAPES[:1] if args.quick else SHAPES)]
    command = f"python benchmarks/attention.py --rounds {args.rounds} --threads {args.threads}"
    save("attention", command, rows, {"torch": torch.__version__}, keep=not args.quick)


if __name__ == "__main__":
    main()
