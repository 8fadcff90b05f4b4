"""Similarities to keys and queues, and matches between places, against loops."""

import pytest
import torch
import torch.nn.functional as F

from mmselfsup.models.losses import dense_matches, info_nce, queue_similarities, take_places


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("n", "d", "k"), [(1, 2, 1), (3, 4, 7)])
def test_similarities_equal_the_loop(n, d, k):
    q, key, queue = draw(n, d), draw(n, d, seed=1), draw(d, k, seed=2)
    pos, neg = queue_similarities(q, key, queue)
    for i in range(n):
        assert pos[i].tolist() == pytest.approx([float(q[i] @ key[i])])
        assert neg[i].tolist() == pytest.approx([float(q[i] @ queue[:, j]) for j in range(k)])


def test_gradients():
    def loss(q, key, queue):
        return info_nce(*queue_similarities(F.normalize(q, dim=1), key, queue), 0.2)

    inputs = draw(3, 4), draw(3, 4, seed=1), draw(4, 5, seed=2)
    assert torch.autograd.gradcheck(loss, tuple(x.requires_grad_() for x in inputs))


def test_half_precision_comes_out_as_float32():
    q = draw(3, 8).half()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pos, neg = queue_similarities(q, q, draw(8, 5, seed=2).float())
    assert pos.dtype == neg.dtype == torch.float32
    assert torch.allclose(pos[:, 0], q.float().square().sum(dim=1))


def slow_matches(first, second):
    """For each place the index of the most similar one, by comparing one pair after another."""
    found = []
    for a, b in zip(first, second, strict=True):  # [C, L]
        of_image = []
        for i in range(a.shape[1]):
            cosines = [
                float(F.cosine_similarity(a[:, i], b[:, j], dim=0)) for j in range(b.shape[1])
            ]
            of_image.append(cosines.index(max(cosines)))
        found.append(of_image)
    return found


@pytest.mark.parametrize(("n", "c", "places"), [(1, 3, 1), (2, 5, 4), (3, 2, 9)])
def test_matches_equal_the_loop(n, c, places):
    first, second = draw(n, c, places), draw(n, c, places, seed=1)
    found = dense_matches(first, second)
    assert found.tolist() == slow_matches(first, second)
    assert not found.requires_grad
    grid = draw(n, 4, places, seed=2)
    taken = take_places(grid, found)
    for image in range(n):
        for i, place in enumerate(found[image].tolist()):
            assert torch.equal(taken[image, :, i], grid[image, :, place])


def test_a_shuffled_map_is_found_again():
    first = draw(2, 6, 5)
    order = torch.tensor([3, 0, 4, 1, 2])
    assert dense_matches(first, first[:, :, order] * 3).tolist() == [order.argsort().tolist()] * 2
