"""Samples and batches whose views are made later, on the device.

A worker samples the parameters of each view (``defer``), cuts from each image what its crops see,
and joins the samples to a batch (``join``) in blocks of parts of similar size: one large image
makes its own block large, not the batch. ``DeferredBatch.views`` makes the views.

Letters: N samples, M different images of them, V views of a sample, P parameters of a view, m
images of a block, n views made of them, H, W size of a block, S, T size of a view.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..pipelines.encoded import EncodedImage

if TYPE_CHECKING:
    from ..pipelines.encoded import Pixels
    from .pipeline import BatchedPipeline

Indices = NDArray[np.int64]
# A block more costs some launches of kernels, so it has to save this part of all pixels.
_WORTH_A_BLOCK = 1 / 32


@dataclass
class Deferred:
    """One sample whose views are made later, on the device.

    Attributes:
        images: The parts [H, W, 3] of all different images that their crops see.
        sources: [V], which of them each view is made of.
        params: V tuples of P parameters; the crops are relative to the parts.
        masks: V masks of the views, None for a pipeline without a generator of masks.
    """

    images: list[Pixels]
    sources: list[int]
    params: list[tuple[float, ...]]
    masks: list[Tensor | None]


@dataclass
class Block:
    """Parts of images of similar size.

    Attributes:
        pixels: [m, H, W, 3] uint8; smaller parts are padded to the right and below, and no crop
            reaches into the padding.
        rows: V tensors [n], int64: which part each view is made of; None: part i for view i.
        samples: V tensors [n], int64: the samples that these views belong to.
    """

    pixels: Tensor
    rows: list[Tensor | None]
    samples: list[Tensor]


@dataclass
class DeferredBatch:
    """A batch whose views are made later, on the device.

    Attributes:
        blocks: The pixels.
        params: V tensors [N, P], float32.
        masks: V tensors [N, ...], the masks of the views, or None.
    """

    blocks: list[Block]
    params: list[Tensor]
    masks: list[Tensor | None]

    def pin_memory(self) -> DeferredBatch:
        """Return the batch with its pixels and masks in page-locked memory.

        The loader calls this, so that they can be copied while the device computes.
        """
        blocks = [Block(b.pixels.pin_memory(), b.rows, b.samples) for b in self.blocks]
        masks = [None if mask is None else mask.pin_memory() for mask in self.masks]
        return DeferredBatch(blocks, self.params, masks)

    def views(self, pipelines: Sequence[BatchedPipeline], device: torch.device) -> list[Any]:
        """Return each view, [N, 3, S, T] float32 on the device, or a list of it and its mask.

        Args:
            pipelines: V batched pipelines.
            device: Device of the views.
        """
        crops: list[list[Tensor]] = [[] for _ in pipelines]
        for block in self.blocks:
            # Pixels travel as bytes, once for all views, and are floats on the device for as long
            # as the crops of their block take.
            pixels = block.pixels.to(device, non_blocking=True).float()
            for view, pipeline in enumerate(pipelines):
                samples, rows = block.samples[view], block.rows[view]
                if not len(samples):
                    continue
                images = pixels
                if rows is not None:
                    images = pixels.index_select(0, rows.to(device, non_blocking=True))
                params = self.params[view].index_select(0, samples)
                crops[view].append(pipeline.crop_views(images, params))
        views: list[Any] = [
            pipeline.finish_views(self._in_order(crops[view], view), self.params[view])
            for view, pipeline in enumerate(pipelines)
        ]
        return [
            view if mask is None else [view, mask.to(device, non_blocking=True)]
            for view, mask in zip(views, self.masks, strict=True)
        ]

    def _in_order(self, crops: list[Tensor], view: int) -> Tensor:
        """Return the crops of all blocks, [N, 3, S, T], in the order of the samples."""
        if len(crops) == 1:  # the samples of a single block are in order
            return crops[0]
        order = torch.cat([block.samples[view] for block in self.blocks]).argsort()  # [N]
        device = crops[0].device
        return torch.cat(crops).index_select(0, order.to(device, non_blocking=True))


def defer(images: Sequence[Pixels | Any], pipelines: Sequence[BatchedPipeline]) -> Deferred:
    """Return a sample with the parameters and masks of its views drawn and its pixels untouched.

    Of each image, the smallest rectangle that holds all of its crops is kept.

    Args:
        images: V images as a data source returns them; the same object is sent only once.
        pipelines: V batched pipelines.

    Raises:
        ArgumentError: An image is not RGB.
    """
    different: list[Pixels] = []
    sources: list[int] = []
    params: list[tuple[float, ...]] = []
    masks: list[Tensor | None] = []
    for image, pipeline in zip(images, pipelines, strict=True):
        if isinstance(image, EncodedImage):
            raise ArgumentError(
                "device_transforms cuts decoded images: take reduced_decode out of the data source"
            )
        if not isinstance(image, np.ndarray) or image.ndim != 3:
            mode = getattr(image, "mode", "L")
            raise ArgumentError(
                f"device_transforms works on RGB images, not on {mode}: set color_type='color' in "
                "the data source, or take device_transforms out"
            )
        position = next((i for i, other in enumerate(different) if other is image), len(different))
        if position == len(different):
            different.append(image)
        sources.append(position)
        params.append(pipeline.sample_params(*image.shape[:2]))
        masks.append(pipeline.draw_mask())
    for position, image in enumerate(different):
        own = [view for view, source in enumerate(sources) if source == position]
        boxes = np.array([params[view][:4] for view in own], dtype=np.int64)  # [views, 4]
        top, left = boxes[:, :2].min(0).tolist()
        bottom, right = (boxes[:, :2] + boxes[:, 2:]).max(0).tolist()
        different[position] = image[top:bottom, left:right]
        for view in own:
            y, x, *others = params[view]
            params[view] = (y - top, x - left, *others)
    return Deferred(different, sources, params, masks)


def join(samples: Sequence[Deferred]) -> DeferredBatch:
    """Return N samples as one batch."""
    images = [image for sample in samples for image in sample.images]  # M
    sizes = np.array([image.shape[:2] for image in images])  # [M, 2]
    starts = np.cumsum([0, *(len(sample.images) for sample in samples[:-1])])  # [N]
    sources = starts[:, None] + np.array([sample.sources for sample in samples])  # [N, V]
    blocks = []
    for members in group_by_size(sizes):
        height, width = sizes[members].max(0).tolist()
        pixels = torch.empty(len(members), height, width, 3, dtype=torch.uint8)
        for target, member in zip(pixels.numpy(), members, strict=True):
            image = images[member]
            target[: image.shape[0], : image.shape[1]] = image  # no crop reads the rest
        rows, chosen = zip(*(_rows(column, members) for column in sources.T), strict=True)
        blocks.append(Block(pixels, list(rows), list(chosen)))
    views = zip(*(sample.params for sample in samples), strict=True)
    params = [torch.tensor(view, dtype=torch.float32) for view in views]
    masks = [_stacked(of_view) for of_view in zip(*(s.masks for s in samples), strict=True)]
    return DeferredBatch(blocks, params, masks)


def _stacked(masks: Sequence[Tensor | None]) -> Tensor | None:
    """Return the masks of a view as one tensor [N, ...], None for a view without masks."""
    present = [mask for mask in masks if mask is not None]
    return torch.stack(present) if present else None


def _rows(sources: Indices, members: Indices) -> tuple[Tensor | None, Tensor]:
    """Return ``rows`` and ``samples`` of a block for one view.

    Args:
        sources: [N], the image of each sample.
        members: [m], the images of the block, ascending.
    """
    samples = np.flatnonzero(np.isin(sources, members))  # [n]
    rows = np.searchsorted(members, sources[samples])  # [n]
    same = np.array_equal(rows, np.arange(len(members)))
    return None if same else torch.from_numpy(rows), torch.from_numpy(samples)


def group_by_size(sizes: Indices) -> list[Indices]:
    """Return a partition of images into groups that need little padding.

    A group is divided by height or by width, where this saves most, as long as it saves one
    32nd of the pixels of all images.

    Args:
        sizes: [M, 2], height and width.

    Returns:
        Indices of images, ascending in each group.
    """
    least = sizes.prod(1).sum() * _WORTH_A_BLOCK
    return [np.sort(group) for group in _split(np.arange(len(sizes)), sizes, least)]


def _split(members: Indices, sizes: Indices, least: float) -> Iterator[Indices]:
    """Yield parts of a group; each division saves at least ``least`` pixels of padding."""
    count = np.arange(1, len(members))  # members before each possible division
    whole = sizes[members].max(0).prod() * len(members)
    best, parts = whole - least, None
    for axis in (0, 1):
        order = members[sizes[members, axis].argsort(kind="stable")]
        area_before = np.maximum.accumulate(sizes[order]).prod(1)  # [m], of one padded image
        area_after = np.maximum.accumulate(sizes[order[::-1]]).prod(1)[::-1]
        pixels = count * area_before[:-1] + count[::-1] * area_after[1:]  # [m - 1]
        if len(pixels) and pixels.min() < best:
            best, at = pixels.min(), int(pixels.argmin()) + 1
            parts = order[:at], order[at:]
    if parts is None:
        yield members
        return
    for part in parts:
        yield from _split(part, sizes, least)
