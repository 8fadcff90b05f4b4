"""The first convolution of a file for another number of channels of the images."""

import logging
from pathlib import Path

import pytest
import torch
from torch import nn

from mmselfsup.core.checkpoint import load_weights
from mmselfsup.core.checkpoint.input_channels import adapted_kernel, is_input_kernel
from mmselfsup.utils.errors import UserError


def net(channels: int) -> nn.Module:
    torch.manual_seed(channels)
    layers = [nn.Conv2d(channels, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)]
    return nn.ModuleDict(dict(backbone=nn.Sequential(*layers)))


@pytest.mark.parametrize("way", ["sum", "average", "repeat"])
def test_a_grey_image_gives_what_it_gave_as_rgb(way: str) -> None:
    kernel, grey = torch.randn(4, 3, 3, 3), torch.randn(2, 1, 8, 8)
    if way == "repeat":
        kernel = kernel[:, :1].expand(-1, 3, -1, -1)  # channels alike: the first stands for all
    wanted = nn.functional.conv2d(grey.expand(-1, 3, -1, -1), kernel)
    found = nn.functional.conv2d(grey, adapted_kernel(kernel, 1, way))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("way", ["average", "repeat"])
def test_four_channels(way: str) -> None:
    kernel = torch.randn(4, 3, 3, 3)
    wide = adapted_kernel(kernel, 4, way)
    assert wide.shape == (4, 4, 3, 3)
    if way == "average":
        torch.testing.assert_close(wide.sum(1), kernel.sum(1))
    else:
        torch.testing.assert_close(wide[:, 3], kernel[:, 0] * 3 / 4)
    with pytest.raises(UserError, match="'sum' gives one channel, the model has 4"):
        adapted_kernel(kernel, 4, "sum")


def test_loading(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = str(tmp_path / "rgb.pth")
    torch.save(net(3).state_dict(), file)
    logger = logging.getLogger("mmselfsup")
    model = net(1)
    before = model["backbone"][0].weight.clone()
    report = load_weights(model, file, logger)
    assert torch.equal(model["backbone"][0].weight, before)
    assert "load_in_channels='sum', 'repeat' or 'average' adapts it" in str(report)
    report = load_weights(model, file, logger, in_channels="sum")
    assert report.complete
    assert report.adapted == ("backbone.0.weight",)
    assert "adapted to the channels of the images: backbone.0.weight" in str(report)
    rgb = net(3)["backbone"][0].weight
    torch.testing.assert_close(model["backbone"][0].weight, rgb.sum(1, keepdim=True))
    with pytest.raises(UserError, match="load_in_channels='all': use one of sum"):
        load_weights(model, file, logger, in_channels="all")


def test_other_layers_are_no_input() -> None:
    assert not is_input_kernel(torch.zeros(4, 64, 3, 3), torch.zeros(4, 32, 3, 3))
    assert not is_input_kernel(torch.zeros(4, 3, 3, 3), torch.zeros(4, 3, 3, 3))
    assert not is_input_kernel(torch.zeros(4, 3, 7, 7), torch.zeros(4, 1, 3, 3))
