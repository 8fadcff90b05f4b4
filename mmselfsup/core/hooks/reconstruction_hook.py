"""A picture of what a masked method reconstructs, while it trains.

Letters: N images, C channels, H and W size in pixels.
"""

from typing import Any

import torch
from mmcv.runner import HOOKS, Hook
from torch import Tensor, nn
from torchvision.transforms import Normalize
from torchvision.utils import make_grid

from mmselfsup.datasets.pipelines.channel_order import order_of
from mmselfsup.datasets.utils import find_normalize
from mmselfsup.utils.dist import is_main
from mmselfsup.utils.module import unwrap

from .frozen_features_hook import isolated_eval
from .views_image_hook import show_picture, to_display

_GREY = 0.5  # of hidden pixels


@HOOKS.register_module()
class ReconstructionImageHook(Hook):  # type: ignore[misc]
    """A picture of reconstructed images, ``<work_dir>/reconstruction.png`` and in TensorBoard.

    It is drawn after the first epoch, every N epochs, and the last, of the first batch of the run,
    always with the same masks. Models without a method ``reconstruct`` get none. Training continues
    exactly as without the hook.

    Args:
        interval: Epochs between two pictures, N, 1 or more.
        num_images: Rows of the picture, at most the batch size.
    """

    def __init__(self, interval: int = 10, num_images: int = 8) -> None:
        if interval < 1 or num_images < 1:
            raise ValueError(f"interval and num_images must be 1 or more, got {interval} and "
                             f"{num_images}")  # fmt: skip
        self.interval, self.num_images = interval, num_images
        self._img: Any = None

    def before_train_iter(self, runner: Any) -> None:
        """Keep some images of the first batch."""
        if self._img is None and hasattr(unwrap(runner.model), "reconstruct"):
            self._img = _first(runner.data_batch["img"], self.num_images)

    def after_train_epoch(self, runner: Any) -> None:
        """Draw the picture, all ranks together."""
        epoch = runner.epoch + 1
        wanted = epoch in (1, runner.max_epochs) or epoch % self.interval == 0
        if self._img is None or not wanted:
            return
        with isolated_eval(runner.model) as model:
            dataset = runner.data_loader.dataset
            order = order_of(getattr(dataset, "data_source", None))
            normalize = find_normalize(dataset)
            picture = reconstruction_picture(model, self._img, normalize, channel_order=order)
        if is_main():
            show_picture(runner, "reconstruction", picture)


def _first(batch: Any, count: int) -> Any:
    """Return the first samples of a batch, of each of its parts if it is a list."""
    if isinstance(batch, Tensor):
        return batch[:count].detach().clone()
    return [_first(part, count) for part in batch]


@torch.no_grad()
def reconstruction_picture(
    model: nn.Module,
    img: Any,
    normalize: Normalize | None,
    seed: int = 0,
    channel_order: str = "rgb",
) -> Tensor:
    """Return a grid with a row per image: it, what the model sees, what it predicts, and both.

    The last column shows the visible pixels of the image and the predicted ones elsewhere.

    Args:
        model: An algorithm with a method ``reconstruct``, in eval mode. Its random state changes.
        img: What its ``forward_train`` takes as ``img``, on any device.
        normalize: The normalisation of the images; None stretches the values.
        seed: Seed of the masks.
        channel_order: Of the images, ``rgb`` or ``bgr``; the picture is RGB.

    Returns:
        Pixels [3, H, W] in 0..1.
    """
    torch.manual_seed(seed)
    whole: Any = model
    result = whole.reconstruct(img)
    given = img if isinstance(img, Tensor) else img[0]
    image = to_display(given, normalize, channel_order)  # [N, C, H, W]
    predicted = to_display(result.output, normalize, channel_order)
    hidden = result.mask.detach().float().cpu()  # [N, 1, H, W]
    seen = image * (1 - hidden) + _GREY * hidden
    pasted = image * (1 - hidden) + predicted * hidden
    tiles = torch.stack([image, seen, predicted, pasted], dim=1).flatten(0, 1)  # [4 N, C, H, W]
    return make_grid(tiles.expand(-1, 3, -1, -1), nrow=4, padding=2, pad_value=1)
