"""Features of a frozen network with their labels: extracted, checked, and cached in a file.

A cache file holds digests of what its features come from (weights, network, images, pipeline), so
that features of something else are refused.

Letters: M training samples, N test samples, D width, C classes.
"""

import copy
import hashlib
import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmcv import Config, ConfigDict
from numpy.typing import NDArray
from torch import nn

from mmselfsup.datasets import build_dataset
from mmselfsup.datasets.class_order import use_classes
from mmselfsup.datasets.loader import build_eval_loader, loader_args
from mmselfsup.models.utils import ExtractProcess
from mmselfsup.utils.device import fp16_dtype
from mmselfsup.utils.dist import on_main
from mmselfsup.utils.error_context import config_errors, run_errors
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write, check_writable, file_stamps
from mmselfsup.utils.module import module_device
from mmselfsup.utils.stable_text import stable_text

Origin = dict[str, str]
#: The data set of the neighbours or of the fit of a probe, and the one to test on.
PARTS = {"train": "train", "val": "test"}
#: Class numbers that any data set may have; above, there must be as many images.
_MAX_CLASSES = 100_000
_FILES = "image files"
_USED = ("backbone.", "sobel_layer.")  # the modules behind the features
_FULL = "float32"  # the precision of files that name none
_NETWORK = "network settings"
_NAMES_WEIGHTS = ("init_cfg", "pretrained", "checkpoint_path")  # settings of a backbone
_ARRAYS = ("train", "train_labels", "test", "test_labels")


@dataclass(frozen=True)
class LabelledFeatures:
    """Features of a frozen network.

    Attributes:
        train: Features [M, D], float32.
        train_labels: Labels [M], int64, 0 to C - 1.
        test: Features [N, D], float32.
        test_labels: Labels [N], int64, 0 to C - 1.
        classes: The C names, where they are known.
    """

    train: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test: NDArray[np.float32]
    test_labels: NDArray[np.int64]
    classes: Sequence[str] | None = None

    @property
    def num_classes(self) -> int:
        """Return C: the number of names, otherwise the highest label plus 1."""
        if self.classes is not None:
            return len(self.classes)
        return int(max(self.train_labels.max(), self.test_labels.max())) + 1

    def check(self) -> None:
        """Check that a classifier can be fitted and tested.

        Raises:
            UserError: Features are not finite, or the training samples are all of one class.
        """
        for part, features in (("training", self.train), ("test", self.test)):
            check_finite(features, f"{part} features")
        if len(np.unique(self.train_labels)) < 2:
            raise UserError("the training samples are all of one class: check their list")


def check_finite(features: NDArray[np.floating], name: str = "features") -> None:
    """Check that features [N, D] are numbers.

    Raises:
        UserError: Some are not.
    """
    broken = int((~np.isfinite(features)).any(axis=1).sum())
    if broken:
        raise UserError(
            f"{broken} of {len(features)} {name} are NaN or infinite: the weights are broken, take "
            "an earlier checkpoint"
        )


def labelled_datasets(cfg: Config, name: str) -> dict[str, Any]:
    """Return ``data.train`` and ``data.val`` (or ``data.test``), where each image has one label.

    Args:
        cfg: A data set config.
        name: Its file, for errors.

    Raises:
        UserError: One of the two is missing, or an image has no label.
    """
    data = cfg.get("data") or {}
    configs: dict[str, Any] = {
        "train": data.get("train"),
        "val": data.get("val") or data.get("test"),
    }
    absent = [part for part, part_cfg in configs.items() if part_cfg is None]
    if absent:
        raise UserError(f"{name} has no data.{absent[0]}: data.train and data.val are needed")
    datasets = {}
    for part, part_cfg in configs.items():
        with config_errors(f"data.{part}"):
            dataset = build_dataset(copy.deepcopy(part_cfg))
        source = part_cfg.get("data_source", {}) if isinstance(part_cfg, dict) else {}
        where = source.get("ann_file") or f"{name}, data.{part}"
        check_labels(getattr(dataset, "gt_labels", None), len(dataset), where)
        datasets[part] = dataset
    use_classes(datasets["val"], datasets["train"].CLASSES, f"{name}, data.val", "data.train")
    return datasets


def check_labels(labels: object, num_samples: int, where: str) -> NDArray[np.int64]:
    """Return one class number for each sample.

    Args:
        labels: The ``gt_labels`` of a data set.
        num_samples: Length of the data set.
        where: The list of the images, for the error.

    Raises:
        UserError: There are no labels, several labels for a sample, samples without a label, or a
            number too large for a class.
    """
    array = np.empty(0) if labels is None else np.asarray(labels)
    if array.ndim != 1 and array.size:
        raise UserError(f"{where}: one label for each image is needed, these have several")
    missing = num_samples if array.size == 0 else int((array < 0).sum())
    if missing:
        raise UserError(
            f"{where}: {missing} of {num_samples} images have no label; give a list with "
            "'name label' in every line"
        )
    if int(array.max()) >= max(_MAX_CLASSES, num_samples):
        raise UserError(
            f"{where}: a label is {int(array.max())}, of {num_samples} images: number the classes "
            "from 0 (a classifier has weights for every number below it)"
        )
    return array.astype(np.int64)


def extract(
    model: nn.Module, datasets: dict[str, Any], cfg: Config, distributed: bool = False
) -> LabelledFeatures:
    """Return the features of all images, extracted by all ranks together, the same on every rank.

    Args:
        model: An algorithm in eval mode, on its device; the features are those of its last stage,
            averaged over all positions.
        datasets: The data sets of ``labelled_datasets``.
        cfg: The data set config, for batch size and workers.
        distributed: Whether there are several ranks.
    """
    arrays: dict[str, Any] = {}
    settings = copy.deepcopy(cfg)
    settings.persistent_workers = False  # each list is read only once
    for part, kind in PARTS.items():
        loader = build_eval_loader(datasets[part], settings, part, distributed)
        with run_errors():
            arrays[kind] = ExtractProcess().extract(model, loader, distributed)["feat"]
        arrays[f"{kind}_labels"] = np.asarray(datasets[part].gt_labels, dtype=np.int64)
    return LabelledFeatures(classes=datasets["train"].CLASSES, **arrays)


def cached_features(path: str, origin: Origin) -> LabelledFeatures | None:
    """Return the features cached in a file, the same on every rank; None if there is no file yet.

    Raises:
        UserError: The features can't be used; raised on every rank.
    """
    return on_main(lambda: read_features(path, origin) if os.path.exists(path) else None)


def read_features(path: str, origin: Origin) -> LabelledFeatures:
    """Read what ``write_features`` wrote.

    Args:
        path: The file.
        origin: What the features must come from: a digest for each part.

    Raises:
        UserError: It is no such file, or its features have another origin.
    """
    try:
        with np.load(path, allow_pickle=False) as file:  # a pickle could run any code
            stored: Origin = {"precision": _FULL, **json.loads(str(file["origin"]))}
            arrays = {name: file[name] for name in _ARRAYS}
            classes = [str(name) for name in file["classes"]] or None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"--features {path}: not a file that this tool wrote, or an incomplete one; delete it"
        ) from error
    # Older versions did not store size and time of the image files, nor the settings of the
    # network; and files may be gone.
    unknown = {p for p, d in origin.items() if p.endswith(_FILES) and not (d and stored.get(p))}
    unknown |= {_NETWORK} - stored.keys()
    other = [p for p, digest in origin.items() if p not in unknown and stored.get(p) != digest]
    if other:
        raise UserError(
            f"--features {path}: its features come from other {', other '.join(other)}; delete it "
            "or name another file"
        )
    return LabelledFeatures(classes=classes, **arrays)


def write_features(path: str, data: LabelledFeatures, origin: Origin) -> None:
    """Write features and their origin as ``.npz``, completely or not at all."""
    arrays = {name: getattr(data, name) for name in _ARRAYS}
    names = np.array([] if data.classes is None else list(data.classes), dtype=np.str_)
    with atomic_write(path) as file:
        np.savez(file, origin=json.dumps(origin), classes=names, **arrays)


def check_features_path(path: str) -> None:
    """Check the file name for features before the work is done.

    Raises:
        UserError: It doesn't end with ``.npz``, or is a folder, or can't be written.
    """
    if not path.endswith(".npz") or Path(path).is_dir():
        raise UserError(f"--features {path}: name a .npz file")
    if not Path(path).exists():  # an existing file is only read
        check_writable(path)


def origin_of(model: nn.Module, cfg: Config, datasets: dict[str, Any], data_cfg: Config) -> Origin:
    """Return digests of what features come from; the keys name the parts in an error.

    Args:
        model: The network.
        cfg: Its config.
        datasets: The data sets of ``labelled_datasets``.
        data_cfg: Their config.
    """
    data = data_cfg.data
    lists = {"train": data.train, "val": data.get("val") or data.get("test")}
    digests = {
        f"{kind} images or pipeline": dataset_digest(lists[part], datasets[part], data_cfg, part)
        for part, kind in PARTS.items()
    }
    files = {f"{kind} {_FILES}": files_digest(datasets[part]) for part, kind in PARTS.items()}
    return {**network_origin(model, cfg), **digests, **files}


def network_origin(model: nn.Module, cfg: Config) -> Origin:
    """Return digests of the network behind features: weights, settings, precision.

    Settings such as ``out_indices`` choose other features of the same weights.
    """
    backbone = (cfg.get("model") or {}).get("backbone") or {}
    settings = {key: value for key, value in backbone.items() if key not in _NAMES_WEIGHTS}
    text = json.dumps(settings, sort_keys=True, default=stable_text)
    return {
        "weights": weights_digest(model),
        _NETWORK: hashlib.sha256(text.encode()).hexdigest(),
        "precision": precision(model),
    }


def precision(model: nn.Module) -> str:
    """Return the type in which a model computes its features, such as ``bfloat16``."""
    dtype: Any = getattr(model, "amp_dtype", None)
    if dtype is None and getattr(model, "fp16_enabled", False):
        dtype = fp16_dtype(module_device(model))
    return _FULL if dtype is None else str(dtype).removeprefix("torch.")


def weights_digest(model: nn.Module) -> str:
    """Return the SHA-256 of the weights and buffers behind the features: backbone and Sobel layer.

    Necks, heads and queues don't affect the features, and with a checkpoint of a backbone alone
    their weights depend on the seed.
    """
    weights = sorted(model.state_dict().items())
    used = [(name, tensor) for name, tensor in weights if name.startswith(_USED)]
    if getattr(model, "evaluates", "online") != "online":  # the features of another network
        used = []
    digest = hashlib.sha256()
    for name, tensor in used or weights:  # all weights of a model without such names
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def dataset_digest(node: ConfigDict, dataset: Any, cfg: Config, part: str) -> str:
    """Return the SHA-256 of a data set: its config, the ordered names of its images, their labels.

    The image files are not looked at, see ``files_digest``.

    Args:
        node: The config of the data set.
        dataset: The data set.
        cfg: The config of its loader, which may normalise the images (``prefetch``).
        part: The name of the loader, see ``loader_args``.
    """
    content = node.to_dict()
    loader = loader_args(cfg, part, False)
    if loader.get("prefetch"):
        content["img_norm_cfg"] = loader.get("img_norm_cfg")
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=stable_text).encode())
    source: Any = getattr(dataset, "data_source", None)
    for info in getattr(source, "data_infos", ()):
        digest.update(str(info.get("img_info", {}).get("filename", "")).encode() + b"\n")
    digest.update(np.asarray(dataset.gt_labels).tobytes())
    scans = source.scan_reading() if hasattr(source, "scan_reading") else {}
    if scans:
        digest.update(str(scans).encode())
    return digest.hexdigest()


def files_digest(dataset: Any) -> str:
    """Return the SHA-256 of size and time of the image files; '' where one is gone, or no file.

    A replaced image has another size or time; its content is not read. Images of shards have the
    digest of their index.
    """
    source = getattr(dataset, "data_source", None)
    content = getattr(source, "content", "")
    if content:
        return str(content)
    if not getattr(getattr(source, "reader", None), "on_disk", False):
        return ""
    stamps = file_stamps([source.path(idx) for idx in range(len(dataset))])  # type: ignore[union-attr]
    if (-1, -1) in stamps:
        return ""
    return hashlib.sha256(str(stamps).encode()).hexdigest()
