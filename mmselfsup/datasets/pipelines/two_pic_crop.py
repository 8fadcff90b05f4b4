"""A random crop, in one size for the model and in another for a tokenizer."""

import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms import functional as F

from mmselfsup.utils.errors import ArgumentError

from ..builder import PIPELINES

_MODES = {
    "nearest": InterpolationMode.NEAREST,
    "bilinear": InterpolationMode.BILINEAR,
    "bicubic": InterpolationMode.BICUBIC,
    "box": InterpolationMode.BOX,
    "hamming": InterpolationMode.HAMMING,
    "lanczos": InterpolationMode.LANCZOS,
}


def _size(size: int | tuple[int, int]) -> list[int]:
    """Return a size as [height, width]."""
    return [size, size] if isinstance(size, int) else list(size)


@PIPELINES.register_module()
class RandomResizedCropAndInterpolationWithTwoPic:
    """A random crop that is resized once or twice.

    Source: BEiT (Bao et al. 2022), where the second image feeds the tokenizer.

    Args:
        size: Side of the first image, or (height, width).
        second_size: The same for the second image; None gives no second image.
        scale: Range of the crop's fraction of the area.
        ratio: Range of the crop's width over its height.
        interpolation: How the first image is resized: ``nearest``, ``bilinear``, ``bicubic``,
            ``box``, ``hamming``, ``lanczos``, or ``random``, which takes bilinear or bicubic.
        second_interpolation: The same for the second image.
    """

    def __init__(
        self,
        size: int | tuple[int, int],
        second_size: int | tuple[int, int] | None = None,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: str = "bilinear",
        second_interpolation: str = "lanczos",
    ) -> None:
        for mode in (interpolation, second_interpolation):
            if mode not in (*_MODES, "random"):
                raise ArgumentError(
                    f"interpolation must be random or one of {[*_MODES]}, got {mode}"
                )
        self.size = _size(size)
        self.second_size = None if second_size is None else _size(second_size)
        self.scale = list(scale)
        self.ratio = list(ratio)
        self.interpolation = interpolation
        self.second_interpolation = second_interpolation

    def __call__(self, img: Image.Image) -> Image.Image | tuple[Image.Image, Image.Image]:
        # one crop for both images: the tokenizer must see the part that the model sees
        crop = F.crop(img, *RandomResizedCrop.get_params(img, self.scale, self.ratio))
        first = F.resize(crop, self.size, self._mode(self.interpolation))
        if self.second_size is None:
            return first
        return first, F.resize(crop, self.second_size, self._mode(self.second_interpolation))

    @staticmethod
    def _mode(name: str) -> InterpolationMode:
        """Return the mode of a name; a random one of two for ``random``."""
        if name == "random":
            name = "bilinear" if torch.rand(()).item() < 0.5 else "bicubic"
        return _MODES[name]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, second_size={self.second_size}, "
            f"scale={self.scale}, ratio={self.ratio}, interpolation={self.interpolation}, "
            f"second_interpolation={self.second_interpolation})"
        )
