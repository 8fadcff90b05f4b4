"""Files of other networks, of parts of one, and with values that can't be used, are refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mmselfsup.core.checkpoint import load_weights
from mmselfsup.models import build_backbone
from mmselfsup.utils.errors import UserError

Weights = dict[str, Tensor]


class Tiny(nn.Module):
    """A stem and two blocks, with the names of a ResNet."""

    def __init__(self, blocks: int = 2) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 7)
        self.layer1 = nn.Sequential(
            *(nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)) for _ in range(blocks))
        )


class Model(nn.Module):
    def __init__(self, blocks: int = 2) -> None:
        super().__init__()
        self.backbone = Tiny(blocks)


def file_of(folder: Path, weights: object) -> str:
    torch.save(weights, folder / "a.pth")
    return str(folder / "a.pth")


def changed(name: str, change: Callable[[Tensor], Tensor]) -> Weights:
    weights = dict(Tiny().state_dict())
    weights[name] = change(weights[name].clone())
    return weights


def without(part: str) -> Weights:
    return {name: tensor for name, tensor in Tiny().state_dict().items() if part not in name}


def test_a_shallower_network_is_refused_though_half_of_it_fits(tmp_path: Path) -> None:
    path = file_of(tmp_path, Tiny(2).state_dict())
    model = Model(3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(UserError, match=r"lacks 4 weights .* backbone\.layer1\.2\.0\.weight.*"):
        load_weights(model, path)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert load_weights(model, path, partial=True).backbone_matched == 16


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (without("conv1"), r"lacks 1 weight of the backbone, such as backbone\.conv1\.weight;"),
        (without("layer1.1"), "lacks 4 weights"),
        (without("running_"), r"lacks 4 weights .*layer1\.0\.1\.running_mean"),
        (
            changed("conv1.weight", lambda t: t[:, :, :3, :3].clone()),
            r"another network: backbone\.conv1\.weight \[4, 3, 3, 3\], the model wants \[4, 3, 7,",
        ),
    ],
)
def test_what_a_network_can_not_do_without(weights: Weights, message: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, weights)
    with pytest.raises(UserError, match=message) as caught:
        load_weights(Model(), path)
    assert "--partial" in str(caught.value)
    assert "\n" not in str(caught.value)
    load_weights(Model(), path, partial=True)


def test_blocks_without_a_place_are_named(tmp_path: Path) -> None:
    path = file_of(tmp_path, Tiny(7).state_dict())
    with pytest.raises(
        UserError, match=r"no place for (backbone\.layer1\.\d, ){2}backbone\.layer1\.4 and 2 more;"
    ):
        load_weights(Model(), path)


def vit(**options: object) -> nn.Module:
    arch = dict(embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=64)
    model = nn.Module()
    config = dict(type="VisionTransformer", arch=arch, img_size=32, patch_size=16)
    model.backbone = build_backbone({**config, **options})
    return model


def test_registers_without_a_place_are_named(tmp_path: Path) -> None:
    path = file_of(tmp_path, vit(num_registers=4).state_dict())
    with pytest.raises(UserError, match=r"more parts, .* no place for backbone\.register_tokens;"):
        load_weights(vit(), path)
    assert load_weights(vit(), path, partial=True).complete


def test_parts_of_blocks_without_a_place_are_named(tmp_path: Path) -> None:
    weights = vit().state_dict()
    weights["backbone.layers.1.attn.k_norm.weight"] = torch.ones(16)
    weights["backbone.layers.1.attn.mask.bias"] = torch.ones(16)
    with pytest.raises(UserError, match=r"no place for backbone\.layers\.1\.attn\.k_norm\.weight;"):
        load_weights(vit(), file_of(tmp_path, weights))


def test_layer_scale_that_the_file_lacks_does_not_stay_near_zero(tmp_path: Path) -> None:
    path = file_of(tmp_path, vit().state_dict())
    model = vit(layer_cfgs=dict(init_values=1e-5))
    with pytest.raises(UserError, match=r"lacks 4 weights .* backbone\.layers\.0\.gamma_1"):
        load_weights(model, path)
    assert load_weights(model, path, partial=True).backbone_matched == 30


@pytest.mark.parametrize("side", [14, 8])
def test_a_vit_with_other_patches_is_refused(side: int, tmp_path: Path) -> None:
    config = dict(type="VisionTransformer", img_size=32)
    config["arch"] = dict(embed_dims=32, num_layers=1, num_heads=2, feedforward_channels=64)
    source = build_backbone({**config, "patch_size": side})
    model = nn.Module()
    model.backbone = build_backbone({**config, "patch_size": 16})
    path = file_of(tmp_path, source.state_dict())
    with pytest.raises(UserError, match=rf"patch_embed.* {side}, {side}\], the model wants .* 16"):
        load_weights(model, path)


def with_value(index: int, value: float) -> Callable[[Tensor], Tensor]:
    def change(tensor: Tensor) -> Tensor:
        tensor.view(-1)[index] = value
        return tensor

    return change


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (changed("layer1.0.0.weight", with_value(5, float("nan"))), r"\.0\.0\.weight are not"),
        (changed("layer1.0.1.running_var", with_value(0, float("inf"))), "running_var are not fin"),
        (changed("layer1.0.1.running_var", with_value(0, -1.0)), "variances below 0"),
        (changed("conv1.weight", lambda t: t.double() * 1e300), r"conv1\.weight are not finite"),
        (changed("conv1.weight", lambda t: t.mul(9).to(torch.int8)), "values of type int8"),
        (changed("conv1.weight", lambda t: t.to(torch.complex64)), "values of type complex64"),
    ],
)  # fmt: skip
def test_values_that_can_not_be_used(weights: Weights, message: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, weights)
    for partial in (False, True):
        with pytest.raises(UserError, match=f"can't be used: .*{message}"):
            load_weights(Model(), path, partial=partial)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_taken(dtype: torch.dtype, tmp_path: Path) -> None:
    source, model = Tiny(), Model()
    load_weights(model, file_of(tmp_path, source.to(dtype).state_dict()))
    assert model.backbone.conv1.weight.dtype is torch.float32
    assert torch.equal(model.backbone.conv1.weight, source.conv1.weight.float())
