"""SwAV's codes, loss, queue and multi-crop against loops over single numbers."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mmselfsup.models.heads import SwAVHead
from mmselfsup.models.losses import swapped_prediction
from mmselfsup.models.utils import MultiPrototypes, forward_by_size, push_newest
from mmselfsup.utils.distributed_sinkhorn import distributed_sinkhorn


def rows(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return x / x.norm(dim=-1, keepdim=True)


def slow_sinkhorn(scores, iterations, epsilon):
    """Algorithm 1 of the paper's appendix, number by number; [N, K] -> [N, K]."""
    n, k = scores.shape
    q = [[math.exp(scores[i, j] / epsilon) for j in range(k)] for i in range(n)]
    for _ in range(iterations):
        columns = [sum(q[i][j] for i in range(n)) for j in range(k)]
        q = [[q[i][j] / columns[j] / k for j in range(k)] for i in range(n)]
        q = [[value / sum(row) / n for value in row] for row in q]
    return torch.tensor([[value * n for value in row] for row in q], dtype=torch.float64)


def slow_loss(scores, codes, crops, temperature):
    """Equation 2 for every pair of a view with a code and another view."""
    total, num_views, n = 0.0, len(scores), scores.shape[1]
    for a, crop in enumerate(crops):
        for v in range(num_views):
            if v == crop:
                continue
            for i in range(n):
                logits = [float(s) / temperature for s in scores[v, i]]
                log_sum = math.log(sum(math.exp(x) for x in logits))
                log_p = [x - log_sum for x in logits]
                total -= sum(float(q) * lp for q, lp in zip(codes[a, i], log_p, strict=True))
    return total / (n * (num_views - 1) * len(crops))


@given(n=st.integers(1, 7), k=st.integers(2, 6), iterations=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_sinkhorn_equals_the_loop(n, k, iterations):
    scores = rows(n, 4, seed=n) @ rows(k, 4, seed=k + 10).T
    got = distributed_sinkhorn(scores, iterations, 1, 0.05)
    assert_close(got, slow_sinkhorn(scores, iterations, 0.05), rtol=1e-9, atol=1e-12)


def test_without_an_iteration_nothing_is_balanced():
    scores = rows(3, 4) @ rows(5, 4, seed=1).T
    exponentials = (scores / 0.5).exp()
    assert_close(distributed_sinkhorn(scores, 0, 1, 0.5), exponentials / exponentials.sum() * 3)


def test_many_iterations_use_all_prototypes_alike():
    q = distributed_sinkhorn(rows(40, 8) @ rows(5, 8, seed=1).T, 200, 1, 0.05)
    assert_close(q.sum(dim=1), torch.ones(40, dtype=torch.float64))
    assert_close(q.sum(dim=0), torch.full((5,), 8.0, dtype=torch.float64), rtol=1e-3, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_sharp_codes_stay_finite_in_float32(dtype):
    scores = (rows(16, 8) @ rows(6, 8, seed=1).T).to(dtype).requires_grad_()
    q = distributed_sinkhorn(scores, 3, 1, 0.003)  # e^(1/0.003) is beyond float64
    assert q.dtype == torch.float32
    assert not q.requires_grad
    assert_close(q.sum(dim=1), torch.ones(16))


@pytest.mark.parametrize("crops", [[0, 1], [1], [2, 0, 3]])
def test_loss_equals_the_loop(crops):
    scores = rows(4, 5, 6)
    codes = torch.softmax(rows(len(crops), 5, 6, seed=1) * 3, dim=2)
    got = swapped_prediction(scores, codes, crops, 0.1)
    assert got.item() == pytest.approx(slow_loss(scores, codes, crops, 0.1), rel=1e-9)


def test_gradient_of_the_loss():
    scores = rows(3, 2, 4).requires_grad_()
    codes = torch.softmax(rows(2, 2, 4, seed=1), dim=2)
    assert torch.autograd.gradcheck(lambda s: swapped_prediction(s, codes, [0, 1], 0.3), (scores,))


def test_half_precision_comes_out_as_float32():
    scores, codes = rows(3, 4, 5), torch.softmax(rows(2, 4, 5, seed=1), dim=2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = swapped_prediction(scores.bfloat16(), codes.bfloat16(), [0, 1], 0.1)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(slow_loss(scores, codes, [0, 1], 0.1), rel=0.02)


def make_head(**kwargs):
    torch.manual_seed(3)
    return SwAVHead(4, num_crops=[2, 1], num_prototypes=5, **kwargs).double()


def slow_head(head, x, queues):
    """The loss of a head from unit prototypes, with the queues [A][rows of D] where given."""
    weight = head.prototypes.weight.detach()
    c = weight / weight.norm(dim=1, keepdim=True)
    n = len(x) // 3
    scores = torch.stack([x[v * n : (v + 1) * n] @ c.T for v in range(3)])
    codes = []
    for a in range(2):
        samples = [*scores[a], *(row @ c.T for row in queues[a])]
        codes.append(slow_sinkhorn(torch.stack(samples), 3, 0.05)[:n])
    return slow_loss(scores, torch.stack(codes), [0, 1], 0.1)


@pytest.mark.parametrize("length", [2, 5, 8])
def test_head_with_a_queue_of_any_length(length):
    """Batches of 3 images: shorter, not a multiple, longer."""
    head = make_head()
    head.queue = torch.zeros(2, length, 4, dtype=torch.float64)
    kept = [[], []]
    for step in range(5):
        x = rows(9, 4, seed=step)
        full = len(kept[0]) == length
        expected = slow_head(head, x, kept if full else [[], []])
        assert head(x)["loss"].item() == pytest.approx(expected, rel=1e-9)
        assert head.use_queue == full
        for a in range(2):
            kept[a] = [*x[3 * a : 3 * a + 3], *kept[a]][:length]
            assert_close(head.queue[a, : len(kept[a])], torch.stack(kept[a]))
    assert head.use_queue


def test_prototypes_are_put_back_on_the_sphere():
    head = make_head()
    with torch.no_grad():
        head.prototypes.weight.mul_(torch.arange(1.0, 6.0)[:, None])
    head(rows(9, 4))
    assert_close(head.prototypes.weight.norm(dim=1), torch.ones(5, dtype=torch.float64))


def test_the_queue_rests_in_validation():
    head = make_head().eval()
    head.queue = torch.zeros(2, 4, 4, dtype=torch.float64)
    head(rows(9, 4))
    assert not head.queue.any()


def test_several_sets_of_prototypes_are_averaged():
    torch.manual_seed(0)
    both = SwAVHead(4, num_crops=[2, 1], num_prototypes=[5, 7]).double()
    assert isinstance(both.prototypes, MultiPrototypes)
    losses = []
    for layer in both.prototypes.children():
        one = SwAVHead(4, num_crops=[2, 1], num_prototypes=layer.out_features).double()
        one.prototypes.load_state_dict(layer.state_dict())
        losses.append(one(rows(9, 4))["loss"])
    assert_close(both(rows(9, 4))["loss"], sum(losses) / 2)
    assert [s.shape for s in both.prototypes(rows(9, 4))] == [(9, 5), (9, 7)]


def test_push_newest_keeps_the_order():
    queue = torch.arange(8.0).reshape(2, 4, 1)
    new = -torch.arange(1.0, 5.0).reshape(2, 2, 1)
    assert push_newest(queue, new)[..., 0].tolist() == [[-1, -2, 0, 1], [-3, -4, 4, 5]]
    many = torch.arange(12.0).reshape(2, 6, 1)
    assert push_newest(queue, many)[..., 0].tolist() == [[0, 1, 2, 3], [6, 7, 8, 9]]


def test_one_forward_for_each_size_in_the_order_of_the_views():
    calls = []

    def network(x):
        calls.append(tuple(x.shape))
        return [x.mean(dim=(1, 2, 3))]

    views = [torch.full((2, 3, side, side), float(i)) for i, side in enumerate((8, 8, 4, 4, 4))]
    outputs = forward_by_size(network, views)
    assert calls == [(4, 3, 8, 8), (6, 3, 4, 4)]
    joined = torch.cat([out[0] for out in outputs])
    assert joined.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
