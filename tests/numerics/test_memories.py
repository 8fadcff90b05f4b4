"""Memory banks, ODC's steps and class weights against loops over single images."""

import copy
import math
import pickle

import pytest
import torch
from torch.testing import assert_close

from mmselfsup.models.losses import sampled_similarities
from mmselfsup.models.losses.classification import balancing_weights
from mmselfsup.models.memories import ODCMemory, SimpleMemory
from mmselfsup.models.memories.base import last_of_each
from mmselfsup.models.memories.odc_memory import nearest, split_in_two
from mmselfsup.utils.errors import UserError

LENGTH, WIDTH, CLUSTERS = 12, 5, 3


def unit(row):
    return row / math.sqrt(sum(x * x for x in row.tolist()))


def slow_rows(bank, ind, features, momentum):
    """One image after the other, each from the bank as it was before the batch."""
    bank = bank.clone()
    rows = [
        unit((1 - momentum) * bank[i] + momentum * unit(f))
        for i, f in zip(ind.tolist(), features, strict=True)
    ]
    for i, row in zip(ind.tolist(), rows, strict=True):
        bank[i] = row
    return bank


def filled_odc(seed=0, momentum=0.4, labels=None, min_cluster=1):
    generator = torch.Generator().manual_seed(seed)
    memory = ODCMemory(LENGTH, WIDTH, momentum, CLUSTERS, min_cluster).double()
    features = torch.randn(LENGTH, WIDTH, generator=generator, dtype=torch.float64)
    labels = torch.arange(LENGTH) % CLUSTERS if labels is None else torch.tensor(labels)
    memory.init_memory(features, labels)
    return memory


@pytest.mark.parametrize("momentum", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("ind", [[4, 0, 11], [2, 7, 2, 2, 7]])  # the second draws images twice
def test_update_equals_the_loop(ind, momentum):
    memory = SimpleMemory(LENGTH, WIDTH, momentum).double()
    ind = torch.tensor(ind)
    features = torch.randn(len(ind), WIDTH, dtype=torch.float64) * 3
    expected = slow_rows(memory.feature_bank, ind, features, momentum)
    memory.update(ind, features)
    assert_close(memory.feature_bank, expected)
    assert_close(memory.feature_bank.norm(dim=1), torch.ones(LENGTH, dtype=torch.float64))


def test_the_last_of_equal_indices_counts():
    assert last_of_each(torch.tensor([3, 1, 3, 2, 1])).tolist() == [2, 4, 2, 3, 4]


def test_centroids_are_the_means_of_unit_features():
    memory = filled_odc()
    for cluster in range(CLUSTERS):
        members = [memory.feature_bank[i] for i in range(LENGTH) if i % CLUSTERS == cluster]
        assert_close(memory.centroids[cluster], sum(members) / len(members))


def test_an_empty_cluster_keeps_its_centroid():
    memory = filled_odc()
    old = memory.centroids[1].clone()
    memory.label_bank[memory.label_bank == 1] = 0
    memory.update_centroids_memory()
    assert torch.equal(memory.centroids[1], old)


def test_samples_get_the_label_of_the_nearest_centroid():
    memory = filled_odc()
    ind, before = torch.tensor([5, 1, 9, 8]), memory.label_bank.clone()
    features = torch.randn(4, WIDTH, dtype=torch.float64)
    expected = slow_rows(memory.feature_bank, ind, features, 0.4)
    change_ratio = memory.update_samples_memory(ind, features)
    assert_close(memory.feature_bank, expected)
    changed = 0
    for i in range(LENGTH):
        label = before[i]
        if i in ind.tolist():
            label = max(range(CLUSTERS), key=lambda c: float(memory.centroids[c] @ expected[i]))
            changed += int(label != before[i])
        assert memory.label_bank[i] == label
    assert change_ratio.item() == pytest.approx(changed / 4)


def test_labels_that_go_up_and_down_count_alike():
    memory = filled_odc()
    before = memory.label_bank.clone()
    features = torch.randn(LENGTH, WIDTH, dtype=torch.float64)
    change_ratio = memory.update_samples_memory(torch.arange(LENGTH), features)
    up, down = (memory.label_bank > before).sum().item(), (memory.label_bank < before).sum().item()
    assert up > 0
    assert down > 0
    assert change_ratio.item() == pytest.approx((up + down) / LENGTH)


def test_small_clusters_are_dissolved_and_refilled_from_the_largest():
    memory = filled_odc(labels=[0] * 7 + [1] * 4 + [2], min_cluster=2)
    rows, centroids = memory.feature_bank.clone(), memory.centroids.clone()
    memory.deal_with_small_clusters()
    # The lonely sample went to the nearer of the two large clusters, 0 was split for cluster 2.
    home = max((0, 1), key=lambda c: float(centroids[c] @ rows[11]))
    assert (memory.label_bank[7:11] == 1).all()
    largest = torch.tensor([*range(7), *([11] if home == 0 else [])])
    assert set(memory.label_bank[largest].tolist()) == {0, 2}
    assert memory.label_bank[11] in ((0, 2) if home == 0 else (1,))
    for cluster in (0, 2):
        assert_close(memory.centroids[cluster], rows[memory.label_bank == cluster].mean(0))
    assert torch.equal(memory.centroids[1], centroids[1])


def test_nothing_happens_where_no_cluster_is_small():
    memory = filled_odc(min_cluster=4)
    before = {name: buffer.clone() for name, buffer in memory.named_buffers()}
    memory.deal_with_small_clusters()
    assert all(torch.equal(buffer, before[name]) for name, buffer in memory.named_buffers())


def test_no_cluster_is_empty_after_the_first_clustering():
    memory = filled_odc(labels=[2] * LENGTH)
    assert torch.bincount(memory.label_bank, minlength=CLUSTERS).min() > 0


def test_two_groups_are_found():
    groups = torch.tensor([0, 1, 1, 0, 1])
    features = torch.randn(5, 3) * 0.01 + groups[:, None] * 4.0
    second = split_in_two(features)
    assert second.tolist() in ((groups == 1).tolist(), (groups == 0).tolist())


def test_equal_features_are_split_all_the_same():
    assert split_in_two(torch.ones(5, 3)).tolist() == [False, True, False, True, False]


def test_nearest_in_half_precision_region():
    features, centroids = torch.randn(6, 4), torch.randn(3, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = nearest(features, centroids)
    assert torch.equal(got, (features @ centroids.T).argmax(dim=1))


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_class_weights(power):
    labels = torch.tensor([0, 0, 0, 0, 1, 3])
    sizes = [4, 1, 1, 1]  # the empty class counts as one sample
    raw = [size**-power for size in sizes]
    expected = torch.tensor([w / sum(raw) for w in raw])
    assert_close(balancing_weights(labels, 4, power), expected)


def test_similarities_equal_the_loop():
    generator = torch.Generator().manual_seed(0)
    feature = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    bank = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    pos_idx, neg_idx = torch.tensor([6, 0, 3]), torch.tensor([[1, 1], [2, 5], [3, 0]])
    pos, neg = sampled_similarities(feature, bank, pos_idx, neg_idx)
    for i in range(3):
        assert pos[i, 0].item() == pytest.approx(float(feature[i] @ bank[pos_idx[i]]))
        for k in range(2):
            assert neg[i, k].item() == pytest.approx(float(feature[i] @ bank[neg_idx[i, k]]))
    feature.requires_grad_()

    def both(f):
        return sampled_similarities(f, bank, pos_idx, neg_idx)

    assert torch.autograd.gradcheck(both, (feature,))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_products_keep_the_gradient_of_the_rows_that_they_saw(order):
    torch.manual_seed(0)
    memory = SimpleMemory(LENGTH, WIDTH, 0.4).double()
    features, losses, expected = [], [], []
    for step in range(2):  # two forward passes before the first backward pass, as of two batches
        feature = torch.randn(3, WIDTH, dtype=torch.float64, requires_grad=True)
        weights = torch.randn(3, LENGTH, dtype=torch.float64)
        products = memory.products(feature)
        assert_close(products, feature @ memory.feature_bank.T)
        losses.append((products * weights).sum())
        expected.append(weights @ memory.feature_bank.clone())
        features.append(feature)
        memory.update(torch.tensor([4, step, 4]), torch.randn(3, WIDTH, dtype=torch.float64))
    memory.update(torch.tensor([4, 5]), torch.randn(2, WIDTH, dtype=torch.float64))
    after = memory.feature_bank.clone()
    for step in order:
        losses[step].backward(retain_graph=True)
        assert torch.equal(features[step].grad, expected[step])  # not a bit of difference
        assert torch.equal(memory.feature_bank, after)
    losses[0].backward()
    assert torch.equal(features[0].grad, 2 * expected[0])


class OldMemory(SimpleMemory):
    """A memory that writes into its bank itself, as in 0.x."""

    def update(self, ind, feature):
        rows = (1 - self.momentum) * self.feature_bank[ind] + self.momentum * feature
        self.feature_bank[ind] = rows / rows.norm(dim=1, keepdim=True)


class BlendingMemory(SimpleMemory):
    def blend(self, ind, feature):
        self.feature_bank.data[ind] = feature
        return ind, feature


@pytest.mark.parametrize("cls", [OldMemory, BlendingMemory])
def test_a_memory_that_writes_itself_gives_the_right_gradient(cls):
    memory = cls(LENGTH, WIDTH, 0.4).double()
    feature = torch.randn(3, WIDTH, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(3, LENGTH, dtype=torch.float64)
    products, expected = memory.products(feature), weights @ memory.feature_bank.clone()
    assert_close(products, feature @ memory.feature_bank.T)
    memory.update(torch.tensor([0, 7, 4]), torch.randn(3, WIDTH, dtype=torch.float64))
    (products * weights).sum().backward()
    assert_close(feature.grad, expected)


def test_a_write_that_the_bank_does_not_know_of_is_an_error():
    memory = SimpleMemory(LENGTH, WIDTH, 0.4)
    feature = torch.randn(3, WIDTH, requires_grad=True)
    products = memory.products(feature)
    memory.update(torch.tensor([1]), torch.randn(1, WIDTH))  # does not hide the next one
    memory.feature_bank[2] = 0
    memory.update(torch.tensor([1]), torch.randn(1, WIDTH))
    with pytest.raises(UserError, match=r"feature_bank .* written into between"):
        products.sum().backward()


def test_a_step_does_not_copy_the_bank():
    memory = SimpleMemory(LENGTH, WIDTH)
    kept = []
    feature = torch.randn(3, WIDTH, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        products = memory.products(feature)
    assert not kept
    assert len(memory._readers) == 1
    for other in (copy.deepcopy(memory), pickle.loads(pickle.dumps(memory))):
        assert torch.equal(other.feature_bank, memory.feature_bank)
        assert not other._readers
    del products
    with torch.no_grad():
        memory.products(feature)
    memory.products(feature)
    assert [reader() for reader in memory._readers] == [None]
