"""Features of several layers of a frozen network for ``data.extract`` of a data set config.

``run_extract`` is the command line of ``svm_voc07/extract.py``, ``run_tsne`` that of
``visualize_tsne.py``. Letters: N images, D width, S side of a pooled map.
"""

import inspect
import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmcv import Config
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Subset

from mmselfsup.config import own_data
from mmselfsup.config.load import load_config
from mmselfsup.datasets import build_dataset
from mmselfsup.datasets.loader import build_eval_loader
from mmselfsup.evaluation.plots import draw_embedding
from mmselfsup.models.utils import ExtractProcess, pooled
from mmselfsup.utils import dist, setup_multi_processes
from mmselfsup.utils.error_context import config_errors, run_errors
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write
from mmselfsup.utils.seed import set_random_seed

from ..launch import join_ranks, open_log, open_work_dir, work_dir_of
from .frozen_features import extraction_model


class LayerProcess(ExtractProcess):
    """The extraction of several layers: maps by ``MultiPooling``, other features by ``pooled``."""

    def pool(self, features: Sequence[Any]) -> dict[str, Tensor]:
        """Return ``feat{i + 1}`` of layer ``i``: [N, C_i, S_i, S_i], or [N, C_i] of tokens.

        Raises:
            UserError: A map is smaller than its pooling kernel.
        """
        if all(isinstance(x, Tensor) and x.ndim == 4 for x in features):
            try:
                return super().pool(features)
            except RuntimeError as error:  # torch: the kernel is larger than the map
                raise UserError(
                    "the pooling kernels of the protocol are for images of 224 pixels: enlarge "
                    f"them in data.extract.pipeline ({' '.join(str(error).split())})"
                ) from error
        return {
            f"feat{i + 1}": pooled(x) for i, x in zip(self.layer_indices, features, strict=True)
        }


@dataclass(frozen=True)
class Layers:
    """Features of a data set.

    Attributes:
        features: For each layer, such as ``feat5``, its features [N, D].
        labels: [N].
        classes: Names of the classes, None where they are not known.
        data_cfg: The data set config.
        work_dir: Where results go.
        stamp: Time of the log.
        logger: The logger.
    """

    features: Mapping[str, NDArray[np.float32]]
    labels: NDArray[np.int64]
    classes: Sequence[str] | None
    data_cfg: Config
    work_dir: Path
    stamp: str
    logger: Any


def layer_indices(text: str) -> list[int]:
    """Return the layers of ``--layer-ind``.

    Raises:
        UserError: It is no list of numbers.
    """
    try:
        return sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise UserError(f"--layer-ind {text}: give numbers such as 0,1,2,3,4") from None


def extract_layers(
    args: Namespace, name: str, pool_type: str, max_num_class: int | None = None
) -> Layers:
    """Extract the layers that the command line names, by all ranks together.

    Args:
        args: The arguments of the command line.
        name: Start of the name of the log.
        pool_type: See ``MultiPooling``.
        max_num_class: Take the images of the first classes only; None for all.

    Raises:
        UserError: See the single steps.
    """
    layers = layer_indices(args.layer_ind)
    cfg, data_cfg = load_config(args.config, args.cfg_options), load_config(args.dataset_config)
    own_data.resolve_for([cfg, data_cfg], args.checkpoint)
    if (data_cfg.get("data") or {}).get("extract") is None:
        raise UserError(f"{args.dataset_config} has no data.extract, the images whose features")
    if cfg.get("model") is not None:
        cfg.model.backbone.out_indices = layers
    cfg.work_dir = args.work_dir or cfg.get("work_dir") or work_dir_of(args.config)
    open_work_dir(cfg.work_dir)
    setup_multi_processes({**cfg, "data": data_cfg.data})
    ranks = join_ranks(args, cfg)
    logger, stamp = open_log(cfg, f"{name}_")
    seed = getattr(args, "seed", None) or 0
    set_random_seed(seed, bool(getattr(args, "deterministic", False)))
    with config_errors("data.extract"):
        dataset: Any = build_dataset(data_cfg.data.extract)
    labels = np.asarray(dataset.gt_labels, dtype=np.int64)
    chosen = dataset
    if max_num_class is not None:
        kept = np.flatnonzero((labels >= 0) & (labels < max_num_class))
        if not len(kept):
            raise UserError(f"{args.dataset_config}: no image has a label below {max_num_class}")
        chosen, labels = Subset(dataset, kept.tolist()), labels[kept]
    model = extraction_model(cfg, args.checkpoint, seed, logger, image_cfg=data_cfg)
    data_cfg.persistent_workers = False  # the list is read only once
    loader = build_eval_loader(chosen, data_cfg, "extract", ranks.distributed)
    with run_errors():
        process = LayerProcess(pool_type, layer_indices=layers)
        features = process.extract(model, loader, ranks.distributed)
    return Layers(
        features, labels, dataset.CLASSES, data_cfg, Path(cfg.work_dir), stamp, logger
    )  # fmt: skip


def run_extract(args: Namespace) -> None:
    """Write ``features/<split>_<layer>.npy``, one for each part of the list and each layer.

    The parts are those of ``split_name`` and ``split_at`` in the data set config.

    Raises:
        UserError: See ``extract_layers``; or the list is not as long as the parts.
    """
    found = extract_layers(args, "extract", "specified")
    cfg, num_images = found.data_cfg, len(found.labels)
    names, cuts = list(cfg.get("split_name") or ["all"]), list(cfg.get("split_at") or [])
    if len(names) != len(cuts) + 1 or any(not 0 < cut < num_images for cut in cuts):
        raise UserError(
            f"{args.dataset_config}: split_at={cuts} and split_name={names} don't cut a list of "
            f"{num_images} images into {len(names)} parts"
        )
    if dist.is_main():
        folder = found.work_dir / "features"
        folder.mkdir(exist_ok=True)
        for layer, features in found.features.items():
            for name, part in zip(names, np.split(features, cuts), strict=True):
                with atomic_write(folder / f"{name}_{layer}.npy") as file:
                    np.save(file, part)
        found.logger.info("%d images: %s", num_images, os.path.abspath(folder))
    dist.destroy()


def run_tsne(args: Namespace) -> None:
    """Write ``tsne_<time>/<layer>.npy``, the embedding, and ``<layer>.png`` where it is flat.

    Raises:
        UserError: See ``extract_layers``; or the perplexity is not below the number of images.
    """
    found = extract_layers(args, "tsne", args.pool_type, args.max_num_class)
    if not 0 < args.perplexity < len(found.labels):
        raise UserError(
            f"--perplexity {args.perplexity}: it must be above 0 and below the number of images, "
            f"{len(found.labels)}"
        )
    if dist.is_main():
        folder = found.work_dir / f"tsne_{found.stamp}"
        folder.mkdir()
        names = found.classes or list(map(str, range(int(found.labels.max()) + 1)))
        for layer, features in found.features.items():
            positions = embed_with(features, args)
            with atomic_write(folder / f"{layer}.npy") as file:
                np.save(file, positions)
            if args.n_components == 2:
                picture = Image.fromarray(draw_embedding(positions, found.labels, names))
                with atomic_write(folder / f"{layer}.png") as file:
                    picture.save(file, format="PNG")
        found.logger.info("%d images: %s", len(found.labels), os.path.abspath(folder))
    dist.destroy()


def embed_with(features: NDArray[np.float32], args: Namespace) -> NDArray[np.float32]:
    """Return the t-SNE [N, n_components] with the settings of the command line."""
    from sklearn.manifold import TSNE

    # Newer versions of scikit-learn call the number of iterations ``max_iter``.
    steps = "max_iter" if "max_iter" in inspect.signature(TSNE).parameters else "n_iter"
    tsne = TSNE(
        n_components=args.n_components,
        perplexity=args.perplexity,
        early_exaggeration=args.early_exaggeration,
        learning_rate=args.learning_rate,
        n_iter_without_progress=args.n_iter_without_progress,
        init=args.init,
        random_state=args.seed,
        method="barnes_hut" if args.n_components < 4 else "exact",
        **{steps: args.n_iter},
    )
    try:
        return np.asarray(tsne.fit_transform(features), dtype=np.float32)
    except ValueError as error:  # scikit-learn checks its arguments itself
        raise UserError(f"t-SNE: {' '.join(str(error).split())}") from error
