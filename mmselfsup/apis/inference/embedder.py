"""Features of any images by a trained network: a folder, files, a list, images in memory.

Letters: N images, D width of a feature, h, w places of a map.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from mmcv import Config
from torch import Tensor

from mmselfsup.config import own_data
from mmselfsup.config.inspect import transform_steps
from mmselfsup.config.load import load_config
from mmselfsup.core.checkpoint import load_state
from mmselfsup.datasets import SingleViewDataset
from mmselfsup.models.utils.views import pooled, spatial_map
from mmselfsup.utils.collect import nondist_forward_collect
from mmselfsup.utils.error_context import run_errors
from mmselfsup.utils.errors import ArgumentError, UserError

from ..features.frozen_features import extraction_model
from .embeddings import Embeddings
from .image_input import Images, config_of, image_dataset, image_loader, report_images
from .single_image import evaluation_pipeline

_RESIZE = 1.125  # 72 pixels for a crop of 64, as the ISIC configs evaluate


class Embedder:
    """A trained network that is called with images and returns their features.

    The features are those of the backbone's last stage that k-NN and the linear probe measure: the
    class token, or the mean over all places. Pre-trainings and classifiers both have them.

    Args:
        checkpoint: File of a training; the config that it holds is used.
        config: Another config: its file, or a ``Config``; needed for weights alone
            (``backbone.pth``).
        dataset_config: File of a config whose test pipeline prepares the images; by default that
            of the model's config, and without one ``plain_pipeline`` of its training.
        batch_size: Images in a batch.
        workers: Processes that read images; 0 reads them in this one.
        options: Overrides of the config, with dotted keys.

    Raises:
        UserError: The checkpoint or a config can't be used.

    Example:
        >>> embeddings = Embedder("work_dirs/simclr64/latest.pth")("photos/")  # doctest: +SKIP
        >>> embeddings.features.shape  # doctest: +SKIP
        (120, 512)
    """

    def __init__(
        self,
        checkpoint: str,
        config: str | Config | None = None,
        dataset_config: str | None = None,
        batch_size: int = 64,
        workers: int = 0,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.batch_size, self.workers = batch_size, workers
        state = load_state(checkpoint)
        self.cfg = config_of(checkpoint, state, config, options)
        self.image_cfg = self.cfg if dataset_config is None else load_config(dataset_config)
        own_data.resolve_for([self.image_cfg], checkpoint)
        self.pipeline = preparation(self.image_cfg)
        self.model: Any = extraction_model(
            self.cfg, checkpoint, seed=0, state=state, image_cfg=self.image_cfg
        )

    def __call__(self, images: Images, maps: bool = False) -> Embeddings:
        """Return the features of images.

        Args:
            images: See ``given_images``.
            maps: Whether to return the maps of the last stage too.

        Raises:
            UserError: There are no such images, none can be read, or the network gives no maps.
        """
        dataset = self.dataset(images)
        report_images(dataset)
        loader = image_loader(self.image_cfg, dataset, self.batch_size, self.workers)
        with run_errors(), torch.no_grad():
            extract = partial(self._extract, maps=maps)
            found = nondist_forward_collect(extract, loader, len(dataset), desc="features")
        errors = dataset.data_source.errors()
        if len(errors) == len(dataset):
            raise UserError(f"none of the {len(dataset)} images can be read: {errors[0]}")
        for array in found.values():
            array[list(errors)] = np.nan
        names = dataset.data_source.image_names()
        return Embeddings(names, found["features"], found.get("maps"), errors)

    def dataset(self, images: Images) -> SingleViewDataset:
        """Return the data set of images; the argument as in a call."""
        return image_dataset(self.image_cfg, images, self.pipeline)

    def _extract(self, maps: bool, **batch: Any) -> dict[str, Tensor]:
        """Return the features of a batch, float32 on the CPU."""
        last = self.model(mode="extract", img=batch["img"])[-1]
        found = {"features": pooled(last).float().cpu()}
        if maps:
            try:
                found["maps"] = spatial_map(last).float().cpu()
            except ArgumentError as error:
                raise UserError(f"--maps: the last stage gives none: {error}") from error
        return found


def preparation(cfg: Config) -> list[dict[str, Any]]:
    """Return the transforms that prepare an image: those to test with, or ``plain_pipeline``.

    Raises:
        UserError: The config has neither.
    """
    try:
        return evaluation_pipeline(cfg)
    except UserError:
        return plain_pipeline(cfg)


def plain_pipeline(cfg: Config) -> list[dict[str, Any]]:
    """Return a pipeline without chance for a config that has random views only.

    It resizes the short side to 1.125 times the size of the views (the largest one, of several),
    cuts out the centre, and normalises as the training does.

    Raises:
        UserError: The training has no ``RandomResizedCrop``, or no ``Normalize``.
    """
    steps = list(transform_steps((cfg.get("data") or {}).get("train")))
    sizes = [_side(step["size"]) for step in steps if "Crop" in step["type"] and "size" in step]
    normalize = next((step for step in steps if step["type"] == "Normalize"), None)
    if not sizes or (normalize is None and not cfg.get("prefetch")):
        raise UserError(
            "the config has no pipeline to test with, and data.train no RandomResizedCrop and "
            "Normalize to derive one from: name a config that has (--dataset-config)"
        )
    size = max(sizes)
    resize = dict(type="Resize", size=round(_RESIZE * size))
    end = [] if normalize is None else [dict(type="ToTensor"), dict(normalize)]
    return [resize, dict(type="CenterCrop", size=size), *end]


def _side(size: Any) -> int:
    """Return the longer side of a size."""
    return int(max(size)) if isinstance(size, list | tuple) else int(size)
