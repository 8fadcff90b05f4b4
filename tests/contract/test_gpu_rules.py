"""A step of every method on a GPU: all tensors are there, and the host waits for nothing.

No GPU is needed; see ``fake_gpu``.
"""

import copy
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fake_gpu import HostWaits, fake_gpu, move_to_gpu, on_gpu
from tiny_models import TINY, same_mask
from torch import Tensor
from torch.utils._pytree import tree_leaves

from mmselfsup.core.hooks import DistOptimizerHook, MomentumUpdateHook, WeightAverageHook
from mmselfsup.core.optimizer import build_optimizer
from mmselfsup.core.runner.log_buffer import TensorLogBuffer
from mmselfsup.models import build_algorithm
from mmselfsup.models.utils.knn_classifier import knn_votes
from mmselfsup.utils.device import first_tensor


def wait_to_read(x: Tensor) -> Any:
    return x.sum().item()


def wait_to_decide(x: Tensor) -> Any:
    return x if (x > 0).any() else -x


def wait_for_a_mask(x: Tensor) -> Any:
    return x[x > 0]


def wait_to_print(x: Tensor) -> Any:
    return x.tolist()


def copy_back(x: Tensor) -> Any:
    return x.cpu()


def copy_a_list(x: Tensor) -> Any:
    return x + torch.tensor([1.0, 2.0, 3.0], device=x.device)


def copy_a_table(x: Tensor) -> Any:
    return x + torch.arange(3.0).to(x.device)


def copy_into(x: Tensor) -> Any:
    return x.copy_(torch.arange(3.0))


@pytest.mark.parametrize(
    "step",
    [
        wait_to_read,
        wait_to_decide,
        wait_for_a_mask,
        wait_to_print,
        copy_back,
        copy_a_list,
        copy_a_table,
        copy_into,
    ],
)
def test_what_makes_the_host_wait_is_found(step: Callable[[Tensor], Any]) -> None:
    with fake_gpu(), pytest.raises(HostWaits):
        step(torch.zeros(3, device="cuda"))


def test_mixed_devices_are_found() -> None:
    with fake_gpu(), pytest.raises(RuntimeError, match="same device"):
        torch.zeros(3, device="cuda") + torch.zeros(3)


def test_a_queued_copy_and_a_number_are_no_waits() -> None:
    with fake_gpu():
        x = torch.zeros(3, device="cuda")
        y = x * torch.tensor(2.0) + torch.arange(3.0).to(x.device, non_blocking=True)
    assert (y.device.type, y.shape) == ("cuda", (3,))


def after_its_first_step(name: str) -> tuple[Any, dict[str, Any]]:
    """Return a method, whose first step has been done on the CPU, and a batch."""
    torch.manual_seed(0)
    tiny = TINY[name]
    model = build_algorithm(copy.deepcopy(tiny.cfg))
    model.init_weights()
    if tiny.prepare is not same_mask:  # it copies its mask to the device
        tiny.prepare(model)
    batch = tiny.batch(8, torch.Generator().manual_seed(0))
    model.train_step(batch)
    count = getattr(model, "count_on_host", lambda img: {})
    return model, {**batch, **count(batch["img"])}


@pytest.mark.parametrize("name", sorted(TINY))
def test_a_step_stays_on_the_gpu_and_waits_for_nothing(name: str) -> None:
    model, batch = after_its_first_step(name)
    with fake_gpu():
        move_to_gpu(model)
        result = model.train_step(on_gpu(batch))
        if getattr(model, "momentum", None) is not None:
            model.momentum_update()
    assert {value.device.type for value in (result["loss"], *result["log_vars"].values())} == {
        "cuda"
    }


def test_the_queue_of_swav_waits_for_nothing() -> None:
    model, batch = after_its_first_step("SwAV")
    width = model.head.feat_dim
    with fake_gpu():
        move_to_gpu(model)
        # As after its first step, in which the head counts how many rows are filled.
        model.head.queue = model.head._counted = torch.zeros(2, 16, width, device="cuda")
        model.head._filled = 16
        model.train_step(on_gpu(batch))
    assert model.head.use_queue
    assert (model.head.queue.device.type, model.head.queue.shape) == ("cuda", (2, 16, width))


CONTRASTIVE = "BYOL"  # it has a target, so that every hook has something to do


@pytest.mark.parametrize(
    "optimizer",
    [
        {"type": "SGD", "lr": 0.1, "momentum": 0.9, "fused": False},  # no fake of the fused one
        {"type": "LARS", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-6},
        {"type": "AdamW", "lr": 0.1, "weight_decay": 0.05},
    ],
    ids=lambda cfg: cfg["type"],
)
@pytest.mark.parametrize(
    "grad_clip", [None, {"max_norm": 1.0}, {"max_norm": 1.0, "per_parameter": True}]
)
def test_a_step_of_the_optimizer_and_its_hooks_wait_for_nothing(
    optimizer: dict[str, Any], grad_clip: dict[str, Any] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, batch = after_its_first_step(CONTRASTIVE)
    hooks = [
        DistOptimizerHook(grad_clip=grad_clip),
        MomentumUpdateHook(),
        WeightAverageHook(),
    ]

    def backward(loss: Tensor) -> None:  # autograd wants a real GPU
        assert loss.requires_grad
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)

    monkeypatch.setattr(Tensor, "backward", backward)
    with fake_gpu():
        move_to_gpu(model)
        runner = SimpleNamespace(
            model=model,
            optimizer=build_optimizer(model, dict(optimizer)),
            hooks=hooks,
            iter=0,
            max_iters=10,
            log_buffer=TensorLogBuffer(),
            logger=logging.getLogger("fake"),
        )
        for hook in hooks:
            hook.before_run(runner)
        for runner.iter in range(2):
            for hook in hooks:
                hook.before_train_iter(runner)
            runner.outputs = model.train_step(on_gpu(batch))
            runner.log_buffer.update(runner.outputs["log_vars"], 8)
            for hook in hooks:
                hook.after_train_iter(runner)
    norms = runner.log_buffer.val_history["grad_norm"]
    assert len(norms) == 2
    assert isinstance(norms[0], Tensor)  # not read yet


@pytest.mark.parametrize("name", sorted(TINY))
def test_features_stay_on_the_gpu_and_wait_for_nothing(name: str) -> None:
    model = build_algorithm(copy.deepcopy(TINY[name].cfg)).eval()
    img = first_tensor(TINY[name].batch(8, torch.Generator().manual_seed(0)))
    assert img is not None
    with fake_gpu(), torch.no_grad():
        move_to_gpu(model)
        features = model(on_gpu(img.reshape(-1, 3, *img.shape[-2:])), mode="extract")
    assert {x.device.type for x in tree_leaves(features)} == {"cuda"}


def test_the_monitors_of_features_wait_for_nothing() -> None:
    with fake_gpu():
        train, test = (torch.zeros(n, 16, device="cuda") for n in (64, 8))
        labels = torch.zeros(64, dtype=torch.long, device="cuda")
        votes = knn_votes(train, labels, test, (5, 20), 0.07, 3)
    assert {x.device.type for x in votes.values()} == {"cuda"}
