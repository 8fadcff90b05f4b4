"""The features of images with their names, and their files.

Letters: N images, D width of a feature, h, w places of a map.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write, check_writable

if TYPE_CHECKING:
    from pandas import DataFrame

_FILES = (".npz", ".csv", ".parquet")
_PARQUET = ("pyarrow", "fastparquet")  # either writes it for pandas


@dataclass(frozen=True)
class Embeddings:
    """The features of N images.

    Attributes:
        images: N names: paths as they were given; ``image 0`` and so on for images in memory.
        features: [N, D], float32; nan for an image that could not be read.
        maps: [N, D, h, w], float32, of the last stage; None where they were not asked for.
        errors: Why an image could not be read, by its number.
    """

    images: list[str]
    features: NDArray[np.float32]
    maps: NDArray[np.float32] | None = None
    errors: dict[int, str] = field(default_factory=dict)

    def table(self) -> DataFrame:
        """Return a table with a row for each image: ``image``, and ``f0`` to ``f{D - 1}``."""
        from pandas import DataFrame  # slow to load

        columns = [f"f{number}" for number in range(self.features.shape[1])]
        table = DataFrame(self.features, columns=columns)
        table.insert(0, "image", self.images)
        return table

    def write(self, path: str) -> None:
        """Write the features to a file, completely or not at all.

        A ``.npz`` file has the arrays ``images``, ``features`` and, where there are, ``maps``; a
        ``.csv`` or ``.parquet`` file has the table.

        Raises:
            UserError: See ``check_features_file``.
        """
        check_features_file(path, self.maps is not None)
        with atomic_write(path) as file:
            if path.endswith(".npz"):
                arrays = {"images": np.asarray(self.images), "features": self.features}
                if self.maps is not None:
                    arrays["maps"] = self.maps
                np.savez(file, **arrays)  # type: ignore[arg-type]
            elif path.endswith(".csv"):
                file.write(self.table().to_csv(index=False, lineterminator="\n").encode())
            else:
                self.table().to_parquet(file, index=False)


def check_features_file(path: str, maps: bool) -> None:
    """Check the name of a file for features before the work is done.

    Args:
        path: The file.
        maps: Whether it shall hold maps.

    Raises:
        UserError: It has another type, can't hold maps, can't be written, or its type needs a
            package that is missing.
    """
    kind = Path(path).suffix
    if kind not in _FILES or Path(path).is_dir():
        raise UserError(f"--out {path}: name a file that ends with {', '.join(_FILES)}")
    if maps and kind != ".npz":
        raise UserError(f"--out {path}: maps are no table; name a .npz file, or leave out --maps")
    if kind == ".parquet" and not any(map(find_spec, _PARQUET)):
        raise UserError(f"--out {path}: parquet needs a package: pip install {_PARQUET[0]}")
    check_writable(path)
