"""``sharding=dict(type='fsdp2')`` on two ranks: as ``DistributedDataParallel``, in parts."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmselfsup.apis.train import train_model, wrap_model
from mmselfsup.apis.training.sharding import check_sharding
from mmselfsup.core.checkpoint import load_state
from mmselfsup.core.hooks.frozen_features_hook import isolated_eval
from mmselfsup.core.hooks.optimizer_hook import clip_all, clip_each, gradient_norm
from mmselfsup.core.optimizer.optimizers import LARS
from mmselfsup.models import build_algorithm
from mmselfsup.models.utils import ExtractProcess
from mmselfsup.utils import dist
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.logger import get_root_logger
from mmselfsup.utils.sharding import assign, is_sharded, local, norms, own_part, whole
from tests.contract.tiny_models import TINY
from tests.distributed.ranks import run_ranks
from tests.resume.test_methods import Samples

FSDP = dict(type="fsdp2")
#: A contrastive method with a queue and a target that moves in the forward pass, a teacher with
#: clipping of each gradient, a decoder with steps of two batches.
METHODS: dict[str, dict[str, Any]] = {
    "MoCo": dict(optimizer_config=dict(grad_clip=dict(max_norm=0.05))),
    "MoCoV3": dict(
        custom_hooks=[dict(type="MomentumUpdateHook")],
        optimizer_config=dict(grad_clip=dict(per_parameter=True, max_norm=0.01)),
    ),
    "MAE": dict(optimizer=dict(type="AdamW", lr=1e-3), optimizer_config=dict(update_interval=2)),
}


def config_of(name: str) -> dict[str, Any]:
    """A tiny vision transformer, whose two blocks need few messages between the ranks."""
    cfg = copy.deepcopy(TINY[name].cfg)
    if name == "MoCo":
        like = TINY["MoCoV3"].cfg
        cfg.update(backbone=like["backbone"], neck=like["neck"])
    return cfg


def train(name: str, folder: Path, **changes: Any) -> Any:
    """Train a tiny model on two ranks for 10 steps (5 of two batches) of two images a rank."""
    logging.disable(logging.INFO)
    cfg = Config(
        dict(
            dict(optimizer=dict(type="SGD", lr=0.05, momentum=0.9)) | METHODS[name] | changes,
            log_level="ERROR",
            data=dict(samples_per_gpu=2, workers_per_gpu=0),
            lr_config=dict(policy="CosineAnnealing", min_lr=0.0, by_epoch=False),
            runner=dict(type="IterBasedRunner", max_iters=10),
            log_config=dict(interval=1, hooks=[]),
            checkpoint_config=dict(interval=6, by_epoch=False),
            work_dir=str(folder),
            seed=0,
        )
    )
    torch.manual_seed(0)
    model = build_algorithm(config_of(name))
    model.init_weights()
    return train_model(model, Samples(name), cfg, distributed=True)


def _training(rank: int, name: str, folder: Path, changes: dict[str, Any]) -> Any:
    """Return the parameters of this rank and of the model, and the losses of this rank."""
    runner = train(name, folder, **changes)
    params = list(runner.model.parameters())
    losses = [float(loss) for loss in runner.log_buffer.val_history["loss"]]
    return sum(p.numel() for p in local(params)), sum(p.numel() for p in params), losses


@pytest.mark.parametrize("name", METHODS)
def test_weights_and_state_are_those_of_ddp(name: str, tmp_path: Path) -> None:
    plain = run_ranks(_training, tmp_path, name, tmp_path / "ddp", {}, seconds=240)
    sharded = run_ranks(
        _training, tmp_path, name, tmp_path / "fsdp", dict(sharding=FSDP), seconds=240
    )
    total = sharded[0][1]
    assert sum(own for own, *_ in sharded) == total, "each weight is on one rank only"
    assert max(own for own, *_ in sharded) < 0.7 * total
    ddp, fsdp = (load_state(str(tmp_path / run / "iter_10.pth")) for run in ("ddp", "fsdp"))
    assert list(ddp["state_dict"]) == list(fsdp["state_dict"])
    for key, value in ddp["state_dict"].items():
        torch.testing.assert_close(fsdp["state_dict"][key], value, msg=key, rtol=1e-4, atol=1e-6)
    old, new = (state["optimizer"]["state"] for state in (ddp, fsdp))
    assert list(old) == list(new)
    for number, values in old.items():
        for key, value in values.items():
            torch.testing.assert_close(new[number][key], value, rtol=1e-3, atol=1e-5)
    build_algorithm(config_of(name)).load_state_dict(fsdp["state_dict"])
    backbones = [load_state(str(tmp_path / run / "backbone.pth")) for run in ("ddp", "fsdp")]
    for key, value in backbones[0].items():
        torch.testing.assert_close(backbones[1][key], value, msg=key, rtol=1e-4, atol=1e-6)
    for (*_, expected), (*_, losses) in zip(plain, sharded, strict=True):
        assert len(losses) == 10
        np.testing.assert_allclose(losses, expected, rtol=1e-4)


def _resumed(rank: int, folder: Path) -> Any:
    train("MAE", folder / "whole", sharding=FSDP)
    train("MAE", folder / "resumed", sharding=FSDP, resume_from=str(folder / "whole/iter_6.pth"))


def test_resume_is_bit_equal(tmp_path: Path) -> None:
    run_ranks(_resumed, tmp_path, tmp_path, seconds=240)
    whole, resumed = (load_state(str(tmp_path / d / "iter_10.pth")) for d in ("whole", "resumed"))
    for key, value in whole["state_dict"].items():
        assert torch.equal(resumed["state_dict"][key], value), key
    for number, values in whole["optimizer"]["state"].items():
        for key, value in values.items():
            assert torch.equal(resumed["optimizer"]["state"][number][key], value)


def small() -> nn.Module:
    """A model with a parameter of one row, which the second rank has nothing of."""
    torch.manual_seed(0)
    model = build_algorithm(copy.deepcopy(TINY["MAE"].cfg))
    model.init_weights()
    return model


def _gradients(rank: int) -> Any:
    logging.disable(logging.INFO)
    results = []
    for sharding in (None, FSDP):
        model: Any = wrap_model(small(), True, sharding=sharding)
        assert is_sharded(model) is (sharding is not None)
        batch = TINY["MAE"].batch(2, torch.Generator().manual_seed(rank))
        torch.manual_seed(1)
        sum(model(**batch).values()).backward()
        params = [p for p in model.parameters() if p.grad is not None]
        plain: Any = gradient_norm(params)
        found = [plain, norms(params), norms(params, float("inf")), norms(params, 1.0)]
        clip_each(params, 0.1)
        found.append(norms([p.grad for p in params]))
        found.append(clip_all(params, 0.05, float("inf")))
        found.append(norms([p.grad for p in params], float("inf")))
        LARS(params, lr=0.1, momentum=0.9, weight_decay=0.1).step()
        found.append(norms(params))
        results.append(found)
    return results


def test_norms_clipping_and_lars_see_whole_tensors(tmp_path: Path) -> None:
    for plain, sharded in run_ranks(_gradients, tmp_path, seconds=240):
        for a, b in zip(plain, sharded, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-7)


class Images(torch.utils.data.Dataset[dict[str, Tensor]]):
    """Three images: the first rank has two batches of one, the second rank has one."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        return {"img": torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(i))}


def _features(rank: int) -> Any:
    logging.disable(logging.INFO)
    found = []
    for sharding in (None, FSDP):
        torch.manual_seed(0)
        model = build_algorithm(config_of("MoCoV3"))
        model.init_weights()
        with isolated_eval(wrap_model(model, True, sharding=sharding)) as bare:
            process = ExtractProcess()
            found.append(process.extract(bare, DataLoader(Images(), batch_size=1))["feat"])
    return found


def test_a_monitor_with_more_batches_on_one_rank(tmp_path: Path) -> None:
    for plain, sharded in run_ranks(_features, tmp_path, seconds=240):
        assert plain.shape[0] == 3
        np.testing.assert_allclose(sharded, plain, rtol=1e-5, atol=1e-6)


def _half(rank: int, dtype: str | None) -> Any:
    logging.disable(logging.INFO)
    model: Any = small()
    model.amp_dtype = torch.bfloat16
    model = wrap_model(model, True, sharding={**FSDP, "param_dtype": dtype})
    seen: set[torch.dtype] = set()
    linear = model.backbone.layers[0].attn.qkv
    linear.register_forward_pre_hook(lambda m, _: seen.add(m.weight.dtype))
    torch.manual_seed(1)
    loss = sum(model(**TINY["MAE"].batch(2, torch.Generator().manual_seed(0))).values())
    loss.backward()
    kept = {p.dtype for p in model.parameters()} | {
        p.grad.dtype for p in model.parameters() if p.grad is not None
    }
    dist.barrier()  # a rank that ends while its gradients are on their way takes the other with it
    return float(loss), seen, kept


def test_weights_of_blocks_travel_in_half_precision(tmp_path: Path) -> None:
    full = run_ranks(_half, tmp_path, None, seconds=240)[0]
    half = run_ranks(_half, tmp_path, "bfloat16", seconds=240)[0]
    assert (full[1], half[1]) == ({torch.float32}, {torch.bfloat16})
    assert full[2] == half[2] == {torch.float32}
    assert half[0] == pytest.approx(full[0], rel=0.02)


def _save_alone(rank: int, folder: Path) -> Any:
    logging.disable(logging.INFO)
    model = wrap_model(small(), True, sharding=FSDP)
    own = model.state_dict()
    with whole(model):
        inside = {key: type(value) for key, value in model.state_dict().items()}
    after = model.state_dict()
    assert all(type(own[key]) is type(after[key]) for key in own)
    weight = model.neck.decoder_pred.weight
    wanted = torch.arange(float(weight.numel())).reshape(weight.shape)
    assign(weight, wanted)
    with whole(model):
        assert not dist.is_main() or torch.equal(model.neck.decoder_pred.weight, wanted)
    return {kind.__name__ for kind in inside.values()}


def test_only_the_first_rank_holds_the_whole(tmp_path: Path) -> None:
    first, second = run_ranks(_save_alone, tmp_path, tmp_path)
    assert first == {"Tensor"}
    assert "DTensor" in second


@pytest.mark.parametrize(
    ("ranks", "trains", "why"),
    [
        (1, True, "one process alone has nothing to divide"),
        (1, False, "one process alone has nothing to divide"),
        (2, False, "no weight is trained: nothing to divide"),
    ],
)
def test_the_log_says_why_nothing_is_divided(
    ranks: int, trains: bool, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(get_root_logger(), "info", lambda text, *args: lines.append(text % args))
    monkeypatch.setattr(dist, "get_world_size", lambda: ranks)
    wrap_model(nn.Linear(2, 2).requires_grad_(trains), distributed=True, sharding=FSDP)
    assert lines == [f"sharding: {why}"]


def test_one_process_has_nothing_to_divide() -> None:
    model = wrap_model(small(), False, sharding=FSDP)
    assert not is_sharded(model)
    value, like = torch.ones(2), torch.zeros(2)
    assert own_part(value, like) is value
    with whole(model):
        assert not is_sharded(model)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (dict(sharding=dict(type="fsdp1")), "sharding.type is 'fsdp1': use fsdp2"),
        (dict(compile=True), "sharding excludes compile: compiled networks"),
        (dict(channels_last=True), "sharding excludes channels_last"),
        (dict(fp16=dict()), "sharding excludes fp16"),
        (dict(adapt=dict(type="lora")), "sharding excludes adapt"),
        (dict(sharding=dict(type="fsdp2", param_dtype="int8")), "param_dtype is 'int8'"),
        (dict(sharding=dict(type="fsdp2", param_dtype="bfloat16")), "needs amp=dict"),
    ],
)
def test_what_excludes_it_is_said_in_one_line(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(UserError, match=text.replace("(", r"\(")) as caught:
        check_sharding(small(), {"sharding": FSDP, **changes})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["DeepCluster", "ODC"])
def test_methods_that_write_weights_outside_the_forward_pass(name: str) -> None:
    model = build_algorithm(copy.deepcopy(TINY[name].cfg))
    with pytest.raises(UserError, match=f"sharding: {name} "):
        check_sharding(model, {"sharding": FSDP})


def test_it_is_checked_before_anything_is_divided() -> None:
    assert not dist.is_distributed()
    check_sharding(small(), {"sharding": FSDP})
    check_sharding(small(), {"sharding": None})


def test_an_older_pytorch_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch.distributed.fsdp as fsdp

    monkeypatch.delattr(fsdp, "FSDPModule")
    with pytest.raises(UserError, match="sharding needs PyTorch 2\\.6 or newer"):
        check_sharding(small(), {"sharding": FSDP})
