"""What all formats have in common.

Letters: N images, C channels, H, W size of an image, K classes or width of a feature.
"""

from __future__ import annotations

import importlib.util
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import json_value

from .description import Description
from .network import ImageNetwork

#: Images [N, C, H, W] to logits or features [N, K].
Run = Callable[[Tensor], Tensor]


class Format(ABC):
    """One format: how a network is written to a folder, and read from it by the format's library.

    Attributes:
        name: Its name on the command line.
        file: The name of the file in the folder that holds the network.
        described: The name of the file that holds the description.
        needs: Packages that must be installed, by the name to import.
        reading: Python that loads the folder ``FOLDER`` into ``network``, for the model card.
    """

    name: ClassVar[str]
    file: ClassVar[str]
    described: ClassVar[str] = "config.json"
    needs: ClassVar[tuple[str, ...]] = ()
    reading: ClassVar[str] = ""

    def packages(self, network: ImageNetwork) -> tuple[str, ...]:
        """Return the packages that are needed for a network."""
        return self.needs

    def check(self, network: ImageNetwork) -> None:
        """Check that the packages are installed.

        Raises:
            UserError: One is not.
        """
        missing = [
            name for name in self.packages(network) if importlib.util.find_spec(name) is None
        ]
        if missing:
            raise UserError(
                f"--to {self.name} needs {' and '.join(missing)}: pip install {' '.join(missing)}"
            )

    @abstractmethod
    def write(
        self, network: ImageNetwork, images: Tensor, description: Description, path: Path
    ) -> None:
        """Write the network; a file is written completely or not at all.

        Args:
            network: The network.
            images: Real images [N, C, H, W], N at least 2, to trace the network with.
            description: What the file says about itself.
            path: The file; further files stand beside it.

        Raises:
            UserError: The format has no such network, or the file can't be written.
        """

    @abstractmethod
    def load(self, network: ImageNetwork, path: Path) -> Run:
        """Return what the format's own library makes of the file.

        Args:
            network: The exported network, for a format that is weights alone: a copy with other
                weights is filled.
            path: The file.
        """

    def explain(self, network: ImageNetwork, description: Description) -> str:
        """Return the Python of ``reading``, completed for this network."""
        return self.reading


def json_text(value: Any) -> str:
    """Return a value as text of JSON, NaN as null."""
    return json.dumps(json_value(value), allow_nan=False)
