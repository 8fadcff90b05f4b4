"""Predictions of a trained classifier for any images: a folder, files, a list, images in memory.

Letters: N images, C classes.
"""

from __future__ import annotations

import copy
import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmcv import Config
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from mmselfsup.config.check import check_config
from mmselfsup.config.inspect import class_list
from mmselfsup.config.load import import_modules, load_config
from mmselfsup.config.text import read_config_text
from mmselfsup.core.checkpoint import load_state, meta_of
from mmselfsup.datasets import SingleViewDataset
from mmselfsup.datasets.data_sources.decode import walk_images
from mmselfsup.datasets.data_sources.given_images import Given, GivenImages
from mmselfsup.datasets.data_sources.lists import read_entries, with_extension
from mmselfsup.datasets.data_sources.metadata import read_patients
from mmselfsup.datasets.loader import build_dataloader
from mmselfsup.metrics import probabilities
from mmselfsup.models.algorithms.classification import VIEWS
from mmselfsup.utils.collect import collect_results
from mmselfsup.utils.device import default_device
from mmselfsup.utils.error_context import config_errors, run_errors
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.image_names import has_image_extension

from .inference import evaluation_pipeline, reading_options
from .predictions import Predictions
from .test import trained_model

_LISTS = (".txt", ".csv", ".tsv")
_LEAST = 1e-12  # a probability, before its logarithm


class Predictor:
    """A trained classifier that is called with images and returns their probabilities.

    Images are read and prepared as those that the model's config tests on.

    Args:
        checkpoint: File of a training; the config that it holds is used.
        config: Another config: its file, or a ``Config``.
        augment: Average the probabilities over the views of an image: ``flip``, ``flips`` or
            ``dihedral``, see ``Classification``; ``none`` for one view; by default as the config
            says.
        temperature: Number T above 0 that calibrates: softmax(z / T) of the logits z.
        batch_size: Images in a batch.
        workers: Processes that read images; 0 reads them in this one.
        head: Name of the head, such as ``head4``, where the model has several.
        options: Overrides of the config, with dotted keys.

    Attributes:
        classes: The C names; numbers where neither checkpoint nor config knows names.

    Raises:
        UserError: The checkpoint or its config can't be used, or is of no classifier.

    Example:
        >>> predictions = Predictor("work_dirs/finetune/latest.pth")("photos/")  # doctest: +SKIP
        >>> predictions.predicted  # doctest: +SKIP
        ['NV', 'MEL']
    """

    def __init__(
        self,
        checkpoint: str,
        config: str | Config | None = None,
        augment: str | None = None,
        temperature: float = 1.0,
        batch_size: int = 32,
        workers: int = 0,
        head: str | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        if not (np.isfinite(temperature) and temperature > 0):
            raise UserError(f"temperature {temperature}: give a number above 0")
        self.temperature, self.head = temperature, head
        self.batch_size, self.workers = batch_size, workers
        self.cfg = _config_of(checkpoint, config, options or {})
        if augment is not None:
            _set_augment(self.cfg, augment)
        self.model: Any = trained_model(self.cfg, checkpoint).to(default_device()).eval()
        if not hasattr(self.model, "class_scores"):
            raise UserError(
                f"{checkpoint} is a {type(self.model).__name__}, which predicts no classes: "
                "fine-tune it first"
            )
        names: Any = self.model.CLASSES
        self.classes: list[str] | None = names or class_list(self.cfg)

    def __call__(
        self, images: str | os.PathLike[str] | Given | Sequence[Given], patients: str | None = None
    ) -> Predictions:
        """Return the predictions for images.

        Args:
            images: A folder, a file, a pattern such as ``photos/*.jpg``, a list (``.txt``,
                ``.csv``; names are relative to its folder), an image in memory, or several of
                these.
            patients: For a head that takes metadata: a CSV, see ``ImageList``.

        Raises:
            UserError: There are no such images, or none can be read.
        """
        dataset = self.dataset(images, patients)
        source = dataset.data_source
        with run_errors():
            scores = collect_results(self.model, self.loader(dataset, self.batch_size))
        probs = self._probabilities(scores)
        errors = source.errors()
        if len(errors) == len(dataset):
            raise UserError(f"none of the {len(dataset)} images can be read: {errors[0]}")
        probs[list(errors)] = np.nan
        names = self.classes or [str(number) for number in range(probs.shape[1])]
        if len(names) != probs.shape[1]:
            raise UserError(f"the model has {probs.shape[1]} classes, of which {len(names)} names")
        return Predictions(source.image_names(), names, probs, errors)

    def dataset(
        self, images: str | os.PathLike[str] | Given | Sequence[Given], patients: str | None = None
    ) -> SingleViewDataset:
        """Return the data set of images; arguments as in a call.

        Raises:
            UserError: There are no such images.
        """
        source: Any = GivenImages(given_images(images), **reading_options(self.cfg))
        uses_patient = getattr(self.model, "uses_patient", False)
        if uses_patient and patients is None:
            raise UserError("the model's head takes metadata: give a CSV with --patients")
        source.patients = None
        if uses_patient:
            names = [os.path.basename(name) for name in source.image_names()]
            source.patients = read_patients(os.path.expanduser(str(patients)), names)
        with config_errors("data.test"):
            pipeline = evaluation_pipeline(self.cfg)
            return SingleViewDataset(source, pipeline, prefetch=bool(self.cfg.get("prefetch")))

    def loader(self, dataset: SingleViewDataset, batch_size: int) -> DataLoader[Any]:
        """Return the loader of a data set, in its order."""
        prefetch = bool(self.cfg.get("prefetch"))
        loader: DataLoader[Any] = build_dataloader(
            dataset, samples_per_gpu=batch_size, workers_per_gpu=self.workers, dist=False,
            shuffle=False, persistent_workers=False, prefetch=prefetch,
            img_norm_cfg=self.cfg.get("img_norm_cfg") if prefetch else None,
        )  # fmt: skip
        return loader

    def _probabilities(self, scores: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Return the calibrated probabilities [N, C] of one head's scores."""
        head = self.head or (next(iter(scores)) if len(scores) == 1 else None)
        if head not in scores:
            raise UserError(f"the model has the heads {', '.join(scores)}: name one with --head")
        probs = probabilities(scores[head])
        if self.temperature == 1.0:
            return probs
        # The logits but for a constant of each row, which the softmax doesn't see.
        return probabilities(np.log(probs.clip(_LEAST)) / self.temperature)


def given_images(images: Any) -> list[Given]:
    """Return what names images as single images, in its order; see ``Predictor``.

    Raises:
        UserError: There is no such file, folder or pattern, or no image in it.
    """
    if isinstance(images, list | tuple):
        found = [image for part in images for image in given_images(part)]
        if not found:
            raise UserError("no images are given")
        return found
    if not isinstance(images, str | os.PathLike):
        return [images]
    path = Path(os.path.expanduser(os.fspath(images)))
    if path.is_dir():
        return [str(path / name) for name in walk_images(path)]
    if path.suffix.lower() in _LISTS and path.is_file():
        return _listed(path)
    if path.is_file():
        return [str(path)]
    matches = sorted(name for name in glob.glob(str(path), recursive=True) if Path(name).is_file())
    chosen: list[Given] = [name for name in matches if has_image_extension(name)]
    if not chosen:
        raise UserError(f"{images}: no such image, folder of images, list, or pattern that fits")
    return chosen


def _listed(path: Path) -> list[Given]:
    """Return the images of a list, whose names are relative to its folder."""
    entries, _ = read_entries(str(path), None)
    if not has_image_extension(entries[0].name):
        entries = with_extension(entries, str(path.parent))
    return [str(path.parent / entry.name) for entry in entries]


def _config_of(checkpoint: str, config: str | Config | None, options: dict[str, Any]) -> Config:
    """Return the config to predict with.

    Raises:
        UserError: None is given, and the checkpoint holds none.
    """
    if isinstance(config, str):
        return load_config(config, options)
    if config is not None:
        cfg = copy.deepcopy(config)
    else:
        values = read_config_text(str(meta_of(load_state(checkpoint)).get("config") or ""))
        if "model" not in values:
            raise UserError(f"{checkpoint} holds no config: give that of its training (--config)")
        cfg = Config(values)
        import_modules(cfg, f"{checkpoint}, custom_imports of its config")
        check_config(cfg)
    cfg.merge_from_dict(options)
    return cfg


def _set_augment(cfg: Config, augment: str) -> None:
    """Set the test-time augmentation of a config."""
    if augment != "none" and augment not in VIEWS:
        raise UserError(f"augment {augment!r}: choose one of none, {', '.join(VIEWS)}")
    wanted = None if augment == "none" else augment
    cfg.model.test_cfg = {**(cfg.model.get("test_cfg") or {}), "augment": wanted}
