"""The first convolution of a file for images of another number of channels (grey, RGB with alpha).

Letters: O output channels, I channels in the file, J channels of the model, k size of the kernel.
"""

from collections.abc import Mapping

from torch import Tensor

from mmselfsup.utils.errors import UserError

#: How the kernels of the file become those of the model, see ``adapted_kernel``.
WAYS = ("sum", "repeat", "average")
_OF_IMAGES = (1, 2, 3, 4)  # numbers of channels that images have
ADVICE = "load_in_channels='sum', 'repeat' or 'average' adapts it"


def is_input_kernel(found: Tensor, wanted: Tensor) -> bool:
    """Return whether two kernels [O, I, k, k] differ only in the channels of the image."""
    return (
        found.ndim == wanted.ndim == 4
        and found.shape != wanted.shape
        and found.shape[:1] + found.shape[2:] == wanted.shape[:1] + wanted.shape[2:]
        and {found.shape[1], wanted.shape[1]} <= set(_OF_IMAGES)
    )


def adapt_input(
    found: Mapping[str, Tensor], target: Mapping[str, Tensor], way: str
) -> dict[str, Tensor]:
    """Return the weights of a file with the first convolution for the model's channels.

    Args:
        found: The weights of the file under the model's names.
        target: The weights of the model.
        way: One of ``WAYS``.

    Raises:
        UserError: The way is unknown, or can't give so many channels.
    """
    if way not in WAYS:
        raise UserError(f"load_in_channels={way!r}: use one of {', '.join(WAYS)}")
    return {
        name: adapted_kernel(tensor, target[name].shape[1], way)
        if is_input_kernel(tensor, target[name])
        else tensor
        for name, tensor in found.items()
    }


def adapted_kernel(kernel: Tensor, channels: int, way: str) -> Tensor:
    """Return a kernel [O, I, k, k] for images of J channels, [O, J, k, k].

    - ``sum``: one channel with the sum of all: a grey image gives what it gave as RGB with three
      equal channels. For J = 1 only.
    - ``repeat``: channel j has the weights of channel j mod I, times I / J, so that the sum over
      the channels stays about the same.
    - ``average``: each channel has the mean of all, times I / J: the sum stays the same.

    Raises:
        UserError: ``sum`` for more than one channel.
    """
    before = kernel.shape[1]
    if way == "sum":
        if channels != 1:
            raise UserError(
                f"load_in_channels='sum' gives one channel, the model has {channels}: use 'repeat' "
                "or 'average'"
            )
        return kernel.sum(dim=1, keepdim=True)
    if way == "average":
        return kernel.mean(dim=1, keepdim=True).expand(-1, channels, -1, -1) * (before / channels)
    order = [channel % before for channel in range(channels)]
    return kernel[:, order] * (before / channels)
