"""Predictions of a trained classifier for any images: a folder, files, a list, images in memory.

Letters: N images, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv import Config
from numpy.typing import NDArray

from mmselfsup.config.inspect import class_list
from mmselfsup.core.checkpoint import load_state
from mmselfsup.datasets import SingleViewDataset
from mmselfsup.evaluation.predictions import Predictions
from mmselfsup.metrics import with_temperature
from mmselfsup.models.algorithms.classification import VIEWS
from mmselfsup.utils.collect import collect_results
from mmselfsup.utils.device import default_device
from mmselfsup.utils.error_context import run_errors
from mmselfsup.utils.errors import UserError

from ..preflight.trained_input import report_other_input
from ..test import trained_model
from .image_input import Images, config_of, image_dataset, image_loader, report_images
from .single_image import evaluation_pipeline

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
        state = load_state(checkpoint)
        self.cfg = config_of(checkpoint, state, config, options)
        report_other_input(self.cfg, checkpoint, state)
        if augment is not None:
            _set_augment(self.cfg, augment)
        self.model: Any = trained_model(self.cfg, checkpoint, state).to(default_device()).eval()
        if not hasattr(self.model, "class_scores"):
            raise UserError(
                f"{checkpoint} is a {type(self.model).__name__}, which predicts no classes: "
                "fine-tune it first"
            )
        names: Any = self.model.CLASSES
        self.classes: list[str] | None = names or class_list(self.cfg)

    def __call__(self, images: Images, patients: str | None = None) -> Predictions:
        """Return the predictions for images.

        Args:
            images: See ``given_images``.
            patients: For a head that takes metadata: a CSV, see ``ImageList``.

        Raises:
            UserError: There are no such images, or none can be read.
        """
        dataset = self.dataset(images, patients)
        report_images(dataset)
        source = dataset.data_source
        with run_errors():
            scores = collect_results(
                self.model, image_loader(self.cfg, dataset, self.batch_size, self.workers)
            )
        probs = self._probabilities(scores)
        errors = source.errors()
        if len(errors) == len(dataset):
            raise UserError(f"none of the {len(dataset)} images can be read: {errors[0]}")
        probs[list(errors)] = np.nan
        names = self.classes or [str(number) for number in range(probs.shape[1])]
        if len(names) != probs.shape[1]:
            raise UserError(f"the model has {probs.shape[1]} classes, of which {len(names)} names")
        several = bool(getattr(self.model, "multi_label", False))
        return Predictions(source.image_names(), names, probs, errors, multi_label=several)

    def dataset(self, images: Images, patients: str | None = None) -> SingleViewDataset:
        """Return the data set of images; arguments as in a call.

        Raises:
            UserError: There are no such images.
        """
        pipeline = evaluation_pipeline(self.cfg)
        if not getattr(self.model, "uses_patient", False):
            return image_dataset(self.cfg, images, pipeline)
        if patients is None:
            raise UserError("the model's head takes metadata: give a CSV with --patients")
        return image_dataset(self.cfg, images, pipeline, patients)

    def _probabilities(self, scores: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Return the calibrated probabilities [N, C] of one head's scores."""
        head = self.head or (next(iter(scores)) if len(scores) == 1 else None)
        if head not in scores:
            raise UserError(f"the model has the heads {', '.join(scores)}: name one with --head")
        if getattr(self.model, "multi_label", False):  # sigmoids
            return _calibrated(np.asarray(scores[head], np.float64), self.temperature)
        return with_temperature(scores[head], self.temperature)


def _calibrated(probs: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Return sigmoid(z / T) of the logits z whose sigmoids [N, C] are given."""
    if temperature == 1.0:
        return probs
    inside = probs.clip(_LEAST, 1 - _LEAST)
    logits = np.log(inside) - np.log1p(-inside)
    return 1.0 / (1.0 + np.exp(-logits / temperature))


def _set_augment(cfg: Config, augment: str) -> None:
    """Set the test-time augmentation of a config."""
    if augment != "none" and augment not in VIEWS:
        raise UserError(f"augment {augment!r}: choose one of none, {', '.join(VIEWS)}")
    wanted = None if augment == "none" else augment
    cfg.model.test_cfg = {**(cfg.model.get("test_cfg") or {}), "augment": wanted}
