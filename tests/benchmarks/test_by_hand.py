"""The plain loops of benchmarks/ do what our methods do: equal weights, equal batch, equal loss."""

import importlib
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.tools.command import ROOT

SIZE = 64
METHODS = [
    "rotation_pred", "relative_loc", "deepcluster", "mocov2", "densecl", "byol", "simsiam",
    "fastsiam", "swav", "barlowtwins", "simclr", "dcl", "dclw", "supcon", "nnclr", "nnbyol",
    "nnsiam", "all4one", "tico", "mmcr", "vicreg", "vicregl", "vibcreg", "wmse", "lejepa",
    "visreg", "ressl", "smog", "deepclusterv2", "distillation", "dino", "dino_vit", "ibot",
    "dinov2", "msn", "pmsn", "ijepa", "spark",
]  # fmt: skip
#: Their negatives are drawn at random, on both sides in their own ways.
DRAWN = {"npid", "interclr"}
#: Buffers of the loops whose names differ from ours.
OUR_NAMES = {"pos": "pos_embed", "labels": "assignments"}


@pytest.fixture(scope="module")
def workers() -> Any:
    """The modules of benchmarks/ and benchmarks/workers/, which are no packages."""
    before = list(sys.path)
    sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "benchmarks" / "workers")]
    yield {
        name: importlib.import_module(name)
        for name in ("method_batches", "method_by_hand", "method_ours", "method_configs", "methods")
    }
    sys.path[:] = before


def trained(model: nn.Module) -> list[Tensor]:
    """Return the trained parameters of a model, in the order of the computation."""
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    # SwAV's neck names its normalisation before the layers that it stands between.
    layer = {name: name.replace("neck.bn.", "neck.projection_neck.1.") for name, _ in named}
    moved = [name for name in layer if layer[name].startswith("neck.projection_neck.")]
    ordered = iter(sorted(moved, key=lambda name: layer[name].rpartition(".")[0]))
    weights = dict(named)
    return [weights[next(ordered)] if name in moved else weight for name, weight in named]


def same_start(ours: Any, loop: Any) -> None:
    """Give the loop the weights and memories of ours, and switch chance off on both sides."""
    for own, plain in zip(trained(ours), trained(loop), strict=True):
        assert plain.shape == own.shape
        plain.data.copy_(own)
    if hasattr(ours, "teacher"):
        teachers = (ours.teacher.backbone, loop.teacher)
        for own, plain in zip(*(net.state_dict().values() for net in teachers), strict=True):
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
    for module in (*ours.modules(), *loop.modules()):
        for key in ("drop_prob", "p"):  # of stochastic depth and dropout
            if isinstance(getattr(module, key, None), float):
                setattr(module, key, 0.0)


def find(model: nn.Module, leaf: str, shape: torch.Size) -> Tensor | None:
    """Return the tensor of a model with this last name and shape."""
    for name, value in model.state_dict().items():
        if name.rsplit(".", 1)[-1] == leaf and value.shape == shape:
            return value
    return None


@pytest.mark.parametrize("name", METHODS)
def test_a_loop_has_the_loss_and_the_gradient_of_ours(name: str, workers: Any) -> None:
    config = str(workers["method_configs"].config_of(name))
    images = 8 if name == "relative_loc" else 4  # its pairs are eight an image
    torch.manual_seed(0)
    ours, _ = workers["method_ours"].build(name, config, images, initialise=False)
    loop = workers["method_by_hand"].by_hand(name, SIZE).train()
    same_start(ours, loop)
    data = workers["method_batches"].batch(name, images, SIZE)
    if name == "ijepa":  # both draw masks in their own ways
        drawn = ours.masks.draw(images, (SIZE // 8, SIZE // 8))
        ours.masks.draw = loop.draw = lambda *_: drawn
    losses = []
    for model in (ours.train_step, lambda batch: dict(loss=loop(**batch))):
        torch.manual_seed(1)
        losses.append(model(data)["loss"])
    torch.testing.assert_close(losses[1], losses[0], rtol=2e-4, atol=2e-4)
    norms = []
    for model, loss in zip((ours, loop), losses, strict=True):
        loss.backward()
        grads = [weight.grad for weight in trained(model) if weight.grad is not None]
        norms.append(torch.stack([grad.norm() for grad in grads]).norm())
    torch.testing.assert_close(norms[1], norms[0], rtol=5e-3, atol=1e-5)


def test_every_method_of_the_benchmark_is_compared(workers: Any) -> None:
    assert set(METHODS) | DRAWN == set(workers["methods"].METHODS)
    assert set(workers["methods"].LIGHTLY) < set(METHODS)
