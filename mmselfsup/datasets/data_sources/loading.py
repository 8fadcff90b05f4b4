"""Reading the images of a data source from files or the cache, skipping unreadable ones."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

from PIL.Image import Image
from torch import Tensor

from mmselfsup.utils.errors import UserError

from ..cache.store import ImageStore
from ..pipelines.pixels import Pixels, to_image, to_pixels
from .decode import ImageError
from .reader import ImageReader


class Loading:
    """The part of a data source that reads images.

    A subclass whose images are not in files of their own overrides ``decode``, or ``get_img`` where
    it has PIL images.
    """

    data_infos: list[dict[str, Any]]
    data_prefix: str
    ann_file: str | None
    reader: ImageReader
    on_error: str
    cache: ImageStore | None = None
    _broken: Tensor  # [len], bool: which images were skipped

    def path(self, idx: int) -> str:
        """Return the path of the image ``idx``."""
        info = self.data_infos[idx]
        return os.path.join(info["img_prefix"] or "", info["img_info"]["filename"])

    def decode(self, idx: int) -> Pixels | Image:
        """Return the image ``idx``, read from its file.

        Returns:
            An array [H, W, 3] or [H, W]; a PIL image for ``color_type='unchanged'``.

        Raises:
            ImageError: It is missing, damaged, or no image.
        """
        path, info = self.path(idx), self.data_infos[idx]
        try:
            return self.reader.read_pixels(path)
        except (ImageError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            line = f" (line {info['line']} of {self.ann_file})" if info.get("line") else ""
            raise ImageError(
                f"{path}{line}: {reason}; replace it, take it off the list, or (in training) set "
                "on_error='skip' in the data source"
            ) from error

    def get_img(self, idx: int) -> Image:
        """Return the image ``idx`` as a PIL image; errors as in ``decode``."""
        cached = self._cached(idx)
        image = self.decode(idx) if cached is None else cached
        return image if isinstance(image, Image) else to_image(image)

    def get_pixels(self, idx: int) -> Pixels | Image:
        """Return the image ``idx`` as an array [H, W, 3] or [H, W], not to be written into.

        Where it has another mode than RGB or L, it is a PIL image. Errors as in ``decode``.
        """
        cached = self._cached(idx)
        return self.uncached_pixels(idx) if cached is None else cached

    def uncached_pixels(self, idx: int) -> Pixels | Image:
        """Return the image as ``get_pixels`` does, without the cache."""
        if type(self).get_img is Loading.get_img:  # not overridden: no way through a PIL image
            return self.decode(idx)
        image = self.get_img(idx)  # a subclass overrides how images are read
        pixels = to_pixels(image)
        return image if pixels is None else pixels

    def load(self, idx: int) -> tuple[Image, int]:
        """Return the image ``idx``, or with ``on_error='skip'`` the next one that can be read.

        Returns:
            The image and its own index, which is also that of its label.
        """
        return self._first_readable(idx, self.get_img)

    def load_pixels(self, idx: int) -> tuple[Pixels | Image, int]:
        """Return the same as ``load``, with the image as ``get_pixels`` returns it."""
        return self._first_readable(idx, self.get_pixels)

    def num_skipped(self) -> int:
        """Return how many images could not be read and were skipped so far, over all workers."""
        return int(self._broken.sum())

    def _cached(self, idx: int) -> Pixels | None:
        """Return the image ``idx`` of the cache, None without a cache or where it is broken."""
        return None if self.cache is None else self.cache[idx]

    def _first_readable(self, idx: int, read: Callable[[int], Any]) -> tuple[Any, int]:
        """Return the image ``idx`` or the next readable one, and its index."""
        if self.on_error == "raise":
            return read(idx), idx
        num_images = len(self.data_infos)
        for candidate in ((idx + step) % num_images for step in range(num_images)):
            if self._broken[candidate]:  # found by any worker: do not read and count it again
                continue
            try:
                return read(candidate), candidate
            except UserError as error:
                self._broken[candidate] = True
                logging.getLogger("mmselfsup").warning(
                    "skipped an image (%d so far): %s", self.num_skipped(), error
                )
        raise UserError(f"none of the {num_images} images in {self.data_prefix} can be read")
