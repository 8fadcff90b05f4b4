"""CIFAR-10 and CIFAR-100 from the official files in Python's format."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmselfsup.utils.dist import on_main
from mmselfsup.utils.errors import UserError

from ..pipelines.encoded import Pixels
from ..registry import DATASOURCES
from ..utils import download_and_extract_archive
from .base import BaseDataSource

# The names that a pickle file of arrays needs; any other could run code.
_HARMLESS = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


class _ArrayUnpickler(pickle.Unpickler):
    """An unpickler of arrays and plain values only: a pickle file could otherwise run any code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _HARMLESS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def _unpickle(path: str) -> dict[str, Any]:
    """Return the content of one file of the data set."""
    try:
        with open(path, "rb") as file:
            content = _ArrayUnpickler(file, encoding="latin1").load()
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; unpack the official archive (python version) there, or set "
            "download=True in the data source"
        ) from None
    except (OSError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise UserError(f"{path}: this is no file of the CIFAR data set ({error})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: this is no file of the CIFAR data set")
    return content


@DATASOURCES.register_module()
class CIFAR10(BaseDataSource):
    """CIFAR-10: 50,000 images for training and, with ``test_mode=True``, 10,000 for the test.

    The files are in ``<data_prefix>/cifar-10-batches-py/``, or in ``data_prefix`` itself.

    Args:
        data_prefix: Folder of the data set.
        classes: Names of the classes; by default the official ones.
        ann_file: Ignored.
        test_mode: Whether to take the test part.
        color_type: Ignored.
        channel_order: ``rgb`` or ``bgr``.
        file_client_args: Ignored.
        on_error: Ignored.
        download: Fetch and unpack the official archive (170 MB) into ``data_prefix`` if it is not
            there. By default nothing is downloaded.
        cache: See ``BaseDataSource``; these images are in memory anyway.
        same_classes: See ``BaseDataSource``.
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    md5 = "c58f30108f718f92721af3b95e74349a"
    train_files = tuple(f"data_batch_{i}" for i in range(1, 6))
    test_files: tuple[str, ...] = ("test_batch",)
    meta_file, names_key, label_key = "batches.meta", "label_names", "labels"

    def __init__(
        self,
        data_prefix: str,
        classes: str | Sequence[str] | None = None,
        ann_file: str | None = None,
        test_mode: bool = False,
        color_type: str = "color",
        channel_order: str = "rgb",
        file_client_args: dict[str, Any] = dict(backend="disk"),  # noqa: B006
        on_error: str = "raise",
        download: bool = False,
        cache: dict[str, Any] | None = None,
        same_classes: bool = False,
    ) -> None:
        if download:
            self._download(os.path.expanduser(data_prefix))
        super().__init__(
            data_prefix, classes, ann_file, test_mode, color_type, channel_order,
            file_client_args, on_error, cache, same_classes=same_classes,
        )  # fmt: skip

    def _download(self, data_prefix: str) -> None:
        """Download the archive in one process while the others wait."""

        def fetch() -> None:
            whole = os.path.join(data_prefix, self.base_folder)
            if not os.path.isdir(whole):
                # Renamed when all is there: a killed run leaves no half data set of that name.
                part = os.path.join(data_prefix, f".{self.base_folder}.part")
                shutil.rmtree(part, ignore_errors=True)
                download_and_extract_archive(self.url, data_prefix, part, md5=self.md5)
                if os.path.isdir(unpacked := os.path.join(part, self.base_folder)):
                    os.replace(unpacked, whole)
                shutil.rmtree(part, ignore_errors=True)

        on_main(fetch)

    def load_annotations(self) -> list[dict[str, Any]]:
        folder = os.path.join(self.data_prefix, self.base_folder)
        if not os.path.isdir(folder) and os.path.exists(
            os.path.join(self.data_prefix, self.meta_file)
        ):
            folder = self.data_prefix
        if self.CLASSES is None:
            self.CLASSES = list(_unpickle(os.path.join(folder, self.meta_file))[self.names_key])
        infos = []
        names = self.test_files if self.test_mode else self.train_files
        self.container_files = [os.path.join(folder, name) for name in names]
        for name in names:
            part = _unpickle(os.path.join(folder, name))
            if "data" not in part or self.label_key not in part:
                raise UserError(f"{os.path.join(folder, name)}: no 'data' or '{self.label_key}'")
            pixels = np.asarray(part["data"], dtype=np.uint8).reshape(-1, 3, 32, 32)
            images = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))  # [n, 32, 32, 3]
            infos += [
                {
                    "img_prefix": folder,
                    "img_info": {"filename": f"{name}#{i}"},  # not a file, but a unique name
                    "img": image,
                    "gt_label": int(label),
                }
                for i, (image, label) in enumerate(zip(images, part[self.label_key], strict=True))
            ]
        return infos

    def decode(self, idx: int) -> Pixels:
        """Return the image ``idx``, [32, 32, 3]."""
        pixels = self.data_infos[idx]["img"]
        # a copy, because torch does not accept arrays with negative strides
        return pixels if self.reader.channel_order == "rgb" else pixels[..., ::-1].copy()


@DATASOURCES.register_module()
class CIFAR100(CIFAR10):
    """CIFAR-100 with its 100 fine classes; the files are in ``<data_prefix>/cifar-100-python/``."""

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_files = ("train",)
    test_files = ("test",)
    meta_file, names_key, label_key = "meta", "fine_label_names", "fine_labels"
