"""The plain loops of benchmarks/ do what our methods do: equal weights, equal batch, equal loss."""

import importlib
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.tools.command import ROOT

IMAGES, SIZE = 8, 64  # eight: relative location makes one image of eight pairs
METHODS = (
    "rotation_pred relative_loc deepcluster mocov2 densecl byol simsiam fastsiam swav barlowtwins "
    "simclr dcl dclw supcon nnclr nnbyol nnsiam all4one tico mmcr vicreg vicregl vibcreg wmse "
    "lejepa visreg ressl smog deepclusterv2 distillation dino dino_vit ibot dinov2 msn pmsn ijepa "
    "spark"
).split()
#: Buffers of the loops whose names differ from ours.
OUR_NAMES = {"pos": "pos_embed", "labels": "assignments"}


@pytest.fixture(scope="module")
def workers() -> Any:
    """The modules of benchmarks/ and benchmarks/workers/, which are no packages."""
    before = list(sys.path)
    sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "benchmarks" / "workers")]
    yield {
        name: importlib.import_module(name)
        for name in ("method_batches", "method_by_hand", "method_ours", "method_configs")
    }
    sys.path[:] = before


def trained(model: nn.Module) -> list[Tensor]:
    """Return the trained parameters of a model, in the order of the computation."""
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    # SwAV's neck names its normalisation before the layers that it stands between.
    alias = {name: name.replace("neck.bn.", "neck.projection_neck.1.") for name, _ in named}
    first = [name for name in alias if "neck.bn." in name or "neck.projection_neck." in name]
    ordered = iter(sorted(first, key=alias.__getitem__))
    weights = dict(named)
    return [weights[next(ordered)] if name in first else weight for name, weight in named]


def same_start(ours: Any, loop: Any) -> None:
    """Give the loop the weights and memories of ours, and switch chance off on both sides."""
    for own, plain in zip(trained(ours), trained(loop), strict=True):
        plain.data.copy_(own)
    if hasattr(ours, "teacher"):
        pairs = zip(ours.teacher.backbone.state_dict().values(), loop.teacher.state_dict().values())
        for own, plain in pairs:
            plain.copy_(own)
    for name, value in loop.named_buffers():
        leaf = name.rsplit(".", 1)[-1]
        source = find(ours, OUR_NAMES.get(leaf, leaf), value.shape)
        if source is not None and "running" not in leaf:
            value.copy_(source)
    if hasattr(loop, "heads"):
        for plain, own in zip(loop.heads, ours.head.prototypes.children(), strict=True):
            plain.weight.data.copy_(own.weight)
    if hasattr(loop, "target"):
        loop.target.load_state_dict(loop.online.state_dict())
    for model in (ours, loop):
        for module in model.modules():
            for key in ("drop_prob", "p"):
                if isinstance(getattr(module, key, None), float):
                    setattr(module, key, 0.0)


def find(model: nn.Module, leaf: str, shape: torch.Size) -> Tensor | None:
    """Return the tensor of a model with this last name and shape."""
    for name, value in model.state_dict().items():
        if name.rsplit(".", 1)[-1] == leaf and value.shape == shape:
            return value
    return None


def same_masks(ours: Any, loop: Any) -> None:
    """Let I-JEPA's loop take the masks that ours draws; both draw them in their own ways."""
    torch.manual_seed(2)
    drawn = ours.masks.draw(IMAGES, (SIZE // 8, SIZE // 8))
    ours.masks.draw = loop.draw = lambda *_: drawn


@pytest.mark.parametrize("name", METHODS)
def test_a_loop_has_the_loss_and_the_gradient_of_ours(name: str, workers: Any) -> None:
    config = workers["method_configs"].config_of(name)
    torch.manual_seed(0)
    ours, _ = workers["method_ours"].build(name, str(config), IMAGES)
    loop = workers["method_by_hand"].by_hand(name, SIZE).train()
    same_start(ours, loop)
    data = workers["method_batches"].batch(name, IMAGES, SIZE)
    if name == "ijepa":
        same_masks(ours, loop)
    torch.manual_seed(1)
    expected = ours.train_step(data)["loss"]
    torch.manual_seed(1)
    found = loop(**data)
    torch.testing.assert_close(found, expected, rtol=2e-4, atol=2e-4)
    for loss in (expected, found):
        loss.backward()
    norms = [
        torch.stack([w.grad.norm() for w in trained(model) if w.grad is not None]).norm()
        for model in (ours, loop)
    ]
    torch.testing.assert_close(norms[1], norms[0], rtol=5e-3, atol=1e-5)
