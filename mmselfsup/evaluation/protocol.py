"""What every evaluation of frozen features has in common: settings, an early check, a result."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .features import LabelledFeatures


@dataclass(frozen=True)
class ProtocolResult:
    """Result of an evaluation of frozen features.

    Attributes:
        rows: What ``classification_metrics`` gives for each classifier, by its name in the table.
        facts: Further entries of the JSON file, such as the settings.
    """

    rows: Mapping[str, Mapping[str, float]]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Protocol(ABC):
    """An evaluation of frozen features with its settings.

    A subclass is a dataclass whose fields have the names of the options of its command line;
    ``PROTOCOLS`` of ``apis/features/frozen_features.py`` names it.
    """

    @abstractmethod
    def check(self, num_train: int) -> None:
        """Check the settings before the features are extracted, which takes the most time.

        Args:
            num_train: Number of training samples.

        Raises:
            UserError: A setting can't be used with so many samples.
        """

    @abstractmethod
    def evaluate(self, data: LabelledFeatures, logger: logging.Logger) -> ProtocolResult:
        """Return the result for the features.

        Args:
            data: The features of all training and test samples.
            logger: The logger of the run.

        Raises:
            UserError: The features or a setting can't be used.
        """
