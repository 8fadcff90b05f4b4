"""Every method, stopped and resumed, gives the same bits as without a stop.

A new method is one line in ``METHODS``; its model and its batches are those of
``tests/contract/tiny_models.py``.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config
from torch import Tensor
from torch.utils._pytree import tree_map
from torch.utils.data import Dataset

from mmselfsup.apis.train import train_model
from mmselfsup.models import build_algorithm
from tests.contract.tiny_models import TINY

NUM_IMAGES, BATCH, EPOCHS = 12, 4, 3

#: What the configs of DINO and its successors have.
TEACHER: dict[str, Any] = dict(
    custom_hooks=[
        dict(type="MomentumUpdateHook"),
        dict(
            type="ScheduleHook",
            target="model.head.teacher_temperature",
            start=0.07,
            end=0.07,
            warmup=2,
            warmup_start=0.04,
        ),
        dict(type="ScheduleHook", target="optimizer.weight_decay", end=0.4),
    ],
    optimizer_config=dict(
        frozen_layers_cfg=dict(last_layer=4), grad_clip=dict(per_parameter=True, max_norm=3.0)
    ),
)
#: Name of the algorithm -> what its config has beside the model.
METHODS: dict[str, dict[str, Any]] = {
    "SimCLR": {},
    "BarlowTwins": {},
    "Classification": {},
    "MoCo": {},
    "NPID": {},
    "DenseCL": dict(custom_hooks=[dict(type="DenseCLHook", start_iters=5)]),
    "BYOL": dict(custom_hooks=[dict(type="MomentumUpdateHook")]),
    "SimSiam": dict(
        optimizer=dict(
            type="SGD", lr=0.05, momentum=0.9, paramwise_options={"predictor": dict(fix_lr=True)}
        ),
        custom_hooks=[dict(type="SimSiamHook", priority="HIGH", fix_pred_lr=True, lr=0.05)],
    ),
    "SwAV": dict(
        custom_hooks=[
            dict(type="SwAVHook", epoch_queue_starts=1, feat_dim=4, queue_length=6),
        ]
    ),
    "DeepClusterV2": dict(custom_hooks=[dict(type="DeepClusterV2Hook")]),
    "RelativeLoc": {},
    "RotationPred": {},
    "MAE": {},
    "VICReg": dict(optimizer=dict(type="SGD", lr=0.001, momentum=0.9)),
    "VICRegL": dict(optimizer=dict(type="SGD", lr=0.001, momentum=0.9)),
    "MSN": dict(custom_hooks=[dict(type="MomentumUpdateHook")]),
    "IJEPA": dict(custom_hooks=[dict(type="MomentumUpdateHook")]),
    "SparK": {},
    "PMSN": dict(custom_hooks=[dict(type="MomentumUpdateHook")]),
    "SMoG": dict(custom_hooks=[dict(type="MomentumUpdateHook"), dict(type="SMoGHook", interval=2)]),
    "ReSSL": dict(custom_hooks=[dict(type="MomentumUpdateHook", end_momentum=0.99)]),
    "VIbCReg": dict(optimizer=dict(type="SGD", lr=0.001, momentum=0.9)),
    "WMSE": {},
    "NNCLR": {},
    "NNBYOL": dict(custom_hooks=[dict(type="MomentumUpdateHook")]),
    "All4One": dict(custom_hooks=[dict(type="MomentumUpdateHook")]),
    "NNSiam": {},
    "FastSiam": {},
    "TiCo": dict(custom_hooks=[dict(type="MomentumUpdateHook")]),
    "MMCR": {},
    "LeJEPA": {},
    "VISReg": {},
    "SupCon": {},
    "Distillation": {},
    "DINO": TEACHER,
    "IBOT": TEACHER,
    "DINOv2": TEACHER,
}


class Samples(Dataset[dict[str, Any]]):
    """The samples of a tiny batch one by one, with noise as augmentations would draw it."""

    def __init__(self, name: str) -> None:
        self.batch = TINY[name].batch(NUM_IMAGES, torch.Generator().manual_seed(1))

    def __len__(self) -> int:
        return NUM_IMAGES

    def __getitem__(self, i: int) -> dict[str, Any]:
        sample = {k: v[i] for k, v in self.batch.items() if k != "img"}
        return {"img": tree_map(lambda view: self.noisy(view[i]), self.batch["img"]), **sample}

    def noisy(self, view: Tensor) -> Tensor:
        if not view.is_floating_point():  # a mask
            return view
        return view + 0.1 * torch.rand_like(view)


def train(name: str, folder: Path, **changes: Any) -> Any:
    """Train a tiny model and save after every iteration and epoch."""
    cfg = Config(
        dict(
            dict(optimizer=dict(type="SGD", lr=0.05, momentum=0.9)) | METHODS[name] | changes,
            log_level="ERROR",
            data=dict(samples_per_gpu=BATCH, workers_per_gpu=0),
            lr_config=dict(policy="CosineAnnealing", min_lr=0.0, by_epoch=False),
            runner=dict(type="EpochBasedRunner", max_epochs=EPOCHS),
            log_config=dict(interval=1, hooks=[]),
            checkpoint_config=dict(interval=1, by_epoch=False),
            work_dir=str(folder),
            seed=0,
        )
    )
    torch.manual_seed(len(changes))  # a resumed run finds its random state in the checkpoint
    model = build_algorithm(TINY[name].cfg)
    model.init_weights()
    return train_model(model, Samples(name), cfg)


def state_of(runner: Any) -> dict[str, Tensor]:
    """Weights, buffers and the optimizer's momentum, by name."""
    names = dict(enumerate(p for g in runner.optimizer.param_groups for p in g["params"]))
    momenta = {
        f"momentum {i}": runner.optimizer.state[p]["momentum_buffer"]
        for i, p in names.items()
        if "momentum_buffer" in runner.optimizer.state.get(p, {})
    }
    return {**runner.model.state_dict(), **momenta}


@pytest.mark.parametrize("name", METHODS)
def test_resume_is_bit_equal(name: str, tmp_path: Path) -> None:
    whole = state_of(train(name, tmp_path / "whole"))
    for done in (3, 5):  # between two epochs, inside one
        file = str(tmp_path / "whole" / f"iter_{done}.pth")
        resumed = state_of(train(name, tmp_path / "resumed", resume_from=file))
        assert list(resumed) == list(whole)
        changed = [key for key, value in whole.items() if not torch.equal(value, resumed[key])]
        assert not changed, f"after {done} iterations"
