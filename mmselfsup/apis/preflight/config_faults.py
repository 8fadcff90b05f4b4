"""Faults that show only when parts of a config meet, found before the first iteration."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import torch
from mmcv import Config
from mmcv.runner import BaseRunner
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from mmselfsup.core import EvalHook
from mmselfsup.datasets.batched.loader import DeviceLoader
from mmselfsup.datasets.loader import build_train_loaders
from mmselfsup.models import build_algorithm
from mmselfsup.utils import dist
from mmselfsup.utils.device import to_device
from mmselfsup.utils.error_context import is_misfit, misfit
from mmselfsup.utils.errors import UserError, one_line
from mmselfsup.utils.logger import get_root_logger
from mmselfsup.utils.module import with_counts
from mmselfsup.utils.plurals import counted
from mmselfsup.utils.seed import rng_untouched

from .compared_data import check_channels, report_normalizations, report_overlap
from .data_look import DataLook, look_at

_REPEATS = 8  # of one image, to see whether its views are random
_ONE_VALUE = "Expected more than 1 value per channel"


def try_step(cfg: Config, loader: Any) -> str:
    """Run the forward pass of a training step on the ``meta`` device, which computes shapes only.

    Each rank runs it alone, since collectives need values. It is not possible for methods that
    need values: memories that a hook fills before the first step (ODC, InterCLR), mmcls's Swin in
    its constructor, and custom ones that call ``.item()``. Their errors appear in the first
    iteration.

    Args:
        cfg: The config.
        loader: The loader of the training.

    Returns:
        Why the last batch of an epoch has too few images where the others have enough: it must be
        left out. '' where all are large enough.

    Raises:
        UserError: The layers of the model don't fit each other or the images, or every batch has
            one image where batch normalisation needs several.
    """
    joined = dist.get_world_size() > 1
    with rng_untouched(), dist.alone():
        try:
            sample = _sample(loader)
            with torch.device("meta"):
                model: Any = build_algorithm(copy.deepcopy(cfg.model))
        except Exception:  # the run itself reports what can't be read
            return ""
        # Statistics over all ranks are of more values than one rank has.
        joined = joined and any("SyncBatchNorm" in type(m).__name__ for m in model.modules())
        problem = ""
        for number, size in enumerate(dict.fromkeys(batch_sizes(loader))):
            before, (problem, misfits) = problem, _failure(model.train(), sample, size)
            if joined and _ONE_VALUE in problem:
                problem = ""
            elif number and problem and not before:  # the first batch is large enough
                return "batch normalisation" if _ONE_VALUE in problem else f"the model ({problem})"
            elif _ONE_VALUE in problem:
                raise UserError(
                    f"data: a batch of this training has {counted(size, 'image')} of "
                    f"{len(loader.dataset)}, and batch normalisation needs more than one value per "
                    "channel: raise data.samples_per_gpu"
                )
            elif misfits:
                raise UserError(misfit(problem))
    return ""


def check_views(model: nn.Module, loader: Any) -> None:
    """Check the views of an image against what the modules of a model need of them.

    Args:
        model: The model.
        loader: The loader of the training.

    Raises:
        UserError: See ``check_same_views``.
    """
    check_same_views(model, loader)
    report_cut_patches(model, loader)


def check_same_views(model: nn.Module, loader: Any) -> None:
    """Check that an image looks the same each time, if a module says ``needs_same_views``.

    Args:
        model: The model.
        loader: The loader of the training.

    Raises:
        UserError: Samples of the first image differ.
    """
    names = [type(m).__name__ for m in model.modules() if getattr(m, "needs_same_views", False)]
    if not names:
        return
    with rng_untouched():
        first, *others = (tree_leaves(_sample(loader)["img"]) for _ in range(_REPEATS))
    if not all(torch.equal(a, b) for other in others for a, b in zip(first, other, strict=True)):
        raise UserError(
            f"data.train: {names[0]} has a cache, which needs views that are the same in each "
            "epoch, and the pipeline is random: take out its random transforms, or set "
            "model.teacher.cache=None"
        )


def report_cut_patches(model: nn.Module, loader: Any) -> None:
    """Warn of images whose sides are no multiples of the patches of a vision transformer.

    Args:
        model: The model.
        loader: The loader of the training.
    """
    networks = list(_patches(model))
    if not networks:
        return
    with rng_untouched(), suppress(Exception):  # the run itself reports what can't be read
        views = [v for v in tree_leaves(_sample(loader)["img"]) if isinstance(v, Tensor)]
        for name, patch, padded in networks:
            rests = [v.shape[-2:] for v in views if any(side % patch for side in v.shape[-2:])]
            if rests:
                height, width = rests[0]
                get_root_logger().warning(
                    "data.train gives images of %d x %d pixels, and model.%s has patches of %d x "
                    "%d: %s; take sides that are multiples of %d, such as %d x %d",
                    height, width, name, patch, patch,
                    "zeros fill up the last ones" if padded else "the rest is left out",
                    patch, *(max(round(side / patch), 1) * patch for side in (height, width)),
                )  # fmt: skip
                return


def _patches(model: nn.Module) -> Iterator[tuple[str, int, bool]]:
    """Yield name, side of the patches, and whether images are padded, of networks of patches."""
    for name, module in model.named_modules():
        embed = getattr(module, "patch_embed", None)
        layers = embed.modules() if isinstance(embed, nn.Module) else ()
        conv = next((layer for layer in layers if isinstance(layer, nn.Conv2d)), None)
        if conv is not None and conv.kernel_size == conv.stride and len(set(conv.stride)) == 1:
            padding = ("adaptive_padding", "dynamic_img_pad")  # of mmcv, of timm
            yield name, conv.stride[0], any(getattr(embed, key, None) for key in padding)


def without_last_batch(
    loader: Any, dataset: Any, cfg: Config, distributed: bool, reason: str
) -> Any:
    """Return the loader of the training without the last, too small batch of an epoch.

    Args:
        loader: The loader with it.
        dataset: The data set.
        cfg: The config.
        distributed: Whether all ranks of the process group train.
        reason: For what it is too small, the result of ``try_step``.
    """
    size = batch_sizes(loader)[-1]
    get_root_logger().warning(
        "data.drop_last: the last batch of an epoch would have %s, too few for %s: it is left out; "
        "each epoch leaves out others",
        counted(size, "image"),
        reason,
    )
    cfg = copy.deepcopy(cfg)
    cfg.data.drop_last = True
    cfg.data.get("train_dataloader", {}).pop("drop_last", None)
    return build_train_loaders([dataset], cfg, distributed)[0]


def look_at_others(runner: BaseRunner, dataset: Any, cfg: Config) -> list[DataLook]:
    """Look at the data set of the evaluation, and at what it has in common with the training."""
    logger = get_root_logger()
    hook = next((h for h in runner.hooks if isinstance(h, EvalHook)), None)
    if hook is None:
        return []
    others = hook.dataloader.dataset
    found = look_at(hook.dataloader, "data.val", cfg, logger)
    report_overlap({"data.train": dataset, "data.val": others})
    check_channels({"data.train": dataset, "data.val": others})
    if not cfg.get("prefetch"):
        report_normalizations({"data.train": dataset, "data.val": others}, logger)
    return [found]


def _sample(loader: Any) -> Any:
    """Return one sample as the model gets it, without the dimension of the batch."""
    sample = loader.dataset.dataset[0]  # without the seeds of the sampler
    if not isinstance(loader, DeviceLoader):
        return sample
    # The loader finishes its batches, as with ``device_transforms``.
    return _first(loader.finish(loader.collate_fn([sample]), torch.device("cpu")))


def _first(batch: Any) -> Any:
    """Return the first sample of a batch."""
    if isinstance(batch, Mapping):
        return {key: _first(value) for key, value in batch.items()}
    if isinstance(batch, list | tuple):
        return [_first(value) for value in batch]
    return batch[0]


def batch_sizes(loader: Any) -> tuple[int, ...]:
    """Return the sizes of the first and of the last batch."""
    inner = getattr(loader, "loader", loader)
    size, images = inner.batch_size, len(inner.sampler)
    rest = 0 if inner.drop_last else images % size
    full = (size,) if images >= size else ()
    return (*full, rest) if rest else full


def _failure(model: nn.Module, sample: Any, size: int) -> tuple[str, bool]:
    """Return what a forward pass of ``size`` copies of the sample raises, '' for no error.

    Also whether it is about shapes: PyTorch says so, or a layer gets other channels than it takes.
    """
    entered: list[str] = []  # what the innermost module that was entered last takes and gets

    def note(name: str, module: nn.Module, inputs: Any) -> None:
        entered[:] = [_taken(name, module, inputs)]

    handles = [
        module.register_forward_pre_hook(partial(note, name))
        for name, module in model.named_modules()
        if not any(module.children())
    ]
    try:
        with torch.device("meta"), torch.no_grad():
            model(**batch_of(model, sample, size))
    except Exception as error:
        layer = next(filter(None, entered), "")
        text = "; ".join([*filter(None, [layer]), one_line(error)])
        return text, bool(layer) or is_misfit(text)
    finally:
        for handle in handles:
            handle.remove()
    return "", False


def _taken(name: str, module: nn.Module, inputs: Any) -> str:
    """Return how many channels a layer takes and gets, '' where both are the same."""
    wanted = getattr(module, "in_features", getattr(module, "in_channels", None))
    if wanted is None or not inputs or not isinstance(inputs[0], Tensor) or inputs[0].ndim < 2:
        return ""
    got = inputs[0].shape[-1 if isinstance(module, nn.Linear) else 1]
    return "" if got == wanted else f"model.{name} takes {wanted} channels, it gets {got}"


def batch_of(model: nn.Module, sample: Any, size: int) -> Any:
    """Return a sample as a batch of ``size`` on the meta device, with the counts of the model."""

    def copies(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: copies(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [copies(part) for part in value]
        one = torch.as_tensor(value, device="cpu")
        return one.expand(size, *one.shape)

    return to_device(with_counts(model, copies(sample)), torch.device("meta"))
