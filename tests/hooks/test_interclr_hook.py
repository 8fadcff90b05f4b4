"""InterCLRHook: the first clusters, their maintenance, and resuming."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmcv import Config

from mmselfsup.apis.train import train_model
from mmselfsup.core.hooks import InterCLRHook
from mmselfsup.models import build_algorithm
from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import UserError
from tests.contract.tiny_models import TINY
from tests.resume.test_methods import Samples, state_of

TINY_CFG = TINY["InterCLRMoCo"].cfg
MODEL = {
    **TINY_CFG,
    "memory_bank": {**TINY_CFG["memory_bank"], "num_classes": 3},
    "online_labels": True,
    "neg_sampling": "semihard",
    "semihard_neg_pool_num": 6,
    "num_classes": 3,
}


class OneView(Samples):
    """The first views, as the extraction needs them."""

    def __init__(self) -> None:
        super().__init__("InterCLRMoCo")

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {"img": self.batch["img"][0][i]}


def options(**changes: Any) -> dict[str, Any]:
    settings = dict(
        extractor=dict(dataset=OneView(), samples_per_gpu=4, workers_per_gpu=0),
        clustering=dict(type="Kmeans", k=3, pca_dim=-1),
        centroids_update_interval=2,
        deal_with_small_clusters_interval=1,
        evaluate_interval=2,
    )
    return {**settings, **changes}


def make_runner(**changes: Any) -> Any:
    torch.manual_seed(0)
    model = build_algorithm({**MODEL, **changes})
    return SimpleNamespace(model=model, logger=logging.getLogger("tests.interclr"), epoch=0)


def test_the_first_clustering_fills_the_memory() -> None:
    hook, runner = InterCLRHook(**options(), dist_mode=False), make_runner()
    hook.fit_dataset(DataInfo(12, 4))
    hook.before_run(runner)
    memory = runner.model.memory_bank
    assert memory.initialized
    features = torch.from_numpy(hook.extractor(runner))
    unit = torch.nn.functional.normalize(features, dim=1)
    torch.testing.assert_close(memory.feature_bank, unit)
    assert sorted(set(memory.label_bank.tolist())) == [0, 1, 2]


def test_own_necks_are_the_clustered_ones() -> None:
    hook, runner = InterCLRHook(**options(), dist_mode=False), make_runner(share_neck=False)
    hook.before_run(runner)
    model = runner.model.eval()
    with torch.no_grad():
        maps = model.extract_feat(hook.extractor.dataset.batch["img"][0])
        features = torch.nn.functional.normalize(model.inter_neck_q(maps)[0], dim=1)
    torch.testing.assert_close(model.memory_bank.feature_bank, features)


def test_the_warm_up_has_the_intra_image_loss_only() -> None:
    hook, runner = InterCLRHook(**options(warmup_epochs=2), dist_mode=False), make_runner()
    hook.before_run(runner)
    seen = []
    for runner.epoch in range(3):
        hook.before_train_epoch(runner)
        seen.append((runner.model.intra_loss_weight, runner.model.inter_loss_weight))
    assert seen == [(1.0, 0.0), (1.0, 0.0), (0.75, 0.25)]
    for runner.epoch in range(2):  # a run that ends in its warm-up
        hook.before_train_epoch(runner)
    hook.after_run(runner)
    assert (runner.model.intra_loss_weight, runner.model.inter_loss_weight) == (0.75, 0.25)


def test_what_is_refused() -> None:
    hook = InterCLRHook(**options(), dist_mode=False)
    with pytest.raises(UserError, match="InterCLRHook extracts 12 images, the training has 13"):
        hook.fit_dataset(DataInfo(13, 4))
    with pytest.raises(UserError, match="the model False: make them equal"):
        hook.before_run(make_runner(online_labels=False))
    with pytest.raises(UserError, match="no memory_bank of type InterCLRMemory"):
        hook.before_run(SimpleNamespace(model=build_algorithm(TINY["MoCo"].cfg), epoch=0))
    other = InterCLRHook(**options(clustering=dict(type="Kmeans", k=4)), dist_mode=False)
    with pytest.raises(UserError, match="the memory bank has num_classes=3"):
        other.before_run(make_runner())


def train(folder: Path, seed: int, online: bool, **changes: Any) -> Any:
    cfg = Config(
        dict(
            changes,
            custom_hooks=[dict(type="InterCLRHook", **options(online_labels=online))],
            optimizer=dict(type="SGD", lr=0.05, momentum=0.9),
            log_level="ERROR",
            data=dict(samples_per_gpu=4, workers_per_gpu=0, replace=True),
            lr_config=dict(policy="CosineAnnealing", min_lr=0.0, by_epoch=False),
            runner=dict(type="EpochBasedRunner", max_epochs=3),
            log_config=dict(interval=1, hooks=[]),
            checkpoint_config=dict(interval=1, by_epoch=False),
            work_dir=str(folder),
            seed=0,
        )
    )
    torch.manual_seed(seed)
    model = build_algorithm({**MODEL, "online_labels": online})
    model.init_weights()
    return train_model(model, Samples("InterCLRMoCo"), cfg)


@pytest.mark.parametrize("online", [True, False])
def test_resume_is_bit_equal(online: bool, tmp_path: Path) -> None:
    whole = state_of(train(tmp_path / "whole", 0, online))
    assert "memory_bank.label_bank" in whole
    for done in (3, 5):  # between two epochs, inside one
        file = str(tmp_path / "whole" / f"iter_{done}.pth")
        resumed = state_of(train(tmp_path / "resumed", 1, online, resume_from=file))
        assert list(resumed) == list(whole)
        changed = [key for key, value in whole.items() if not torch.equal(value, resumed[key])]
        assert not changed, f"after {done} iterations"
