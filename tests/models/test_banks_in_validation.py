"""Validation numbers other images: it leaves the memories of the training images alone."""

import pytest
import torch

from mmselfsup.models import build_algorithm
from tests.contract.tiny_models import TINY


@pytest.mark.parametrize("name", ["NPID", "ODC", "InterCLRMoCo"])
def test_a_validation_step_changes_no_buffer_of_the_bank(name):
    torch.manual_seed(0)
    model = build_algorithm(TINY[name].cfg)
    batch = TINY[name].batch(4, torch.Generator().manual_seed(1))
    TINY[name].prepare(model)
    before = {k: v.clone() for k, v in model.memory_bank.state_dict().items()}
    model.eval()
    model.val_step(batch)
    assert all(torch.equal(v, model.memory_bank.state_dict()[k]) for k, v in before.items())
    model.train()
    model.train_step(batch)
    assert any(not torch.equal(v, model.memory_bank.state_dict()[k]) for k, v in before.items())
