"""Top-k accuracy of a batch of scores. Letters: N batch, C classes."""

from typing import overload

import torch
from torch import Tensor, nn


@overload
def accuracy(pred: Tensor, target: Tensor, topk: int = 1) -> Tensor: ...
@overload
def accuracy(pred: Tensor, target: Tensor, topk: tuple[int, ...]) -> list[Tensor]: ...


@torch.no_grad()
def accuracy(
    pred: Tensor, target: Tensor, topk: int | tuple[int, ...] = 1
) -> Tensor | list[Tensor]:
    """Return the top-k accuracy in percent, 0 to 100.

    A sample is correct if its label is among the k highest scores.

    Args:
        pred: Scores [N, C].
        target: Class numbers [N] (int64), or class distributions [N, C] (mixup), whose largest
            entry is the label.
        topk: One k or several; a k above C is taken as C.

    Returns:
        A tensor of shape [1] (float32, on the device of the scores) for one k, a list of such
        tensors for several. An empty batch has an accuracy of 0.

    Raises:
        TypeError: ``topk`` is neither an int nor a tuple of ints.
    """
    if not isinstance(topk, int | tuple):
        raise TypeError(f"topk must be an int or a tuple of ints, got {topk!r}")
    ks = (topk,) if isinstance(topk, int) else topk
    labels = target.argmax(dim=1) if target.ndim == 2 else target  # [N]
    # One ranking for the largest k; the smaller ones are its first columns.
    best = pred.topk(min(max(ks), pred.shape[1]), dim=1).indices  # [N, max k]
    hits = best.eq(labels[:, None])  # [N, max k]
    percents = [hits[:, :k].float().sum().reshape(1) * (100.0 / max(pred.shape[0], 1)) for k in ks]
    return percents[0] if isinstance(topk, int) else percents


class Accuracy(nn.Module):
    """The top-k accuracy as a module; see ``accuracy``.

    Args:
        topk: One k or several.
    """

    def __init__(self, topk: int | tuple[int, ...] = (1,)) -> None:
        super().__init__()
        self.topk = topk

    def forward(self, pred: Tensor, target: Tensor) -> Tensor | list[Tensor]:
        """Return the accuracy of scores ``pred`` [N, C] for labels ``target`` [N], in percent."""
        return accuracy(pred, target, self.topk)
