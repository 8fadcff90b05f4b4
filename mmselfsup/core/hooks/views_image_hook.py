"""A picture of the augmented views that the model is trained on.

Letters: N images, V views, C channels, H and W size in pixels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmcv.runner import HOOKS, Hook
from torch import Tensor
from torch.nn.functional import pad
from torchvision.transforms import Normalize
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid

from mmselfsup.datasets.pipelines.channel_order import exchange_channels, order_of
from mmselfsup.datasets.utils import find_normalize
from mmselfsup.utils.dist import is_main
from mmselfsup.utils.files import atomic_write

from .logging_hooks import tensorboard_writer


@HOOKS.register_module()
class ViewsImageHook(Hook):  # type: ignore[misc]
    """One picture per run of the augmented views in the first batch.

    It is written to ``<work_dir>/views.png`` and, if in use, to TensorBoard. Colours are those
    before the normalisation.

    Args:
        num_images: Rows of the picture, at most the batch size.
    """

    def __init__(self, num_images: int = 8) -> None:
        if num_images < 1:
            raise ValueError(f"num_images must be 1 or more, got {num_images}")
        self.num_images = num_images
        self._done = False

    def before_train_iter(self, runner: Any) -> None:
        """Write the picture of the first batch."""
        if self._done:
            return
        self._done = True
        batch = runner.data_batch
        if not is_main() or not isinstance(batch, dict) or "img" not in batch:
            return
        dataset = runner.data_loader.dataset
        order = order_of(getattr(dataset, "data_source", None))
        normalize = find_normalize(dataset)
        picture = views_picture(batch["img"], normalize, self.num_images, order)
        if picture is None:
            return
        show_picture(runner, "views", picture)


def show_picture(runner: Any, name: str, picture: Tensor) -> None:
    """Write a picture [3, H, W] in 0..1 as ``<work_dir>/<name>.png`` and to TensorBoard."""
    if runner.work_dir is not None:
        with atomic_write(Path(runner.work_dir) / f"{name}.png") as file:
            to_pil_image(picture).save(file, format="PNG")
    writer = tensorboard_writer(runner)
    if writer is not None:
        writer.add_image(name, picture, runner.iter)


def split_views(img: Tensor | Sequence[Tensor]) -> list[Tensor]:
    """Return all views [N, C, H, W] of a batch, with C 1 or 3.

    ``img`` is a tensor [N, C, H, W], a list of such tensors, or [N, V, C, H, W]; 6 channels are two
    concatenated images. Anything else gives no view.
    """
    if not isinstance(img, Tensor):
        return [view for part in img for view in split_views(part)]
    if img.dim() == 5:
        return [view for part in img.unbind(1) for view in split_views(part)]
    if img.dim() != 4 or (img.shape[1] != 1 and img.shape[1] % 3):
        return []
    return [img] if img.shape[1] == 1 else list(img.split(3, dim=1))


def to_display(view: Tensor, normalize: Normalize | None, channel_order: str = "rgb") -> Tensor:
    """Return a view in RGB with its normalisation undone, [N, C, H, W] in 0..1.

    Where the normalisation is unknown, the values are stretched to 0..1.
    """
    pixels = _without_normalisation(view.detach().float().cpu(), normalize)
    return exchange_channels(pixels) if channel_order == "bgr" else pixels


def _without_normalisation(view: Tensor, normalize: Normalize | None) -> Tensor:
    if normalize is not None and len(normalize.mean) in (1, view.shape[1]):
        mean = torch.as_tensor(normalize.mean).view(-1, 1, 1)
        std = torch.as_tensor(normalize.std).view(-1, 1, 1)
        return (view * std + mean).clamp(0, 1)
    low, high = view.amin(), view.amax()
    return (view - low) / (high - low).clamp(min=1e-12)


def views_picture(
    img: Tensor | Sequence[Tensor],
    normalize: Normalize | None,
    num_images: int = 8,
    channel_order: str = "rgb",
) -> Tensor | None:
    """Return a grid with one row per image and one column per view; small crops get a border.

    Where there is one view of each image, all are in one row.

    Returns:
        Pixels [3, H, W] in 0..1; None where ``img`` holds no images.
    """
    views = [to_display(view[:num_images], normalize, channel_order) for view in split_views(img)]
    if not views:
        return None
    height = max(view.shape[2] for view in views)
    width = max(view.shape[3] for view in views)
    padded = []
    for view in views:
        below, right = height - view.shape[2], width - view.shape[3]
        border = (right // 2, right - right // 2, below // 2, below - below // 2)
        padded.append(pad(view, border, value=1).expand(-1, 3, -1, -1))
    tiles = torch.stack(padded, dim=1).flatten(0, 1)  # [N * V, 3, H, W]
    in_a_row = len(views) if len(views) > 1 else len(tiles)
    return make_grid(tiles, nrow=in_a_row, padding=2, pad_value=1)
