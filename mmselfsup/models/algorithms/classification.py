"""A classifier on a backbone: linear probes, fine-tuning, training from scratch.

Letters: N images, K classes, D width of a patient's code, C channels, H, W size of an image, V
views in test-time augmentation.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import ArgumentError, UserError

from ..builder import ALGORITHMS, build_backbone, build_head
from ..utils import Sobel
from .base import BaseModel

#: Number of views of each kind.
VIEWS = {"flip": 2, "flips": 4, "dihedral": 8}


def head_names(backbone: Any, num_heads: int) -> list[str]:
    """Return the names of the scores: ``head4`` belongs to the backbone's output 4.

    A head beyond the backbone's outputs (``with_last_layer_unpool``) is ``head<last>_unpool``.

    Args:
        backbone: The backbone; without ``out_indices`` the heads are numbered from 0.
        num_heads: Number of heads.
    """
    indices = list(getattr(backbone, "out_indices", range(num_heads)))
    names = [f"head{i}" for i in indices[:num_heads]]
    return names + [f"head{indices[-1]}_unpool"] * (num_heads - len(names))


def build_augments(train_cfg: dict | None, num_classes: int | None = None) -> Any:
    """Return mmcls's mixing of images and labels, or None if the config has none.

    Args:
        train_cfg: ``dict(augments=[...])``.
        num_classes: K of the head, for augmentations whose config has no ``num_classes``.

    Returns:
        A callable: images [N, 3, H, W] and labels [N] -> images and label distributions [N, K].
    """
    if train_cfg is None or train_cfg.get("augments") is None:
        return None
    from mmcls.models.utils.augment import Augments  # only for configs that mix images

    given = train_cfg["augments"]
    configs = [given] if isinstance(given, dict) else given
    return Augments([{"num_classes": num_classes, **config} for config in configs])


@ALGORITHMS.register_module()
class Classification(BaseModel):
    """A backbone and a head that classifies its features.

    Args:
        backbone: Config of the backbone; with all stages frozen (``frozen_stages=4``) and a linear
            head this is a linear probe.
        with_sobel: Replace images by their Sobel edges (DeepCluster); the backbone then needs
            ``in_channels=2``.
        head: Config of the head, such as ``ClsHead``; required.
        train_cfg: ``dict(augments=[...])`` mixes the batch as mmcls does (``BatchMixup``,
            ``BatchCutMix``, ``BatchResizeMix``).
        init_cfg: See ``BaseModel``.
        test_cfg: ``dict(augment='dihedral')`` averages the probabilities over rotated and mirrored
            images, see ``augmented_views``.

    Raises:
        ArgumentError: The head is missing, ``augment`` is unknown, or ``train_cfg`` mixes images
            for a head that takes metadata, which can't be mixed.
    """

    #: Its head has a row for each class of the data.
    reads_classes = True

    def __init__(
        self,
        backbone: dict,
        with_sobel: bool = False,
        head: dict | None = None,
        train_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
        test_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if head is None:
            raise ArgumentError(
                "Classification needs a head, for example dict(type='ClsHead', ...)"
            )
        self.with_sobel = with_sobel
        if with_sobel:
            self.sobel_layer = Sobel()
        self.backbone = build_backbone(backbone)
        self.head = build_head(head)
        #: Whether an image may be of several classes: scores are then a sigmoid for each class.
        self.multi_label: bool = getattr(self.head, "multi_label", False)
        self.uses_patient: bool = getattr(self.head, "uses_patient", False)
        self.augments = build_augments(train_cfg, getattr(self.head, "num_classes", None))
        if self.augments is not None and self.uses_patient:
            raise ArgumentError(
                f"train_cfg.augments mixes images, but not the metadata of {head['type']}: leave "
                "one of them out"
            )
        self.test_augment: str | None = (test_cfg or {}).get("augment")
        check_augment(self.test_augment)

    def fit_dataset(self, size: DataInfo) -> None:
        """Check that the training data have labels of the head, before the first iteration.

        A class without an image is logged: it may be meant, as the head of a larger data set is.

        Raises:
            UserError: Some images have no label, or a label beyond the classes of the head.
        """
        if size.num_unlabelled and not self.multi_label:
            raise UserError(_without_label(size, "data.train"))
        self.check_labels(size, "data.train")
        counts = list(size.class_counts or size.flag_counts or ())
        num_classes = self._num_classes()
        if counts and num_classes is not None:
            counts += [0] * (num_classes - len(counts))
            empty = [number for number, count in enumerate(counts) if not count]
            if empty:
                shown = ", ".join(map(str, empty[:5])) + (", ..." if len(empty) > 5 else "")
                logging.getLogger("mmselfsup").warning(
                    "data.train: %d of the %d classes of the head (model.head.num_classes) have no "
                    "image: %s", len(empty), len(counts), shown,
                )  # fmt: skip

    def _num_classes(self) -> int | None:
        """Return the number of classes of the head; None where it doesn't tell."""
        return getattr(self.head, "num_classes", None)

    def check_labels(self, size: DataInfo, part: str, unknown: bool = False) -> None:
        """Check that no label of a data set is beyond the classes of the head.

        Args:
            size: The data set.
            part: Its key in the config, for the message.
            unknown: Whether the first number beyond the classes means "none of them" (``UNK``).

        Raises:
            UserError: A label is, or an image has several labels, and the head is one of this
                package, whose losses need one.
        """
        num_classes = self._num_classes()
        if self.multi_label:
            if size.num_labels != num_classes:
                raise UserError(
                    f"{part}: each image has {size.num_labels} label(s), and MultiLabelClsHead "
                    f"needs a 0 or 1 for each of {num_classes} classes: set multi_label=True in "
                    "the data source, and model.head.num_classes"
                )
            if size.no_flag_at:
                raise UserError(
                    f"{part}: a label of {size.no_flag_at} is neither 0 nor 1, and "
                    "MultiLabelClsHead needs one of these for each class: correct the list"
                )
            return
        if size.num_labels > 1 and type(self.head).__module__.startswith("mmselfsup."):
            raise UserError(
                f"{part}: each image has {size.num_labels} labels, and {type(self.head).__name__} "
                "needs one: write 'name label' in every line of ann_file, or set "
                "model.head.type=MultiLabelClsHead for images of several classes"
            )
        if size.num_unlabelled:
            raise UserError(_without_label(size, part))
        if size.class_counts is None or num_classes is None:
            return
        classes = len(size.class_counts)
        if classes > num_classes + unknown:
            raise UserError(
                f"{part}: {size.largest_label_at} has the label {classes - 1}, the head has the "
                f"classes 0 to {num_classes - 1}: number the classes of the list from 0, or "
                f"set model.head.num_classes={classes}"
            )

    def extract_feat(self, img: Tensor) -> Sequence[Tensor]:
        """Return the features of images [N, 3, H, W], one entry for each stage of the backbone.

        ``MIMVisionTransformer`` gives a tensor of vectors [N, C]: they become the single entry.
        """
        features = self.backbone(self.sobel_layer(img) if self.with_sobel else img)
        return [features] if isinstance(features, Tensor) else features

    def classify(self, img: Tensor, patient: Tensor | None = None) -> Sequence[Tensor]:
        """Return the logits of each head, [N, K].

        Args:
            img: Images [N, 3, H, W].
            patient: Age, site and sex of each patient as codes [N, D], for a head that takes them.
        """
        return self.class_scores(self.extract_feat(img), patient)

    def class_scores(
        self, features: Sequence[Tensor], patient: Tensor | None = None
    ) -> Sequence[Tensor]:
        """Return the logits [N, K] of each head for features of the backbone; see ``classify``."""
        return self.head(features, patient) if self.uses_patient else self.head(features)

    def forward_train(
        self, img: Tensor, label: Tensor, patient: Tensor | None = None, **kwargs: Any
    ) -> dict[str, Tensor]:
        """Return the losses and accuracies of the heads.

        Args:
            img: Images [N, 3, H, W].
            label: Class numbers [N] (int64), 0..K-1.
            patient: Age, site and sex as codes [N, D], for a head that takes them.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss`` and ``acc`` (in percent), or those of ``MultiClsHead``.
        """
        if self.augments is not None:
            img, label = self.augments(img, label)
        return self.head.loss(self.classify(img, patient), label)

    def forward_test(
        self, img: Tensor, patient: Tensor | None = None, **kwargs: Any
    ) -> dict[str, Tensor]:
        """Return the scores [N, K] of each head, float32 on the CPU, under ``head_names``.

        They are logits without test-time augmentation and probabilities with it; always
        probabilities where an image may be of several classes.
        """
        scores = self._scores(img, patient)
        names = head_names(self.backbone, len(scores))
        return {name: s.float().cpu() for name, s in zip(names, scores, strict=True)}

    def _scores(self, img: Tensor, patient: Tensor | None) -> Sequence[Tensor]:
        """Return the logits of each head, or the mean of the probabilities over the views."""
        if self.test_augment is None:
            scores = self.classify(img, patient)
            return [s.float().sigmoid() for s in scores] if self.multi_label else scores
        # Probabilities are averaged in float32: the scale of logits may differ from view to view.
        views = augmented_views(img, self.test_augment)
        by_view = [
            [
                s.float().sigmoid() if self.multi_label else s.float().softmax(dim=1)
                for s in self.classify(view, patient)
            ]
            for view in views
        ]
        return [torch.stack(scores).mean(dim=0) for scores in zip(*by_view, strict=True)]


def check_augment(kind: str | None) -> None:
    """Check that ``kind`` is a kind of views, or None for no augmentation.

    Raises:
        ArgumentError: The kind is unknown.
    """
    if kind is not None and kind not in VIEWS:
        raise ArgumentError(f"test_cfg.augment must be one of {', '.join(VIEWS)}, got {kind!r}")


def augmented_views(img: Tensor, kind: str) -> Iterator[Tensor]:
    """Yield the views of a batch, the batch itself first.

    Args:
        img: Images [N, C, H, W].
        kind: ``'flip'`` adds the left-right mirror image; ``'flips'`` adds both mirror images and
            the half turn; ``'dihedral'`` is all quarter turns of the image and of its mirror image,
            for images without a natural orientation, such as those of skin.

    Yields:
        V batches [N, C, H, W], or [N, C, W, H] for turns by 90 and 270 degrees.

    Raises:
        ArgumentError: The kind is unknown.
    """
    check_augment(kind)
    if kind != "dihedral":
        yield img
        yield img.flip(-1)
        if kind == "flips":
            yield img.flip(-2)
            yield img.flip((-2, -1))
        return
    for start in (img, img.flip(-1)):
        for turns in range(4):
            yield torch.rot90(start, turns, (-2, -1))


def _without_label(size: DataInfo, part: str) -> str:
    """Return the error about images without a label in a part of the data."""
    return (
        f"{part}: {size.num_unlabelled} of {size.num_images} images have no label, first "
        f"{size.unlabelled_at or 'one of them'}; a classifier needs 'name label' in every line of "
        "ann_file (in a CSV file: a cell may be empty, or the column has another name: set "
        "label_column)"
    )
