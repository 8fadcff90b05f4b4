"""Images and the config of a model, as a user names them: for predictions and features.

Letters: N images.
"""

from __future__ import annotations

import copy
import glob
import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from mmcv import Config
from torch.utils.data import DataLoader

from mmselfsup.config import own_data
from mmselfsup.config.check import check_config
from mmselfsup.config.imports import import_modules
from mmselfsup.config.load import load_config, merge_options
from mmselfsup.datasets import SingleViewDataset
from mmselfsup.datasets.data_sources.columns import Columns
from mmselfsup.datasets.data_sources.decode import walk_images
from mmselfsup.datasets.data_sources.folders import common_folder, in_folders
from mmselfsup.datasets.data_sources.given_images import Given, GivenImages, ShardImage
from mmselfsup.datasets.data_sources.lists import read_listed, report_left_out, with_extension
from mmselfsup.datasets.data_sources.metadata import read_patients
from mmselfsup.datasets.data_sources.shard_index import INDEX_NAME
from mmselfsup.datasets.data_sources.shards import Shards
from mmselfsup.datasets.loader import build_dataloader
from mmselfsup.utils.error_context import config_errors
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.image_names import has_image_extension, left_out_text, other_image
from mmselfsup.utils.repository import find_config

from ..preflight.data_look import look_at_pixels, report_constant_images, report_dark_images
from .single_image import reading_options

Images = Given | Sequence[Any]
_LOGGER = logging.getLogger("mmselfsup")
_CONFIGS = (".py", ".yaml", ".yml", ".json")
_LISTS = (".txt", ".csv", ".tsv")
_INDEX = Path(INDEX_NAME).suffix  # of an index of shards


def split_files(files: Sequence[str]) -> tuple[str | None, str, list[str]]:
    """Split ``[CONFIG] CHECKPOINT IMAGES...`` of a command line.

    Returns:
        The config, None without one, the checkpoint, and the images.

    Raises:
        UserError: One of the last two is missing.
    """
    config = files[0] if files[0].endswith(_CONFIGS) else None
    checkpoint, *images = files[config is not None :] or [""]
    if not checkpoint or not images:
        raise UserError("give a checkpoint of a training and the images: CHECKPOINT IMAGES...")
    return (None if config is None else find_config(config)), checkpoint, images


def given_images(
    images: Images,
    image_column: str | None = None,
    data_prefix: str | Sequence[str] | None = None,
) -> list[Given]:
    """Return what names images as single images, in its order.

    Args:
        images: A folder, a file, a pattern such as ``photos/*.jpg``, a list (``.txt``, ``.csv``),
            shards (their folder, index or address), an image in memory, or several of these.
        image_column: Column of a CSV list that names the images; None: known by its header.
        data_prefix: Folder to which the names of a list are relative, or several, in which they are
            searched; None: that of the list.

    Raises:
        UserError: There is no such file, folder, pattern or column, or no image in it; a column or
            folder is given, but no list.
        StorageError: Shards are incomplete, or a server does not give them.
    """
    parts = images if isinstance(images, list | tuple) else [images]
    if not any(map(_is_list, parts)):
        options = ("image_column", image_column), ("data_prefix", data_prefix)
        for name, value in options:
            if value is not None:
                shown = value if isinstance(value, str) else ", ".join(value)
                raise UserError(
                    f"{name} (--{name.replace('_', '-')}) {shown} holds for a list of images "
                    f"({', '.join(_LISTS)}), and none is given: leave it out, or give the list"
                )
    found = [image for part in parts for image in _images_of(part, image_column, data_prefix)]
    if not found:
        raise UserError("no images are given")
    return found


def _is_list(part: Any) -> bool:
    """Return whether a part of what names images is a list of them."""
    if not isinstance(part, str | os.PathLike):
        return False
    path = os.path.expanduser(os.fspath(part))
    return path.lower().endswith(_LISTS) and os.path.isfile(path)


def _images_of(
    images: Any, image_column: str | None, data_prefix: str | Sequence[str] | None
) -> list[Given]:
    """Return the images of one part; see ``given_images``."""
    if isinstance(images, ShardImage) or not isinstance(images, str | os.PathLike):
        return [images]
    path = Path(os.path.expanduser(os.fspath(images)))
    if "://" in str(images):
        return _in_shards(_at_address(str(images)))
    # os.path: for a name that is too long, pathlib raises.
    if os.path.isfile(path / INDEX_NAME):
        return _in_shards(Shards(url=str(path)))
    if path.suffix == _INDEX and os.path.isfile(path):
        return _in_shards(Shards(index=str(path)))
    if os.path.isdir(path):
        return [str(path / name) for name in walk_images(path)]
    if _is_list(path):
        return _listed(path, image_column, data_prefix or path.parent)
    if os.path.isfile(path):
        return [str(path)]
    matches = sorted(name for name in glob.glob(str(path), recursive=True) if Path(name).is_file())
    chosen: list[Given] = [name for name in matches if has_image_extension(name)]
    others = Counter(filter(None, map(other_image, matches)))
    if not chosen:
        there = f"; there are {left_out_text(others)}" if others else ""
        raise UserError(
            f"{images}: no such image, folder of images, list, or pattern that fits{there}"
        )
    report_left_out(str(images), others)
    return chosen


def _in_shards(source: Shards) -> list[Given]:
    """Return the images of shards, after a look at these."""
    source.check_storage()
    return [ShardImage(source, idx) for idx in range(len(source))]


class _PassingShards(Shards):
    """Shards at an address whose copy of the index does not stay: errors name the address."""

    @property
    def index_name(self) -> str:
        return self.index_address


def _at_address(address: str) -> Shards:
    """Return the data source of shards at an address, or of an index there.

    Each image is read once, so nothing is kept; the index stays mapped into memory.
    """
    where = "index" if urlsplit(address).path.endswith(_INDEX) else "url"
    with TemporaryDirectory(prefix="mmselfsup-") as folder:
        cache = dict(dir=folder, size_gb=1e-9)
        source = _PassingShards(shard_cache=cache, **{where: address})  # type: ignore[arg-type]
    source.shard_cache = None
    return source


def _listed(
    path: Path, image_column: str | None, data_prefix: str | Path | Sequence[str]
) -> list[Given]:
    """Return the images of a list, whose names are relative to a folder, or in several."""
    root, folders = common_folder(data_prefix)
    for one in folders:
        if not os.path.isdir(one):
            raise UserError(f"{one}: no such folder of images; check data_prefix (--data-prefix)")
    folder = Path(root)
    entries = read_listed(str(path), columns=Columns(image=image_column)).entries
    if len(folders) > 1:
        return [str(folder / one.name) for one in in_folders(entries, root, folders, str(path))]
    if not has_image_extension(entries[0].name):
        entries = with_extension(entries, str(folder))
    missing = [entry for entry in entries if not os.path.isfile(folder / entry.name)]
    if missing:
        raise UserError(
            f"{path}, line {missing[0].line}: {missing[0].name} is not in {folder} ({len(missing)} "
            f"of {len(entries)} images are not there): correct the list, or name their folder by "
            "data_prefix (--data-prefix)"
        )
    return [str(folder / entry.name) for entry in entries]


def config_of(
    checkpoint: str,
    state: Mapping[str, Any],
    config: str | Config | None = None,
    options: dict[str, Any] | None = None,
) -> Config:
    """Return the config of a model, by default the one that its checkpoint holds.

    The text in the checkpoint is parsed, never run; modules that its ``custom_imports`` names are
    imported.

    Args:
        checkpoint: File of a training, for errors.
        state: Its content.
        config: Another config: its file, or a ``Config``.
        options: Overrides, with dotted keys.

    Raises:
        UserError: None is given, and the checkpoint holds none; or an override doesn't fit.
    """
    if isinstance(config, str):
        cfg = load_config(config, options or {})
        own_data.resolve(cfg, known=own_data.config_in(state))
        return cfg
    if config is not None:
        cfg = copy.deepcopy(config)
    else:
        values = own_data.config_in(state)
        if "model" not in values:
            raise UserError(
                f"{checkpoint} holds no config: give that of its training (predict, embed: as the "
                "first argument; export: --config)"
            )
        cfg = Config(values)
        import_modules(cfg, f"{checkpoint}, custom_imports of its config")
    merge_options(cfg, options or {})
    if config is None:
        check_config(cfg, overrides=options or ())
    return cfg


def image_dataset(
    cfg: Config, images: Images, pipeline: list[dict[str, Any]], patients: str | None = None
) -> SingleViewDataset:
    """Return a data set of images that are read as the files that a config tests on.

    Args:
        cfg: The config.
        images: See ``given_images``.
        pipeline: Configs of the transforms.
        patients: A CSV of the patients, see ``ImageList``.

    Raises:
        UserError: There are no such images, or the CSV can't be used.
    """
    source: Any = GivenImages(given_images(images), **reading_options(cfg))
    source.patients = None
    if patients is not None:
        source.patients = read_patients(os.path.expanduser(patients), source.image_names())
    with config_errors("data.test"):
        return SingleViewDataset(source, pipeline, prefetch=bool(cfg.get("prefetch")))


def report_images(dataset: SingleViewDataset) -> None:
    """Warn of images that look as if they were read wrongly, as a training does of its data."""
    look = look_at_pixels(dataset)
    if look is not None:
        report_dark_images(look, "the images", _LOGGER)
        report_constant_images(look, "the images", _LOGGER)


def image_loader(
    cfg: Config, dataset: SingleViewDataset, batch_size: int, workers: int = 0
) -> DataLoader[Any]:
    """Return the loader of a data set of ``image_dataset``, in its order.

    Args:
        cfg: The config, for images that the loader normalises (``prefetch``).
        dataset: The data set.
        batch_size: Images in a batch.
        workers: Processes that read images; 0 reads them in this one.
    """
    prefetch = bool(cfg.get("prefetch"))
    loader: DataLoader[Any] = build_dataloader(
        dataset, samples_per_gpu=batch_size, workers_per_gpu=workers, dist=False, shuffle=False,
        persistent_workers=False, prefetch=prefetch,
        img_norm_cfg=cfg.get("img_norm_cfg") if prefetch else None,
    )  # fmt: skip
    return loader


def check_all_read(errors: Mapping[int, str], number: int) -> None:
    """Check that every image could be read; call it when the result is written.

    Args:
        errors: Why an image could not be read, by its number.
        number: Number of images.

    Raises:
        UserError: Some could not.
    """
    if errors:
        first = next(iter(errors.values()))
        raise UserError(f"{len(errors)} of {number} images could not be read, such as {first}")
