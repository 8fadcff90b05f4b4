"""Pictures of right and wrong answers of a classifier, with the Grad-CAM of the predicted class.

Only class and right or wrong decide which test images are shown, never their heat maps. A picture
is the input of the network, alone and under its heat map; a sheet shows masks of the occlusion
test.

Letters: N images, C classes, H, W pixels.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmcv import Config
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Subset

from mmselfsup.datasets.loader import build_eval_loader
from mmselfsup.datasets.pipelines.channel_order import order_of
from mmselfsup.datasets.utils import find_normalize
from mmselfsup.utils.device import default_device, to_device
from mmselfsup.utils.error_context import run_errors
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write

from .explanation_files import VIEWS, Case
from .grad_cam import fine_maps, heat_maps
from .occlusion import LesionMasks, Scores, as_rgb, hide

Pixels = NDArray[np.uint8]
EACH = 4  # right answers, and as many wrong ones
WIDTH = 176  # pixels of a picture
_HEAT = 0.6  # opacity of the hottest place
_QUALITY = 70  # of the WebP files
_TILE, _GAP, _COLUMNS = (104, 78), 6, 3  # of the sheet, in pixels and in images
_FOUND, _GUESSED = (0, 210, 90), (255, 60, 40)  # colours of a mask's outline


def draw_cases(
    model: Any, dataset: Any, cfg: Config, scores: Scores, seed: int, folder: Path
) -> tuple[list[Case], list[int], str]:
    """Choose test images, write their pictures, and return what they show.

    Args:
        model: The classifier, in eval mode.
        dataset: The test images.
        cfg: The config, for the loader.
        scores: Scores of the test images, [N, C].
        seed: Seed of the choice, see ``choose_cases``.
        folder: Folder of the pictures.

    Returns:
        The cases; rows and columns of their heat maps; why they have none. See ``Explanation``.
    """
    predicted = scores.argmax(axis=1)
    chosen = choose_cases(np.asarray(dataset.gt_labels), predicted, seed)
    images, heats, places, no_heat = _heat_of_chosen(model, dataset, cfg, chosen, predicted[chosen])
    outputs = torch.as_tensor(scores)
    # With test-time augmentation the scores are probabilities already, averaged over the views.
    probabilities = outputs if model.test_augment else outputs.softmax(dim=1)
    names = dataset.data_source.image_names() or [str(i) for i in range(len(dataset))]
    cases = []
    for n, i in enumerate(chosen):
        pixels = enlarged(seen_pixels(images[n], dataset, cfg))
        write_webp(pixels, folder / f"{i}.webp")
        if heats is not None:
            write_webp(heat_over(pixels, heats[n].cpu().numpy()), folder / f"{i}_heat.webp")
        label, answer = int(dataset.gt_labels[i]), int(predicted[i])
        case = Case(
            image=names[i],
            label=label,
            predicted=answer,
            probability=round(float(probabilities[i, answer]), 4),
            probability_of_label=round(float(probabilities[i, label]), 4),
            picture=f"{i}.webp",
            heat=None if heats is None else f"{i}_heat.webp",
        )
        cases.append(case)
    return cases, places, no_heat


def choose_cases(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], seed: int, each: int = EACH
) -> list[int]:
    """Return images drawn from a classifier's right answers, then from its wrong ones.

    The images are shuffled; of each kind the first one of every class comes first, then the second
    of every class, and so on, until there are enough.

    Args:
        labels: [N], true classes.
        predicted: [N], predicted classes.
        seed: Seed of the shuffling.
        each: Number of images of each kind, if there are as many.

    Returns:
        Indices: the right ones, then the wrong ones, each in the order of their classes.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    chosen: list[int] = []
    for kind in (labels == predicted, labels != predicted):
        members = [int(i) for i in order if kind[i]]
        seen: dict[int, int] = {}
        rounds = []
        for i in members:
            label = int(labels[i])
            # 0 for the first image of a class, 1 for its second, ...
            rounds.append(seen.setdefault(label, 0))
            seen[label] += 1
        taken = sorted(range(len(members)), key=lambda n: rounds[n])[:each]
        chosen += sorted((members[n] for n in taken), key=lambda i: (int(labels[i]), i))
    return chosen


def _heat_of_chosen(
    model: Any, dataset: Any, cfg: Config, chosen: Sequence[int], classes: NDArray[np.int64]
) -> tuple[Tensor, Tensor | None, list[int], str]:
    """Return the images as the network gets them, [N, 3, H, W], and their heat maps [N, H, W]."""
    settings = copy.deepcopy(cfg)
    settings.persistent_workers = False  # the loader is used once
    with run_errors():
        loader = build_eval_loader(Subset(dataset, list(chosen)), settings, "test", False)
        batches = [to_device(batch, default_device()) for batch in loader]
    img = torch.cat([batch["img"] for batch in batches])
    known = "patient" in batches[0]
    patient = torch.cat([batch["patient"] for batch in batches]) if known else None
    named = torch.as_tensor(classes).to(img.device)
    try:
        heats, places = fine_maps(lambda part: heat_maps(model, part, named, patient), img)
    except UserError as error:  # such a network has no heat maps; continue with the rest
        print(f"warning: {error}", flush=True)
        return img, None, [], str(error)
    return img, heats, places, ""


def seen_pixels(img: Tensor, dataset: Any, cfg: Config) -> Pixels:
    """Return the picture [H, W, 3] of a network's input [C, H, W].

    Args:
        img: One normalised image; of three or more channels the first three are shown, of fewer
            the first one, in grey.
        dataset: Its data set, whose pipeline holds mean and deviation.
        cfg: The config; holds them where the device normalises (``prefetch``).
    """
    normalize = find_normalize(dataset)
    mean, std = ((0.0,), (1.0,)) if normalize is None else (normalize.mean, normalize.std)
    if cfg.get("prefetch"):
        mean, std = cfg.img_norm_cfg["mean"], cfg.img_norm_cfg["std"]
    pixels = img.detach().float().cpu().numpy()
    pixels = pixels * np.reshape(std, (-1, 1, 1)) + np.reshape(mean, (-1, 1, 1))
    shown = pixels[:3] if len(pixels) >= 3 else np.repeat(pixels[:1], 3, axis=0)
    picture = np.asarray(np.rint(255 * shown.clip(0, 1)), np.uint8).transpose(1, 2, 0)
    return as_rgb(picture, order_of(getattr(dataset, "data_source", None)))


def enlarged(pixels: Pixels) -> Pixels:
    """Return the same picture, 176 pixels wide."""
    size = WIDTH, max(1, round(pixels.shape[0] * WIDTH / pixels.shape[1]))
    method = cv2.INTER_AREA if pixels.shape[1] > WIDTH else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, size, interpolation=method), np.uint8)


def heat_over(pixels: Pixels, heat: NDArray[np.float32]) -> Pixels:
    """Return a picture under a heat map: no heat leaves it as it is, the most is yellow.

    Args:
        pixels: The picture [H, W, 3].
        heat: The heat map [h, w], 0 or more; it is divided by its largest value.
    """
    height, width = pixels.shape[:2]
    large = cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR)
    level = np.asarray(large / max(float(heat.max()), 1e-12))[..., None]  # [H, W, 1], 0..1
    # The colour says how hot a place is, and so does its opacity: cold places stay visible.
    levels = np.rint(255 * level).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[..., ::-1]
    mixed = pixels + _HEAT * level * (colours.astype(np.float32) - pixels)
    return np.asarray(np.rint(mixed), np.uint8)


def mask_sheet(source: Any, masks: LesionMasks, indices: Sequence[int], dark: int) -> Pixels:
    """Return a sheet of images with the outline of their mask, the lesion hidden, and it alone.

    Args:
        source: A data source.
        masks: Masks of its images.
        indices: Indices of the images.
        dark: Pixels darker than this are no skin, see ``occlusion.skin_colour``.
    """
    triples = [_triple(source, masks, i, dark) for i in indices]
    columns = min(_COLUMNS, len(triples))
    rows = -(-len(triples) // columns)
    height, width = triples[0].shape[:2]
    sheet = np.full((rows * (height + _GAP), columns * (width + _GAP), 3), 255, np.uint8)
    for n, triple in enumerate(triples):
        top, left = n // columns * (height + _GAP), n % columns * (width + _GAP)
        sheet[top : top + height, left : left + width] = triple
    return sheet[:-_GAP, :-_GAP]


def _triple(source: Any, masks: LesionMasks, index: int, dark: int) -> Pixels:
    """Return the three views of an image side by side, the first with the outline."""
    image, row = source.load_pixels(index)
    pixels = as_rgb(image, order_of(source))
    lesion = masks.mask(row, *pixels.shape[:2])
    views = [
        np.asarray(
            cv2.resize(hide(pixels, lesion, view, dark), _TILE, interpolation=cv2.INTER_AREA)
        )
        for view in VIEWS
    ]
    small = masks.mask(row, _TILE[1], _TILE[0]).astype(np.uint8)
    outlines, _ = cv2.findContours(small, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    colour = _GUESSED if masks.guessed[row] else _FOUND
    views[0] = np.asarray(cv2.drawContours(views[0].copy(), outlines, -1, colour, 1))
    return np.concatenate(views, axis=1).astype(np.uint8)


def write_webp(pixels: Pixels, path: Path) -> None:
    """Write a picture, whole or not at all."""
    with atomic_write(path) as file:
        Image.fromarray(pixels).save(file, format="WEBP", quality=_QUALITY, method=6)
