"""MoCo, DenseCL, BYOL and SimSiam as whole models."""

from pathlib import Path

import pytest
import torch
from mmcv import Config

from mmselfsup.apis.train import load_weights_or_resume
from mmselfsup.core import EpochBasedRunner
from mmselfsup.models import build_algorithm
from mmselfsup.utils.data_info import DataInfo, fit_to_data
from mmselfsup.utils.errors import UserError
from tests.contract.tiny_models import TINY
from tests.runner.fakes import quiet_logger

NAMES = ("MoCo", "DenseCL", "BYOL", "SimSiam")
WITH_TARGET, WITH_QUEUE = NAMES[:3], NAMES[:2]
each = pytest.mark.parametrize("name", NAMES)


def build(name, **changes):
    torch.manual_seed(0)
    model = build_algorithm({**TINY[name].cfg, **changes})
    model.init_weights()
    return model


@pytest.fixture
def views():
    return TINY["MoCo"].batch(4, torch.Generator().manual_seed(1))["img"]


def total(losses):
    return sum(losses.values())


@each
@pytest.mark.parametrize("part", ["neck", "head"])
def test_neck_and_head_are_needed(name, part):
    for error in (ValueError, AssertionError):
        with pytest.raises(error, match=f"{name} needs .*{part}=None"):
            build_algorithm({**TINY[name].cfg, part: None})


@each
def test_two_views_are_needed(name, views):
    model = build(name)
    for error in (ValueError, AssertionError):
        with pytest.raises(error, match=rf"{name} takes 2 views.*tensor \[2, 3, 32, 32\]"):
            model.forward_train(views[0][:2])
    with pytest.raises(ValueError, match="got 3"):
        model.forward_train([*views, views[0]])


def coloured(step):
    """Two noisy views of eight images of one colour each."""
    generator = torch.Generator().manual_seed(step)
    colour = torch.rand(8, 3, 1, 1, generator=generator)
    return [colour + 0.05 * torch.randn(8, 3, 32, 32, generator=generator) for _ in range(2)]


@each
def test_training_lowers_the_loss(name):
    model = build(name)
    model.momentum = 0.9
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.05, momentum=0.9)
    losses = []
    for step in range(25):
        optimizer.zero_grad()
        views = coloured(step if name in WITH_QUEUE else 0)  # the same ones would be negatives
        out = model.train_step({"img": views, "idx": torch.arange(8)}, optimizer)
        out["loss"].backward()
        optimizer.step()
        losses.append(out["loss"].item())
    # From the third step on queues hold real keys.
    assert sum(losses[-5:]) / 5 < sum(losses[2:5]) / 3 - 0.2, losses


@each
def test_names_of_0x(name, views):
    model = build(name)
    encoder = {"BYOL": "online_net", "SimSiam": "encoder"}.get(name, "encoder_q")
    assert getattr(model, encoder)[0] is model.backbone
    assert model.with_neck == (name != "DenseCL")
    if model.with_neck:
        assert getattr(model, encoder)[1] is model.neck
    features = model.extract_feat(views[0])
    assert [tuple(f.shape) for f in features] == [(4, 32, 1, 1)]


@each
def test_half_precision_on_a_cpu(name, views):
    expected = total(build(name).forward_train(views)).item()
    model = build(name)
    model.fp16_enabled = True
    loss = total(model(views))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, abs=0.3)


@each
def test_validation_changes_nothing(name, views):
    model = build(name).eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with torch.no_grad():
        model.val_step({"img": views})
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_densecl_gives_its_places_in_a_test(views):
    model = build("DenseCL").eval()
    nothing, places, _ = model(views[0], mode="test")
    assert nothing is None
    assert places.shape == (4, 32, 1)
    assert torch.allclose(places.norm(dim=1), torch.ones(4, 1))


@pytest.mark.parametrize("name", WITH_QUEUE)
def test_queue_takes_its_length_from_the_data(name):
    model = build(name, queue_len=None)
    queues = ["queue"] + ["queue2"] * (name == "DenseCL")
    assert all(getattr(model, q).shape == (4, 65536) for q in queues)
    before = torch.get_rng_state()
    fit_to_data(model.modules(), DataInfo(num_images=1000, batch_size=16))
    assert torch.equal(torch.get_rng_state(), before)
    for queue in queues:
        assert model.state_dict()[queue].shape == (4, 128)
        assert getattr(model, queue).untyped_storage().nbytes() == 4 * 128 * 4


@pytest.mark.parametrize("name", WITH_QUEUE)
def test_a_given_queue_is_kept_or_refused(name):
    model = build(name, queue_len=32)
    fit_to_data([model], DataInfo(num_images=1000, batch_size=32))
    assert model.queue.shape == (4, 32)
    with pytest.raises(UserError, match=f"{name}: queue_len=32 is shorter than a batch of 64"):
        fit_to_data([model], DataInfo(num_images=1000, batch_size=64))


@pytest.mark.parametrize("name", WITH_TARGET)
@pytest.mark.parametrize("whole", [False, True])
def test_start_from_a_file(name, whole, tmp_path: Path):
    """A backbone alone starts both networks; a whole model brings its own target."""
    source = build(name)
    for p in source.parameters():
        p.data = torch.rand_like(p)
    state = source.state_dict()
    backbone = {k: v for k, v in state.items() if k.startswith("backbone.")}
    torch.save(state if whole else backbone, tmp_path / "start.pth")
    model = build(name)
    runner = EpochBasedRunner(
        model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        logger=quiet_logger(),
        max_epochs=1,
    )
    load_weights_or_resume(runner, Config(dict(load_from=str(tmp_path / "start.pth"))))
    (online, target) = model.momentum_pairs()[0]
    assert torch.equal(online[0].conv1.weight, source.backbone.conv1.weight)
    wanted = source.momentum_pairs()[0][1] if whole else online
    for key, value in wanted.state_dict().items():
        assert torch.equal(target.state_dict()[key], value), key
    assert not any(p.requires_grad for p in target.parameters())
