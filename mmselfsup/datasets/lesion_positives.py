"""Positive pairs of two images of the same lesion, for methods that compare two views."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

import torch

from mmselfsup.utils.errors import ArgumentError, UserError
from mmselfsup.utils.image_names import image_stem
from mmselfsup.utils.plurals import counted, plural

from .data_sources.lists import read_names
from .data_sources.metadata import read_lesions
from .pipelines.compose import bernoulli, check_probability
from .pipelines.encoded import Pixels


class LesionPositives:
    """Chooses for an image another image of the same lesion.

    Source: Azizi et al. 2021 (arXiv 2101.05224), the section on MICLe: a positive pair is
    made of two images of one patient case where there are several, else of two views of one image.

    Difference from the paper: images are grouped by lesion (``lesion_id``), not by patient.

    The random choices come from torch's generator, so that they depend on the seed of the sample
    (see ``seeding``); an image without a partner takes no random number.

    Args:
        data_source: Source of the images and of their partners.
        metadata: CSV file with the columns ``image`` and ``lesion_id``. An image whose lesion is
            not known has no partner.
        held_out: The list, or lists, of the images that the model will be evaluated on. None of
            their lesions may be among those of the data source. None where no such list exists.
        prob: Probability of taking another image where the lesion has one, 0..1.

    Raises:
        UserError: A held-out image or lesion is among those of the data source, a file is missing,
            or no lesion has two images.
        ArgumentError: ``prob`` is no probability, or the images are no files and so have no name.
    """

    def __init__(
        self,
        data_source: Any,
        metadata: str,
        held_out: str | Sequence[str] | None,
        prob: float = 1.0,
    ) -> None:
        check_probability(prob, "lesion_positives.prob")
        names = data_source.image_names()
        if names is None:
            raise ArgumentError(
                f"lesion_positives: images of {type(data_source).__name__} have no file names to "
                "look up in metadata; take ImageList"
            )
        self.data_source = data_source
        self.prob = prob
        lists = [held_out] if isinstance(held_out, str) else list(held_out or ())
        classes = data_source.CLASSES
        unseen = [name for path in lists for name in read_names(os.path.expanduser(path), classes)]
        # one call, so that the table is read once
        lesions = read_lesions(os.path.expanduser(metadata), [*names, *unseen])
        self._lesions, unseen_lesions = lesions[: len(names)], lesions[len(names) :]
        source = data_source.ann_file or data_source.data_prefix
        seen = (names, self._lesions)
        _check_apart(source, ", ".join(lists), seen, (unseen, unseen_lesions))
        self._images: dict[str, list[int]] = {}  # lesion -> its images
        for idx, lesion in enumerate(self._lesions):
            if lesion:
                self._images.setdefault(lesion, []).append(idx)
        num_paired = self.num_with_partner()
        logging.getLogger("mmselfsup").info(
            "lesion positives: %d of %d images have another one of their lesion",
            num_paired,
            len(names),
        )
        if num_paired == 0:
            raise UserError(
                f"lesion_positives: no lesion of {metadata} has two of the {len(names)} images; "
                "take lesion_positives out"
            )

    def num_with_partner(self) -> int:
        """Return how many images have another image of their lesion."""
        return sum(len(images) for images in self._images.values() if len(images) > 1)

    def partners(self, idx: int) -> list[int]:
        """Return the other images of the lesion of image ``idx``, in the data source's order."""
        return [other for other in self._images.get(self._lesions[idx], ()) if other != idx]

    def choose(self, idx: int, image: Pixels | Any) -> Pixels | Any:
        """Return another image of the lesion, each with equal probability, or the image itself.

        Args:
            idx: Index of the image in the data source.
            image: The image, as the data source's ``load_for_views`` returns it.

        Returns:
            An image as the data source's ``load_for_views`` returns it. It is ``image`` where the
            lesion has no other, with probability 1 - ``prob``, and where the other one can't be
            read and is skipped.
        """
        partners = self.partners(idx)
        if not partners or not bernoulli(self.prob):
            return image
        partner = partners[int(torch.randint(len(partners), ()).item())]
        other, other_idx = self.data_source.load_for_views(partner)
        # with on_error="skip" the data source may have taken an image of another lesion instead
        return other if self._lesions[other_idx] == self._lesions[idx] else image


def _check_apart(
    source: str,
    held_out: str,
    seen: tuple[Sequence[str], Sequence[str]],
    unseen: tuple[Sequence[str], Sequence[str]],
) -> None:
    """Check that no image and no lesion is in both the training and the held-out part.

    Args:
        source: Name of the training list or folder, for the message.
        held_out: Names of the held-out lists, for the message.
        seen: Names and lesions of the training images.
        unseen: Names and lesions of the held-out images.

    Raises:
        UserError: An image or a lesion is in both.
    """
    stems = {image_stem(name) for name in seen[0]}
    known = set(seen[1]) - {""}
    both = [
        (name, lesion)
        for name, lesion in zip(*unseen, strict=True)
        if image_stem(name) in stems or lesion in known
    ]
    if both:
        name, lesion = both[0]
        raise UserError(
            f"lesion_positives: {counted(len(both), 'image')} of {held_out} "
            f"{plural(len(both), 'shows', 'show')} lesions of {source} (e.g. {name}, lesion "
            f"{lesion or 'not known'}), which only training may see; make "
            "lists that keep each lesion in one part with tools/isic2019/prepare_splits.py"
        )
