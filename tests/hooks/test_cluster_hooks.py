"""DeepClusterHook, ODCHook and the extractor: what they do, and what they refuse."""

import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.parallel import DistributedDataParallel

from mmselfsup.core.clustering import restart_head
from mmselfsup.core.hooks import DeepClusterHook, ODCHook
from mmselfsup.datasets import build_dataloader
from mmselfsup.models import build_algorithm
from mmselfsup.utils import Extractor
from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import UserError
from tests.contract.tiny_models import TINY
from tests.distributed.ranks import run_ranks
from tests.resume.test_clusters import Clustered, hooks, train


def make_hook(name: str, **changes: Any) -> DeepClusterHook:
    options = {k: v for k, v in hooks(name, **changes)[0].items() if k != "type"}
    loader = build_dataloader(Clustered(name), samples_per_gpu=4, workers_per_gpu=0, dist=False)
    return DeepClusterHook(**{"data_loaders": [loader], "dist_mode": False, **options})


def make_runner(name: str) -> Any:
    torch.manual_seed(0)
    model = build_algorithm(TINY[name].cfg)
    model.init_weights()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return SimpleNamespace(
        model=model, optimizer=optimizer, logger=logging.getLogger("tests.clusters"), epoch=0
    )


def test_the_steps_of_a_clustering() -> None:
    hook, runner = make_hook("DeepCluster"), make_runner("DeepCluster")
    model, before = runner.model, runner.model.head.fc_cls.weight.clone()
    hook.before_run(runner)
    labels = hook.data_loaders[0].dataset.labels  # type: ignore[index]
    assert sorted(set(labels.tolist())) == [0, 1, 2]
    assert model.training
    assert not torch.equal(model.head.fc_cls.weight, before)
    sizes = np.bincount(labels) ** -0.5
    assert model.loss_weight.tolist() == pytest.approx(sizes / sizes.sum())
    drawn = [labels[i] for i in hook.data_loaders[0].sampler]  # type: ignore[index]
    assert np.bincount(drawn).tolist() == [4, 4, 4]


def test_the_memory_of_odc_is_filled() -> None:
    hook, runner = make_hook("ODC"), make_runner("ODC")
    with pytest.raises(UserError, match="init_memory=True"):
        ODCHook(1, 1, 1, True, 0.5).before_train_epoch(runner)
    hook.before_run(runner)
    memory = runner.model.memory_bank
    assert memory.initialized
    features = torch.from_numpy(hook.extractor(runner))
    torch.testing.assert_close(memory.feature_bank, torch.nn.functional.normalize(features, dim=1))
    ODCHook(1, 1, 1, True, 0.5).before_train_epoch(runner)


def test_features_are_those_of_the_neck_in_evaluation() -> None:
    runner, data = make_runner("ODC"), Clustered("ODC")
    data.noisy = lambda view: view  # type: ignore[method-assign]
    features = Extractor(data, samples_per_gpu=5, workers_per_gpu=0)(runner)
    assert runner.model.training
    model = runner.model.eval()
    with torch.no_grad():
        expected = model.neck(model.extract_feat(data.batch["img"]))[0]
    torch.testing.assert_close(torch.from_numpy(features), expected)
    with pytest.raises(TypeError, match="must be a Dataset"):
        Extractor("images", 1, 0)


def test_the_head_restarts_without_momentum() -> None:
    runner = make_runner("DeepCluster")
    runner.model.train_step(TINY["DeepCluster"].batch(4, torch.Generator()))["loss"].backward()
    runner.optimizer.step()
    head = runner.model.head.fc_cls.weight
    assert head in runner.optimizer.state
    old, others = head.clone(), len(runner.optimizer.state)
    restart_head(runner)
    assert head not in runner.optimizer.state
    assert len(runner.optimizer.state) == others - 2
    assert not torch.equal(head, old)
    assert head.std().item() == pytest.approx(0.01, rel=0.3)


def test_what_is_refused_before_the_first_iteration(tmp_path: Any) -> None:
    def run(**changes: Any) -> Any:
        return train("DeepCluster", tmp_path, custom_hooks=hooks("DeepCluster", **changes))

    with pytest.raises(UserError, match="12 training images can't make"):
        run(clustering=dict(type="Kmeans", k=13, pca_dim=-1))
    with pytest.raises(UserError, match="is 4, the head has num_classes=3"):
        run(clustering=dict(type="Kmeans", k=4, pca_dim=-1))
    with pytest.raises(UserError, match=r"types: Kmeans, PIC"):
        run(clustering=dict(type="KMeans", k=3))
    with pytest.raises(UserError, match="pca_dim=100 needs"):
        run(clustering=dict(type="Kmeans", k=3, pca_dim=100))
    with pytest.raises(UserError, match="without initial=True"):
        run(initial=False)
    short = torch.utils.data.Subset(Clustered("DeepCluster"), range(5))
    with pytest.raises(UserError, match="extracts 5 images, the training has 12"):
        run(extractor=dict(dataset=short, samples_per_gpu=4, workers_per_gpu=0))


def test_other_data_sets_and_models_are_refused() -> None:
    hook, runner = make_hook("DeepCluster"), make_runner("DeepCluster")
    hook.data_loaders = [SimpleNamespace(dataset=[1, 2])]
    with pytest.raises(UserError, match="must be a DeepClusterDataset"):
        hook.before_run(runner)
    hook.data_loaders = None
    with pytest.raises(UserError, match="data_loaders"):
        hook.before_run(runner)
    with pytest.raises(UserError, match="no memory_bank"):
        ODCHook(1, 1, 1, True, 0.5).before_train_epoch(runner)


def test_a_clustering_that_counts_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = make_hook("DeepCluster", clustering=dict(type="PIC", pca_dim=4, nnn=2))
    runner = make_runner("DeepCluster")
    monkeypatch.setattr(runner.model, "num_classes", 1)
    with pytest.raises(UserError, match=r"found \d+ clusters, the head has num_classes=1"):
        hook.before_run(runner)
    monkeypatch.setattr(runner.model, "num_classes", 12)
    hook.before_run(runner)
    assert hook.labels is not None
    assert hook.labels.max() < 12


def test_a_batch_larger_than_the_data_set(tmp_path: Any) -> None:
    few = Clustered("DeepCluster")
    runner = train("DeepCluster", tmp_path, images=few)  # 12 images in batches of 4
    assert runner.iter == 9
    hook = make_hook("DeepCluster", extractor=dict(dataset=few, samples_per_gpu=64))
    assert hook.extractor(runner).shape == (12, 32)


def test_state_is_plain_and_complete() -> None:
    hook, runner = make_hook("DeepCluster"), make_runner("DeepCluster")
    assert hook.state_dict() == {}
    hook.fit_dataset(DataInfo(12, 4))
    hook.before_run(runner)
    other = make_hook("DeepCluster")
    other.load_state_dict(hook.state_dict())
    other.before_run(make_runner("DeepCluster"))
    first, second = (h.data_loaders[0].dataset.labels for h in (hook, other))  # type: ignore[index]
    assert first.tolist() == second.tolist()


def two_ranks(rank: int, work_dir: str) -> dict[str, Any]:
    """Train ODC on one of two ranks."""
    del rank
    images = Clustered("ODC")
    model = build_algorithm(TINY["ODC"].cfg)
    model.init_weights()
    for parameter in model.parameters():
        torch.distributed.broadcast(parameter.data, 0)
    loader = build_dataloader(images, samples_per_gpu=3, workers_per_gpu=0, seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    ddp = DistributedDataParallel(model, broadcast_buffers=False)
    from mmselfsup.core.runner import EpochBasedRunner

    logger = logging.getLogger("tests.clusters")
    runner = EpochBasedRunner(
        ddp, optimizer=optimizer, work_dir=work_dir, logger=logger, meta={}, max_epochs=2
    )
    runner.register_optimizer_hook({})
    first, second = hooks("ODC")
    first, second = dict(first), dict(second)
    del first["type"], second["type"]
    runner.register_hook(DeepClusterHook(**first, data_loaders=[loader]))
    runner.register_hook(ODCHook(**second))
    runner.run([loader], [("train", 1)])
    return dict(
        state=model.state_dict(), labels=images.labels, weight=model.loss_weight, iters=runner.iter
    )


@pytest.mark.filterwarnings("ignore")
def test_two_ranks_have_the_same_memories(tmp_path: Any) -> None:
    first, second = run_ranks(two_ranks, tmp_path, str(tmp_path / "work"))
    assert first["iters"] == second["iters"] == 4
    assert first["labels"].tolist() == second["labels"].tolist()
    assert torch.equal(first["weight"], second["weight"])
    for name in ("feature_bank", "label_bank", "centroids"):
        key = f"memory_bank.{name}"
        assert torch.equal(first["state"][key], second["state"][key]), name
