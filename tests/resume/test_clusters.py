"""Clusters, memories and weights survive a stop: the same bits as without one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config

from mmselfsup.apis.train import train_model
from mmselfsup.core.runner import EpochBasedRunner
from mmselfsup.models import build_algorithm
from mmselfsup.models.heads import DeepClusterV2Head
from mmselfsup.utils.errors import UserError
from tests.contract.tiny_models import TINY
from tests.resume.test_methods import NUM_IMAGES, Samples, state_of
from tests.resume.test_methods import train as train_method


class Clustered(Samples):
    """The tiny samples, with the labels that a clustering gives them."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.labels = np.full(NUM_IMAGES, -1)

    def assign_labels(self, labels: np.ndarray) -> None:
        self.labels = np.array(labels)

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {**super().__getitem__(i), "pseudo_label": int(self.labels[i])}


def hooks(name: str, **changes: Any) -> list[dict[str, Any]]:
    odc = name == "ODC"
    options = dict(
        type="DeepClusterHook",
        extractor=dict(dataset=Clustered(name), samples_per_gpu=4, workers_per_gpu=0),
        clustering=dict(type="Kmeans", k=3, pca_dim=-1 if odc else 4),
        unif_sampling=not odc,
        reweight=True,
        reweight_pow=0.5,
        init_memory=odc,
        initial=True,
        interval=9999 if odc else 1,
    )
    step = dict(
        type="ODCHook",
        centroids_update_interval=2,
        deal_with_small_clusters_interval=1,
        evaluate_interval=2,
        reweight=True,
        reweight_pow=0.5,
    )
    return [{**options, **changes}, step] if odc else [{**options, **changes}]


def train(name: str, folder: Path, seed: int = 0, images: Any = None, **changes: Any) -> Any:
    cfg = Config(
        dict(
            dict(custom_hooks=hooks(name)) | changes,
            optimizer=dict(
                type="SGD",
                lr=0.05,
                momentum=0.9,
                paramwise_options={"\\Ahead.": dict(momentum=0.0)},
            ),
            log_level="ERROR",
            data=dict(samples_per_gpu=4, workers_per_gpu=0, replace=name == "ODC"),
            lr_config=dict(policy="CosineAnnealing", min_lr=0.0, by_epoch=False),
            runner=dict(type="EpochBasedRunner", max_epochs=3),
            log_config=dict(interval=1, hooks=[]),
            checkpoint_config=dict(interval=1, by_epoch=False),
            work_dir=str(folder),
            seed=0,
        )
    )
    torch.manual_seed(seed)
    model = build_algorithm(TINY[name].cfg)
    model.init_weights()
    return train_model(model, images or Clustered(name), cfg)


@pytest.mark.parametrize("name", ["DeepCluster", "ODC"])
def test_resume_is_bit_equal(name: str, tmp_path: Path) -> None:
    whole = train(name, tmp_path / "whole")
    for done in (3, 5):  # between two epochs, inside one
        file = str(tmp_path / "whole" / f"iter_{done}.pth")
        later = train(name, tmp_path / "later", seed=1, resume_from=file)
        first, second = state_of(whole), state_of(later)
        assert list(first) == list(second)
        changed = [key for key, value in first.items() if not torch.equal(value, second[key])]
        assert not changed, f"after {done} iterations"
        assert torch.equal(whole.model.loss_weight, later.model.loss_weight)
        labels = [runner.data_loader.dataset.labels for runner in (whole, later)]
        assert labels[0].tolist() == labels[1].tolist()
        assert labels[0].min() >= 0


def test_a_checkpoint_of_other_images_is_refused(tmp_path: Path) -> None:
    train("DeepCluster", tmp_path)
    more = Clustered("DeepCluster")
    hook = hooks("DeepCluster", extractor=dict(dataset=more, samples_per_gpu=4, workers_per_gpu=0))
    more.__class__ = type("More", (Clustered,), {"__len__": lambda self: NUM_IMAGES - 1})
    with pytest.raises(UserError, match="clusters of 12 images, the training data have 11"):
        train(
            "DeepCluster",
            tmp_path / "more",
            images=more,
            custom_hooks=hook,
            resume_from=str(tmp_path / "iter_3.pth"),
        )


@pytest.mark.parametrize("done", [2, 9])  # in the first epoch, which counts as clustered; later
def test_weights_of_another_run_bring_no_clusters(
    done: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_method("DeepClusterV2", tmp_path / "other")
    file = tmp_path / "other" / f"iter_{done}.pth"
    theirs = torch.load(file, weights_only=False)["state_dict"]["head.banks.0.feature_bank"]
    clustered: list[tuple[int, torch.Tensor]] = []
    cluster = DeepClusterV2Head.cluster

    def spy(head: Any, epoch: int, *args: Any) -> None:
        clustered.append((epoch, head.banks[0].feature_bank.clone()))
        cluster(head, epoch, *args)

    monkeypatch.setattr(DeepClusterV2Head, "cluster", spy)
    train_method("DeepClusterV2", tmp_path / "own", load_from=str(file))
    assert [epoch for epoch, _ in clustered] == [0, 1, 2]
    own = clustered[0][1]
    assert not (own == theirs).all(dim=1).any(), "rows of the other run were clustered"


def test_the_pass_that_fills_the_banks_is_no_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first epoch has its own order and views, after a stop inside of it too."""
    batches: list[list[int]] = []
    run_iter = EpochBasedRunner.run_iter

    def spy(runner: Any, batch: Any, *args: Any, **kwargs: Any) -> None:
        batches.append(batch["idx"].tolist())
        run_iter(runner, batch, *args, **kwargs)

    monkeypatch.setattr(EpochBasedRunner, "run_iter", spy)
    whole = state_of(train_method("DeepClusterV2", tmp_path / "whole"))
    own = batches.copy()
    batches.clear()
    train_method("SimCLR", tmp_path / "simclr")
    assert own == batches  # those of a method without such a pass
    file = str(tmp_path / "whole" / "iter_2.pth")
    resumed = state_of(train_method("DeepClusterV2", tmp_path / "resumed", resume_from=file))
    changed = [name for name, value in whole.items() if not torch.equal(value, resumed[name])]
    assert not changed
