"""Defaults that change numbers are those of MMSelfSup 0.x or, of what is newer, of the papers.

An old config leaves them out. They stand here a second time so that one can't change unseen.
"""

import inspect
from typing import Any

import pytest
from mmcv.runner import HOOKS, OPTIMIZERS
from mmcv.utils import Registry

from mmselfsup.core import hooks
from mmselfsup.models.builder import MODELS

TABLE: list[tuple[Registry, str, dict[str, Any]]] = [
    (MODELS, "BYOL", {"base_momentum": 0.996}),
    (MODELS, "MoCo", {"feat_dim": 128, "momentum": 0.999}),
    (MODELS, "DenseCL", {"feat_dim": 128, "momentum": 0.999, "loss_lambda": 0.5}),
    (MODELS, "NPID", {"neg_num": 65536, "ensure_neg": False}),
    (MODELS, "SimpleMemory", {"momentum": 0.5}),
    (MODELS, "ODCMemory", {"momentum": 0.5}),
    (MODELS, "ContrastiveHead", {"temperature": 0.1}),
    (MODELS, "LatentCrossCorrelationHead", {"lambd": 0.0051}),
    (MODELS, "SwAVHead", {"sinkhorn_iterations": 3, "epsilon": 0.05, "temperature": 0.1}),
    (MODELS, "MultiClsHead", {"in_indices": (0,), "with_last_layer_unpool": False}),
    (MODELS, "NonLinearNeck", {"num_layers": 2, "with_bias": False, "with_last_bn": True}),
    (MODELS, "ResNeXt", {"groups": 32, "width_per_group": 4}),
    (MODELS, "FocalLoss", {"gamma": 2.0}),
    (MODELS, "LDAMLoss", {"max_margin": 0.5, "scale": 30.0, "beta": 0.9999, "deferred": 0.8}),
    (MODELS, "LogitAdjustedLoss", {"tau": 1.0}),
    (HOOKS, "MomentumUpdateHook", {"end_momentum": 1.0}),
    (HOOKS, "BYOLHook", {"end_momentum": 1.0}),
    (HOOKS, "DenseCLHook", {"start_iters": 1000}),
    (HOOKS, "SwAVHook", {"epoch_queue_starts": 15, "feat_dim": 128, "queue_length": 0}),
    (OPTIMIZERS, "LARS", {"momentum": 0, "weight_decay": 0, "dampening": 0, "eta": 0.001}),
]


@pytest.mark.parametrize(("registry", "name", "values"), TABLE, ids=[row[1] for row in TABLE])
def test_defaults(registry: Registry, name: str, values: dict[str, Any]) -> None:
    parameters = inspect.signature(registry.get(name)).parameters
    assert {key: parameters[key].default for key in values} == values


def test_every_hook_has_its_name() -> None:
    for name in hooks.__all__:
        assert HOOKS.get(name) is getattr(hooks, name), name
