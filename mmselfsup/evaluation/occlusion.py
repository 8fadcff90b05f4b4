"""The occlusion test: scores of a classifier without the lesion, and with nothing but the lesion.

In each view of the test images a part is filled with the colour of the skin; what the accuracy
loses shows which part the classifier needs. How a mask is found and which pixels are no skin is
the caller's knowledge of its images: both are arguments.

Masks and scores take long, so ``cached_arrays`` stores them: a restarted run resumes.

Letters: N images, C classes, H, W pixels, B bytes.
"""

from __future__ import annotations

import copy
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmcv import Config
from numpy.typing import NDArray
from PIL.Image import Image
from torch import nn
from torch.utils.data import Dataset

from mmselfsup.datasets.loader import build_eval_loader
from mmselfsup.datasets.pipelines.channel_order import exchange_channels, order_of
from mmselfsup.utils.collect import collect_results, nondist_forward_collect
from mmselfsup.utils.error_context import run_errors
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write

from .explanation_files import AS_IS, HIDDEN, OcclusionScores, ViewScore

Scores = NDArray[np.float32]
Arrays = Mapping[str, NDArray[Any]]
#: Function of an RGB image [H, W, 3] that returns the mask of its lesion [H, W], and whether the
#: mask is only a guess, as no lesion was found.
MaskFinder = Callable[[NDArray[np.uint8]], tuple[NDArray[np.bool_], bool]]
_SAMPLED = 20_000  # pixels are enough for a median
_SIDE = 192  # a mask is stored as this many rows and columns


@dataclass(frozen=True)
class LesionMasks:
    """Masks of N images.

    Attributes:
        packed: [N, B], uint8: 192 x 192 bits each, whatever the shape of the image.
        guessed: [N], bool: an ellipse where no lesion was found.
    """

    packed: NDArray[np.uint8]
    guessed: NDArray[np.bool_]

    def mask(self, index: int, height: int, width: int) -> NDArray[np.bool_]:
        """Return the mask of an image, [H, W]."""
        # Square whatever the image's shape, so that the masks of a data set are one array.
        square = np.unpackbits(self.packed[index]).reshape(_SIDE, _SIDE)
        return np.asarray(cv2.resize(square, (width, height), interpolation=cv2.INTER_NEAREST) > 0)

    def fractions(self) -> NDArray[np.float64]:
        """Return the fraction of each image that is lesion, [N], 0..1."""
        return np.array([np.unpackbits(row).mean() for row in self.packed])


def find_masks(source: Any, cfg: Config, find_mask: MaskFinder) -> dict[str, NDArray[Any]]:
    """Return the mask of every image of a data source, with a progress bar.

    Args:
        source: The data source.
        cfg: A config with ``data``, for the number of workers.
        find_mask: Function that finds the mask of an image.

    Returns:
        The arrays of ``LesionMasks`` by name.

    Raises:
        UserError: An image can't be read.
    """
    settings = Config({"data": copy.deepcopy(cfg.data), "persistent_workers": False})  # no prefetch
    loader = build_eval_loader(_Search(source, find_mask), settings, "test", False)
    with run_errors():
        return nondist_forward_collect(_same, loader, len(source), desc="lesion masks")


class _Search(Dataset[dict[str, Any]]):
    """A data set of the packed lesion mask of each image of a data source."""

    def __init__(self, source: Any, find_mask: MaskFinder) -> None:
        self.data_source, self.find_mask = source, find_mask

    def __len__(self) -> int:
        return len(self.data_source)

    def __getitem__(self, idx: int) -> dict[str, Any]:
        image, _ = self.data_source.load_pixels(idx)
        mask, guessed = self.find_mask(as_rgb(image, order_of(self.data_source)))
        square = cv2.resize(mask.astype(np.uint8), (_SIDE, _SIDE), interpolation=cv2.INTER_NEAREST)
        return {"packed": np.packbits(square > 0), "guessed": guessed}


def _same(**batch: Any) -> dict[str, Any]:
    return batch


def as_rgb(image: NDArray[np.uint8] | Image, channel_order: str = "rgb") -> NDArray[np.uint8]:
    """Return an image as [H, W, 3]; a grey one gets three equal channels.

    Args:
        image: A PIL image, or an array [H, W, 3] or [H, W].
        channel_order: Of its channels, ``rgb`` or ``bgr``.
    """
    pixels = np.asarray(image.convert("RGB") if isinstance(image, Image) else image, np.uint8)
    pixels = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    return np.asarray(exchange_channels(pixels)) if channel_order == "bgr" else pixels


def hide(
    pixels: NDArray[np.uint8], lesion: NDArray[np.bool_], view: str, dark: int
) -> NDArray[np.uint8]:
    """Return an image with a part of it filled with the colour of its skin.

    Skin colour and not black: the network has never seen black holes, and they may cost accuracy
    by themselves.

    Args:
        pixels: RGB image [H, W, 3].
        lesion: Mask of the lesion [H, W].
        view: ``lesion_hidden`` fills the lesion, ``lesion_only`` all the rest, ``as_is`` nothing.
        dark: See ``skin_colour``.
    """
    if view == AS_IS:
        return pixels
    hidden = lesion if view == HIDDEN else ~lesion
    filled = pixels.copy()
    filled[hidden] = skin_colour(pixels, lesion, dark)
    return filled


def skin_colour(
    pixels: NDArray[np.uint8], lesion: NDArray[np.bool_], dark: int
) -> NDArray[np.uint8]:
    """Return the median colour [3] outside the lesion, dark borders left out where possible.

    Args:
        pixels: RGB image [H, W, 3].
        lesion: Mask of the lesion [H, W].
        dark: Pixels whose brightest channel is below this, 0..255, are border and no skin.
    """
    outside = pixels[~lesion] if not lesion.all() else pixels.reshape(-1, 3)
    outside = outside[:: max(1, len(outside) // _SAMPLED)]
    bright = outside[outside.max(axis=1) >= dark]
    return np.asarray(np.median(bright if len(bright) else outside, axis=0), np.uint8)


class HidingSource:
    """A data source whose images have a part hidden; all else is as in the wrapped source.

    Args:
        source: A data source of images.
        masks: Masks of its images, in its order.
        view: View of the images, see ``hide``.
        dark: See ``skin_colour``.
    """

    def __init__(self, source: Any, masks: LesionMasks, view: str, dark: int) -> None:
        self.source, self.masks, self.view, self.dark = source, masks, view, dark

    def __getattr__(self, name: str) -> Any:
        if name in (
            "source",
            "masks",
            "view",
            "dark",
        ):  # not set yet while a copy is made: no recursion
            raise AttributeError(name)
        return getattr(self.source, name)

    def __len__(self) -> int:
        return len(self.source)

    def load_pixels(self, idx: int) -> tuple[NDArray[np.uint8] | Image, int]:
        """Return the image ``idx`` and its index, see ``BaseDataSource.load_pixels``."""
        image, row = self.source.load_pixels(idx)
        if self.view == AS_IS:
            return image, row
        pixels = as_rgb(image)  # its channels stay in their order, which the pipeline knows
        lesion = self.masks.mask(row, *pixels.shape[:2])
        return hide(pixels, lesion, self.view, self.dark), row

    def load_for_views(self, idx: int) -> tuple[NDArray[np.uint8] | Image, int]:
        """Return the same as ``load_pixels``: what is hidden is part of the pixels."""
        return self.load_pixels(idx)


def view_scores(
    model: nn.Module, dataset: Any, cfg: Config, masks: LesionMasks, view: str, dark: int
) -> dict[str, Scores]:
    """Return a classifier's scores of one view of all images, with a progress bar.

    Args:
        model: The classifier, on its device.
        dataset: The images; the data set itself is not changed.
        cfg: The config, for the loader.
        masks: Masks of the images.
        view: View of the images, see ``hide``.
        dark: See ``skin_colour``.

    Returns:
        ``scores``: [N, C].

    Raises:
        UserError: An image can't be read, scores are not finite, or there are several heads.
    """
    print(f"{view.replace('_', ' ')}: {len(dataset)} test images", flush=True)
    # A shallow copy shares labels and pipeline; only the source of the pixels differs.
    part_hidden = copy.copy(dataset)
    part_hidden.data_source = HidingSource(dataset.data_source, masks, view, dark)
    settings = copy.deepcopy(cfg)
    settings.persistent_workers = False  # the loader is used once
    with run_errors():
        scores = collect_results(model, build_eval_loader(part_hidden, settings, "test", False))
    if len(scores) != 1:
        raise UserError(f"the classifier has the heads {', '.join(scores)}: take one with one head")
    (only,) = scores.values()
    broken = int((~np.isfinite(only)).any(axis=1).sum())
    if broken:
        raise UserError(
            f"{broken} of {len(only)} images have scores that are NaN or infinite: the weights "
            "are broken, take an earlier checkpoint"
        )
    return {"scores": only}


def measure_occlusion(
    scores: Mapping[str, Scores], dataset: Any, masks: LesionMasks, options: Mapping[str, Any]
) -> OcclusionScores:
    """Return the scores of all views, with 95 % intervals by a bootstrap over lesions.

    Args:
        scores: Scores [N, C] by view.
        dataset: The images, for labels, lesions and ``evaluate``.
        masks: Masks of the images.
        options: Arguments of the data set's ``evaluate``, with ``bootstrap`` resamples for the
            intervals. ``topk`` is 1 for the views, whatever it says.
    """
    numbers = {
        view: dataset.evaluate({"head0": values}, **{**options, "topk": (1,)})
        for view, values in scores.items()
    }
    counts = np.bincount(dataset.gt_labels)
    return OcclusionScores(
        views={view: _view_score(values) for view, values in numbers.items()},
        chance=1 / int((counts > 0).sum()),
        majority=float(counts.max() / counts.sum()),
        num_images=len(dataset),
        guessed=int(masks.guessed.sum()),
        covered=round(float(masks.fractions().mean()), 4),
        by_lesion=all(values["interval/by_lesion"] == 1 for values in numbers.values()),
    )


def _view_score(numbers: Mapping[str, float]) -> ViewScore:
    """Return the scores of a view, from all that ``evaluate`` measures."""
    picked = [
        numbers[name.format(metric)]
        for metric in ("balanced_accuracy", "accuracy")
        for name in ("{}", "interval/{}/low", "interval/{}/high")
    ]
    return ViewScore(*(round(float(number), 5) for number in picked))


def cached_arrays(path: Path, origin: Mapping[str, str], make: Callable[[], Arrays]) -> Arrays:
    """Return the arrays of a file; compute and write them if it is missing, damaged or stale.

    Args:
        path: A ``.npz`` file.
        origin: What the arrays are computed from, such as digests; the file is stale with another.
        make: Function that computes them.
    """
    wanted = json.dumps(origin, sort_keys=True)
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["origin"]) == wanted:
                return {name: file[name] for name in file.files if name != "origin"}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass  # computed again below
    arrays = make()
    with atomic_write(path) as out:
        np.savez_compressed(out, origin=wanted, **arrays)  # type: ignore[arg-type]
    return arrays
