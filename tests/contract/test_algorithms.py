"""Every registered algorithm trains on a CPU, alone and on two ranks, with the same result."""

import pytest
import torch
from tiny_models import TINY
from torch.testing import assert_close
from two_ranks import make, two_steps

from mmselfsup.models import ALGORITHMS, build_algorithm

NAMES = sorted(
    name
    for name, cls in ALGORITHMS.module_dict.items()
    if cls.__module__.startswith("mmselfsup.models.algorithms.")
)


def test_every_algorithm_is_in_the_table():
    missing = set(NAMES) - set(TINY)
    assert not missing, f"add {sorted(missing)} to tests/contract/tiny_models.py"
    assert set(TINY) <= set(NAMES)


@pytest.fixture(scope="module")
def alone():
    """Two steps of one process on the joined batch, for each algorithm asked for."""
    done = {}

    def run(name):
        if name not in done:
            model, batch = make(name)
            done[name] = two_steps(model, model, batch)
        return done[name]

    return run


@pytest.mark.parametrize("name", NAMES)
def test_trains_alone(name, alone):
    model, _ = make(name)
    result = alone(name)
    assert torch.isfinite(torch.tensor(result["losses"])).all()
    after = result["state"]
    # The weights of a frozen teacher are not in the state.
    kept = {k: v for k, v in model.named_parameters() if k in after}
    changed = {k for k, v in kept.items() if not torch.equal(v, after[k])}
    assert changed, "no weight has changed"


@pytest.mark.parametrize("name", NAMES)
def test_train_step_keeps_its_numbers_as_tensors(name):
    model = build_algorithm(TINY[name].cfg)
    TINY[name].prepare(model)
    batch = TINY[name].batch(4, torch.Generator().manual_seed(0))
    out = model.train_step(batch, None)
    assert out["num_samples"] == 4
    assert out["loss"].requires_grad
    assert all(isinstance(v, torch.Tensor) and v.ndim == 0 for v in out["log_vars"].values())


@pytest.mark.parametrize("name", NAMES)
def test_targets_start_equal_and_frozen(name):
    for initialise in (False, True):
        model = build_algorithm(TINY[name].cfg)
        if initialise:
            model.init_weights()
        for online, target in getattr(model, "momentum_pairs", list)():
            followed = online.state_dict()
            assert list(target.state_dict()) == list(followed)
            for key, value in target.state_dict().items():
                assert torch.equal(value, followed[key]), key
                assert value.data_ptr() != followed[key].data_ptr(), key
            assert not any(p.requires_grad for p in target.parameters())
            assert any(p.requires_grad for p in online.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_two_ranks_stay_together(name, ranks):
    first, second = (rank[name] for rank in ranks)
    assert first["losses"] == pytest.approx(second["losses"])
    assert torch.isfinite(torch.tensor(first["losses"])).all()
    for key, value in first["state"].items():
        assert_close(value, second["state"][key], msg=f"{key} differs between the ranks")


@pytest.mark.parametrize("name", [n for n in NAMES if n not in TINY or TINY[n].joined])
def test_two_ranks_do_what_one_does_on_the_joined_batch(name, ranks, alone):
    expected, got = alone(name), ranks[0][name]
    assert got["losses"] == pytest.approx(expected["losses"], rel=1e-9)
    assert set(got["grads"]) == set(expected["grads"])
    for key, grad in expected["grads"].items():
        # Positions are resized in float32, so small entries of their gradient differ by more.
        atol = max(1e-9, 1e-6 * grad.abs().max().item())
        assert_close(got["grads"][key], grad, rtol=1e-6, atol=atol, msg=f"gradient of {key}")
    for key, value in expected["state"].items():
        assert_close(got["state"][key], value, rtol=1e-6, atol=1e-9, msg=key)
