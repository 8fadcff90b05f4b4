"""A picture of images at their places among the features: for folders without labels.

Letters: N images, D width of a feature.
"""

from __future__ import annotations

from importlib.util import find_spec

import cv2
import numpy as np
from numpy.typing import NDArray

from mmselfsup.datasets.pipelines.channel_order import order_of
from mmselfsup.evaluation.occlusion import as_rgb
from mmselfsup.evaluation.plots import check_picture, draw_thumbnails, write_picture
from mmselfsup.evaluation.tsne import embed, embed_umap
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import check_writable

from .embedder import Embedder
from .embeddings import Embeddings
from .image_input import Images

_TILE = 48  # pixels of an image's side


def check_picture_options(path: str, method: str) -> None:
    """Check the options of a picture before the work is done.

    Raises:
        UserError: The file is of another type or can't be written, or the method needs a package
            that is missing.
    """
    check_picture(path)
    if method == "umap" and find_spec("umap") is None:
        raise UserError("--method umap needs a package: pip install umap-learn")
    check_writable(path)


def write_picture_of(
    path: str,
    embedder: Embedder,
    embeddings: Embeddings,
    images: Images,
    method: str = "tsne",
    seed: int = 0,
) -> None:
    """Write a picture in which images with similar features are neighbours.

    Args:
        path: A ``.png`` or ``.jpg`` file.
        embedder: The network, which knows how images are read.
        embeddings: The features of ``images``; images that could not be read are left out.
        images: The images, as they were embedded.
        method: ``tsne`` or ``umap``.
        seed: Seed of its random part.
    """
    source = embedder.dataset(images).data_source
    readable = [i for i in range(len(embeddings.images)) if i not in embeddings.errors]
    place = embed_umap if method == "umap" else embed
    positions = place(embeddings.features[readable], seed)

    def thumbnail(number: int) -> NDArray[np.uint8]:
        pixels = as_rgb(source.load_pixels(readable[number])[0], order_of(source))
        height, width = pixels.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = np.ascontiguousarray(pixels[top : top + side, left : left + side])
        return np.asarray(cv2.resize(square, (_TILE, _TILE), interpolation=cv2.INTER_AREA))

    write_picture(path, draw_thumbnails(positions, thumbnail))
