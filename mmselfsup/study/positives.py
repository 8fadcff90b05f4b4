"""Lesion positives of a pre-training, which need the lesions and the fold's test list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mmselfsup.config.inspect import find_dataset, has_key

from .configs import quoted

if TYPE_CHECKING:
    from mmcv import Config


def positives_options(cfg: Config, held_out: Path | None, metadata: Path | None) -> list[str]:
    """Return the overrides of lesion positives, where a pre-training has them.

    Args:
        cfg: The config of the pre-training.
        held_out: List of the images that the study tests on, whose lesions must not be among
            those of the pre-training; None where it sees all images: then nothing is
            excluded, and test images of a lesion are positives of each other.
        metadata: CSV of the lesions; None uses that of the config.

    Returns:
        Overrides ``key=value``; none where ``lesion_positives`` isn't set.
    """
    key = f"{find_dataset(cfg, 'train')[0]}.lesion_positives"
    if not has_key(cfg, f"{key}.metadata"):
        return []
    lesions = [] if metadata is None else [f"{key}.metadata={quoted(metadata)}"]
    return [*lesions, f"{key}.held_out={None if held_out is None else quoted(held_out)}"]
