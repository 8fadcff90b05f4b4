"""From PIL images to tensors."""

from typing import Any

from torchvision.transforms import functional as F

from ..builder import PIPELINES


@PIPELINES.register_module(force=True)  # torchvision's takes a single image only
class ToTensor:
    """Turn a PIL image into a float tensor [C, H, W] in 0..1; several images into a list."""

    def __call__(self, imgs: Any) -> Any:
        if isinstance(imgs, (list, tuple)):
            return [F.to_tensor(img) for img in imgs]
        return F.to_tensor(imgs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
