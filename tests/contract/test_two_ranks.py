"""What gathers over ranks: two gloo processes against one process on the joined batch."""

import pytest
import torch
from torch.testing import assert_close
from two_ranks import SYNC_CASES, sync_bn


def test_gather_layer_sums_the_gradients_of_the_ranks(ranks):
    x = torch.arange(12.0).reshape(6, 2)
    for rank in ranks:
        assert torch.equal(torch.cat(rank["gather"]["parts"]), x)
    grad = torch.cat([rank["gather"]["grad"] for rank in ranks])
    assert torch.equal(grad, torch.arange(6.0)[:, None].expand(6, 2) * (1 + 2))


@pytest.mark.parametrize("case", SYNC_CASES)
def test_sync_bn_is_batch_normalisation_of_the_joined_batch(case, ranks):
    parts, shape, momentum = SYNC_CASES[case]
    got = [rank[f"sync_bn {case}"] for rank in ranks]
    expected = sync_bn(slice(0, shape[0]), shape, momentum)
    assert parts[0].stop == parts[1].start
    for key in ("y", "x"):
        assert_close(torch.cat([g[key] for g in got]), expected[key])
    for rank in got:
        assert_close(rank["weight"], expected["weight"])
        for key, value in expected["state"].items():
            assert_close(rank["state"][key], value, msg=key)
