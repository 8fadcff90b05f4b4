"""Monitoring of the features: it uses labels, detects collapse, and does not change training."""

import copy
import json
import logging
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config
from PIL import Image

from mmselfsup.apis import train_model
from mmselfsup.core.hooks import FrozenFeaturesHook
from mmselfsup.core.hooks.frozen_features_hook import isolated_eval, tell_gain
from mmselfsup.datasets import build_dataset
from mmselfsup.evaluation.online_monitor import pick_evenly, split_picked
from mmselfsup.models import build_algorithm
from mmselfsup.utils import dist
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.json_log import curve, read_json_log
from mmselfsup.utils.seed import get_rng_state
from tests.distributed.ranks import run_ranks

VIEW = [
    dict(type="RandomResizedCrop", size=32),
    dict(type="ToTensor"),
    dict(type="Normalize", mean=[0.5, 0.5, 0.5], std=[0.2, 0.2, 0.2]),
]
HOOK = dict(type="FrozenFeaturesHook", interval=2, workers_per_gpu=0)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """48 images of three colours, and lists with and without labels."""
    lines = []
    for number in range(48):
        pixels = np.random.default_rng(number).integers(0, 80, (36, 40, 3), dtype=np.uint8)
        pixels[..., number % 3] += 150
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png {number % 3}\n")
    (tmp_path / "labelled.txt").write_text("".join(lines))
    (tmp_path / "bare.txt").write_text("".join(line.split()[0] + "\n" for line in lines))
    return tmp_path


def config(place: Path, name: str, hooks: list[dict[str, Any]], **source: Any) -> Config:
    source = dict(type="ImageList", data_prefix=str(place), ann_file=str(place / source["ann"]))
    return Config(
        dict(
            model=dict(
                type="SimCLR",
                backbone=dict(
                    type="ResNet",
                    depth=18,
                    stem_channels=4,
                    base_channels=4,
                    norm_cfg=dict(type="BN"),
                ),
                neck=dict(type="NonLinearNeck", in_channels=32, hid_channels=8, out_channels=4),
                head=dict(type="ContrastiveHead", temperature=0.5),
            ),
            data=dict(
                samples_per_gpu=8,
                workers_per_gpu=0,
                train=dict(
                    type="MultiViewDataset", data_source=source, num_views=[2], pipelines=[VIEW]
                ),
            ),
            optimizer=dict(type="SGD", lr=0.05, momentum=0.9),
            lr_config=dict(policy="fixed"),
            runner=dict(type="EpochBasedRunner", max_epochs=3),
            log_config=dict(interval=2, hooks=[dict(type="TextLoggerHook")]),
            custom_hooks=hooks,
            work_dir=str(place / name),
            seed=0,
        )
    )


def train(cfg: Config, spoil: Any = None) -> dict[str, Any]:
    """Train; what came out, and the random state after it."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    model = build_algorithm(copy.deepcopy(cfg.model))
    model.init_weights()
    if spoil is not None:
        spoil(model)
    Path(cfg.work_dir).mkdir(exist_ok=True)
    data = build_dataset(cfg.data.train)
    train_model(model, data, cfg, dist.is_distributed(), f"run{dist.get_rank()}", {})
    log = Path(cfg.work_dir) / "run0.log.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return dict(
        weights={k: v.clone() for k, v in model.state_dict().items()},
        losses=[line["loss"] for line in lines if "loss" in line],
        watched=[line for line in lines if "effective_rank" in line],
        modes=[module.training for module in model.modules()],
        rng=[get_rng_state()["torch"], get_rng_state()["numpy"]["keys"]],
        python=random.getstate(),
    )


def assert_same(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a["losses"] == b["losses"]
    assert a["modes"] == b["modes"]
    assert a["python"] == b["python"]
    assert all(map(torch.equal, a["rng"], b["rng"]))
    for name, weight in a["weights"].items():
        assert torch.equal(weight, b["weights"][name]), name


def test_training_is_the_same_as_without_it(place: Path) -> None:
    plain = train(config(place, "plain", [], ann="labelled.txt"))
    watched = train(config(place, "watched", [HOOK], ann="labelled.txt"))
    assert plain["losses"]
    assert not plain["watched"]
    assert_same(plain, watched)
    assert [line["epoch"] for line in watched["watched"]] == [0, 1, 2, 3]
    assert {line["mode"] for line in watched["watched"]} == {"val"}
    for line in watched["watched"]:
        assert 0.3 < line["knn_balanced_accuracy"] <= 1
        assert 0.3 < line["probe_balanced_accuracy"] <= 1
        assert 0 < line["feature_spread"] <= 1
        assert line["effective_rank"] >= 1
        assert line["uniformity"] < 0 < line["alignment"]


def test_without_labels_collapse_metrics_alone(place: Path) -> None:
    (line, *_) = train(config(place, "bare", [HOOK], ann="bare.txt"))["watched"]
    assert "knn_balanced_accuracy" not in line
    assert line["feature_std"] > 0


def test_few_images_of_each_class_leave_none_to_test_on(place: Path) -> None:
    lines = (place / "labelled.txt").read_text().splitlines()[:24]
    (place / "few.txt").write_text("\n".join(lines))
    (line, *_) = train(config(place, "few", [HOOK], ann="few.txt"))["watched"]
    assert "knn_balanced_accuracy" not in line
    assert line["feature_std"] > 0


def test_own_data_sets_and_few_images(place: Path) -> None:
    part = dict(
        type="SingleViewDataset",
        data_source=dict(
            type="ImageList", data_prefix=str(place), ann_file=str(place / "labelled.txt")
        ),
        pipeline=[dict(type="Resize", size=(32, 32)), *VIEW[1:]],
    )
    hook = dict(HOOK, interval=3, data=dict(train=part, val=part), num_train=12, num_test=48)
    found = train(config(place, "own", [hook], ann="bare.txt"))["watched"]
    assert [line["epoch"] for line in found] == [0, 1, 3]
    assert found[0]["knn_balanced_accuracy"] > 0.3
    with pytest.raises(UserError, match="data needs train and val"):
        train(config(place, "half", [dict(HOOK, data=dict(train=part))], ann="bare.txt"))


def test_a_collapse_is_reported(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    def flatten(model: Any) -> None:
        """Nothing of the image reaches the last stage."""
        torch.nn.init.zeros_(model.backbone.layer4[1].bn2.weight)
        torch.nn.init.zeros_(model.backbone.layer4[0].bn2.weight)
        torch.nn.init.zeros_(model.backbone.layer4[0].downsample[1].weight)
        torch.nn.init.constant_(model.backbone.layer4[0].bn2.bias, 1.0)
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        model.neck.fc1.weight.requires_grad_(True)

    # A network this small and young hardly distinguishes images, but it does.
    hook = dict(HOOK, min_spread=1e-5, min_rank=1.0)
    logger = logging.getLogger("mmselfsup")
    logger.addHandler(caplog.handler)
    try:
        train(config(place, "healthy", [hook], ann="bare.txt"))
        assert "COLLAPSE" not in caplog.text
        train(config(place, "flat", [hook], ann="bare.txt"), spoil=flatten)
    finally:
        logger.removeHandler(caplog.handler)
    assert "COLLAPSE in epoch 1: the features hardly differ between images" in caplog.text
    assert caplog.text.count("COLLAPSE") == 3


def test_runner_without_epochs(place: Path) -> None:
    cfg = config(place, "iters", [HOOK], ann="labelled.txt")
    cfg.runner = dict(type="IterBasedRunner", max_iters=4)
    with pytest.raises(UserError, match="set by_epoch=False"):
        train(cfg)
    cfg.custom_hooks = [dict(HOOK, by_epoch=False)]
    found = train(cfg)
    assert [line["iter"] for line in found["watched"]]
    assert len(found["watched"]) == 3


def test_isolated_eval_restores_modes_and_statistics() -> None:
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.Dropout())
    model[1].eval()
    with isolated_eval(model) as inside:
        assert not inside.training
        inside.train()
        inside(torch.rand(4, 3))
        torch.rand(1)
    assert [m.training for m in model.modules()] == [True, True, False]
    assert int(model[0].num_batches_tracked) == 0


def test_classes_are_picked_in_turn() -> None:
    labels = np.repeat([0, 1, 2, -1], [50, 20, 3, 40])
    assert np.bincount(labels[pick_evenly(labels, 15)]).tolist() == [6, 6, 3]
    assert len(set(pick_evenly(labels, 100).tolist())) == 73
    assert len(pick_evenly(np.full(9, -1), 4)) == 4


class Images(list[int]):
    """A data set of numbers in place of images."""

    data_source: Any
    gt_labels: Any


def test_images_of_a_lesion_or_patient_are_in_one_part() -> None:
    """Else the neighbours of an image are others of its lesion."""
    number = np.arange(160)
    source = SimpleNamespace(
        lesions=[f"lesion {i // 4}" if i < 120 else "" for i in number],
        data_infos=[{"group": f"patient {i // 8}"} if i < 40 else {} for i in number],
    )
    dataset = Images(number)
    dataset.data_source, dataset.gt_labels = source, number // 4 % 2
    train, test = (np.array(part.indices) for part in split_picked(dataset, 20, 20))
    assert len(train) + len(test) == 40
    assert min(len(train), len(test)) > 8
    for first, last, size in ((0, 40, 8), (40, 120, 4)):
        groups = [set(n[(n >= first) & (n < last)] // size) for n in (train, test)]
        assert not groups[0] & groups[1]


@pytest.mark.parametrize("wrong", [dict(interval=0), dict(num_train=0), dict(num_test=-1)])
def test_bad_arguments(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        FrozenFeaturesHook(**wrong)


def test_start_weights_are_epoch_0_in_every_log(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    cfg = config(place, "start", [HOOK], ann="labelled.txt")
    torch.manual_seed(0)  # as ``train`` does, but without a step
    model = build_algorithm(copy.deepcopy(cfg.model))
    model.init_weights()
    logger = logging.getLogger("mmselfsup")
    logger.addHandler(caplog.handler)
    try:
        first, *_, last = train(cfg)["watched"]
    finally:
        logger.removeHandler(caplog.handler)
    data = build_dataset(cfg.data.train)
    monitor = FrozenFeaturesHook(**{k: v for k, v in HOOK.items() if k != "type"}).monitor
    monitor.prepare(data, [data[0]["img"][0][None]])
    with isolated_eval(model) as inside:
        wanted, _ = monitor.measure(inside, None)
    key = "probe_balanced_accuracy"
    assert first["epoch"] == 0
    assert first[key] == pytest.approx(wanted[key], abs=1e-5)
    assert "Epoch(val) [0]" in caplog.text
    assert (
        f"{key}: {first[key]:.4f} of the start weights, {last[key]:.4f} at the end" in caplog.text
    )
    events = EventAccumulator(str(place / "start" / "tf_logs")).Reload()
    assert next(event.step for event in events.Scalars(f"val/{key}")) == 0
    lines, values = curve(read_json_log(str(place / "start" / "run0.log.json")), key)
    assert (lines[0], values[0]) == (0, first[key])


def test_best_checkpoint_by_probe(place: Path) -> None:
    hook = dict(HOOK, interval=1, save_best="probe_balanced_accuracy")
    cfg = config(place, "best", [hook], ann="labelled.txt")
    found = train(cfg)["watched"]
    key = "probe_balanced_accuracy"
    scores = [line[key] for line in found]
    best = found[int(np.argmax(scores))]["epoch"]
    files = [path.name for path in (place / "best").glob("best_*.pth")]
    assert files == [f"best_{key}_epoch_{best}.pth"]
    meta = torch.load(place / "best" / files[0], weights_only=True)["meta"]
    assert meta["epoch"] == best
    assert meta["hook_msgs"]["monitor_start"][key] == pytest.approx(scores[0], abs=1e-5)


def test_a_loss_since_the_start_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("tests.gain")
    logger.setLevel("INFO")
    with caplog.at_level("INFO", "tests.gain"):
        tell_gain(logger, "probe", 0.5, 0.625)
        tell_gain(logger, "probe", 0.5, 0.25)
    first, second = caplog.records
    assert (first.levelname, second.levelname) == ("INFO", "WARNING")
    assert "(+0.1250)" in first.getMessage()
    assert "(-0.2500): the start weights were better" in second.getMessage()


def test_best_needs_labels_and_one_keeper(place: Path) -> None:
    hook = dict(HOOK, save_best="probe_balanced_accuracy")
    with pytest.raises(UserError, match="needs labels of several classes"):
        train(config(place, "nolabels", [hook], ann="bare.txt"))
    with pytest.raises(UserError, match="no other hook"):
        train(config(place, "two", [hook, dict(hook)], ann="labelled.txt"))
    with pytest.raises(ValueError, match="save_best must be one of"):
        FrozenFeaturesHook(save_best="accuracy")


def on_a_rank(rank: int, place: str) -> list[dict[str, Any]]:
    """Train with and without the hook."""
    results = []
    for name, hooks in (("plain2", []), ("watched2", [HOOK])):
        results.append(train(config(Path(place), name, hooks, ann="labelled.txt")))
    return results


@pytest.mark.filterwarnings("ignore")
def test_two_ranks(place: Path) -> None:
    ranks = run_ranks(on_a_rank, place, str(place))
    for plain, watched in ranks:
        assert_same(plain, watched)
    first, second = (watched["weights"]["backbone.bn1.running_mean"] for _, watched in ranks)
    assert not torch.equal(first, second)  # each rank has kept its own
    lines = ranks[0][1]["watched"]
    assert [line["epoch"] for line in lines] == [0, 1, 2, 3]
    assert lines[-1]["knn_balanced_accuracy"] > 0.3
