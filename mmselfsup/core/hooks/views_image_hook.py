"""A picture of the augmented views that the model is trained on."""

from pathlib import Path
from typing import Any

from mmcv.runner import HOOKS, Hook
from torchvision.transforms.functional import to_pil_image

from mmselfsup.datasets.utils import find_normalize
from mmselfsup.utils.dist import is_main
from mmselfsup.utils.files import atomic_write

from .views import views_picture
from .writer import tensorboard_writer


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
        normalize = find_normalize(runner.data_loader.dataset)
        picture = views_picture(batch["img"], normalize, self.num_images)
        if picture is None:
            return
        if runner.work_dir is not None:
            with atomic_write(Path(runner.work_dir) / "views.png") as file:
                to_pil_image(picture).save(file, format="PNG")
        writer = tensorboard_writer(runner)
        if writer is not None:
            writer.add_image("views", picture, runner.iter)
