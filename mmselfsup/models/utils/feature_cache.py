"""Features of a frozen network in a file, computed once for each image.

Letters: N images of this process, M images of the data set, F numbers of an image.
"""

import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_json, file_lock

Compute = Callable[[Tensor], tuple[Tensor, tuple[int, ...]]]


class FeatureCache:
    """Rows of features by the index of the image, in files that all processes of a machine share.

    A row belongs to a view: its checksum is kept beside it. A view that differs from that of the
    row is an error, so only a pipeline without random transforms can be cached. A row that a killed
    process has not completed is computed again.

    Args:
        folder: Folder of the files; 4 * M * F bytes.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        #: M, set by ``fit_dataset`` of the owner.
        self.num_images = 0
        # Rows [M, F] and marks [M, 2], the checksums of the view and of the row.
        self._files: tuple[NDArray[np.float32], NDArray[np.int64]] | None = None
        self._shape: tuple[int, ...] = ()

    def get(
        self, key: str, img: Tensor, idx: Tensor, compute: Compute
    ) -> tuple[Tensor, tuple[int, ...]]:
        """Return the features of a batch, from the file where all of its rows are there.

        Args:
            key: Name of the network that computes them.
            img: Images [N, C, H, W].
            idx: Index of each in the data set, [N].
            compute: Function of images that returns features [N, F] and what they consist of.

        Returns:
            Features [N, F], float32, on the device of the images, and what they consist of.

        Raises:
            UserError: A view is not the one whose features are in the file, or the files can't be
                written.
        """
        places, views = idx.cpu().numpy(), view_marks(img)
        if self._files is not None:
            return self._stored(self._files, places, views, img, compute)
        flat, shape = compute(img)
        try:
            self._files = self._open(f"{key}-{self.num_images}", flat.shape[1], shape)
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"teacher.cache={self.folder}: {error}; check the folder, or delete it"
            ) from error
        return self._stored(self._files, places, views, img, lambda _: (flat, shape))

    def _stored(
        self,
        files: tuple[NDArray[np.float32], NDArray[np.int64]],
        places: NDArray[Any],
        views: NDArray[np.int64],
        img: Tensor,
        compute: Compute,
    ) -> tuple[Tensor, tuple[int, ...]]:
        """Return the rows of a batch; those that are not there yet are computed and written."""
        rows, marks = files
        known, kept = marks[places], rows[places]  # [N, 2], [N, F]
        whole = np.array([zlib.crc32(row.tobytes()) for row in kept]) == known[:, 1]  # [N]
        whole &= known[:, 0] != 0
        if (changed := whole & (known[:, 0] != views)).any():
            raise UserError(
                f"teacher.cache: the view of image {places[changed][0]} is not the one whose "
                "features are kept: it needs views that are the same in each epoch (no random "
                "transform in data.train.pipelines, one view of an image), or set "
                "model.teacher.cache=None"
            )
        if whole.all():
            return torch.from_numpy(kept).to(img.device), self._shape
        flat, _ = compute(img)
        new = flat.float().cpu().numpy()  # [N, F]
        todo = np.flatnonzero(~whole)
        # The row first: a process that is killed between the two leaves a mark that doesn't fit.
        rows[places[todo]] = new[todo]
        checks = [zlib.crc32(new[i].tobytes()) for i in todo]
        marks[places[todo]] = np.stack([views[todo], np.array(checks)], axis=1)
        return torch.from_numpy(np.where(whole[:, None], kept, new)).to(img.device), self._shape

    def _open(self, name: str, width: int, shape: tuple[int, ...]) -> Any:
        """Open the files, or create them; the first process does, the others wait."""
        folder = self.folder / f"{name}-{'x'.join(map(str, shape))}"
        folder.mkdir(parents=True, exist_ok=True)
        self._shape = shape
        described = folder / "shape.json"
        with file_lock(folder / ".lock"):
            if not described.exists():
                for file, size in (("rows.bin", 4 * width), ("marks.bin", 16)):
                    with open(folder / file, "wb") as new:
                        new.truncate(size * self.num_images)
                        os.fsync(new.fileno())
                atomic_write_json(described, {"shape": list(shape), "images": self.num_images})
            if json.loads(described.read_text(encoding="utf-8"))["images"] != self.num_images:
                raise ValueError(f"{described} is of another number of images")
        images = self.num_images
        rows = np.memmap(folder / "rows.bin", np.float32, "r+", shape=(images, width))
        return rows, np.memmap(folder / "marks.bin", np.int64, "r+", shape=(images, 2))


def view_marks(img: Tensor) -> NDArray[np.int64]:
    """Return a checksum of each image [N, C, H, W] that any changed pixel changes, [N], not 0."""
    bits = img.detach().float().contiguous().flatten(1).view(torch.int32).long()  # [N, P]
    # Odd factors, so that no single change is lost; sums wrap around in the same way everywhere.
    factors = 2 * torch.arange(bits.shape[1], device=img.device) + 1  # [P]
    mixed = (bits * factors * 0x9E3779B1).sum(dim=1)  # [N]
    return (2 * mixed + 1).cpu().numpy()
