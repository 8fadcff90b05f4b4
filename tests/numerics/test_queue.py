"""The queue against a list that grows at one end and is cut at the other."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmselfsup.models.utils import MAX_QUEUE_LEN, enqueue, fit_queue_len, new_queue
from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import UserError


@given(length=st.integers(1, 9), batches=st.lists(st.integers(0, 25), max_size=6))
@settings(max_examples=60, deadline=None)
def test_it_holds_the_last_features_at_any_batch_size(length, batches):
    queue, pointer = new_queue(2, length)
    slots, oldest, counter = queue.T.tolist(), 0, 0
    for batch in batches:
        features = torch.arange(counter, counter + batch)[:, None] + torch.tensor([0.0, 0.5])
        counter += batch
        for row in features.tolist():  # one after the other, over the oldest
            slots[oldest] = row
            oldest = (oldest + 1) % length
        address = queue.data_ptr()
        enqueue(queue, pointer, features)
        assert queue.data_ptr() == address
        assert queue.T.tolist() == slots
        assert pointer.tolist() == [oldest]


def test_a_new_queue_holds_different_unit_vectors():
    queue, pointer = new_queue(5, 7)
    assert queue.shape == (5, 7)
    assert torch.allclose(queue.norm(dim=0), torch.ones(7))
    assert len({tuple(c) for c in queue.T.tolist()}) == 7
    assert pointer.tolist() == [0]
    assert pointer.dtype == torch.long


@pytest.mark.parametrize(("width", "length"), [(0, 4), (4, 0), (4, -1)])
def test_sizes_start_at_one(width, length):
    with pytest.raises(ValueError, match=f"{width} and {length}"):
        new_queue(width, length)


def test_features_come_in_any_precision_and_without_graph():
    queue, pointer = new_queue(2, 4)
    enqueue(queue, pointer, torch.ones(3, 2, dtype=torch.bfloat16, requires_grad=True))
    assert queue[:, :3].tolist() == [[1.0] * 3] * 2
    assert not queue.requires_grad


@pytest.mark.parametrize(
    ("images", "batch", "expected"),
    [
        (1_281_167, 256, MAX_QUEUE_LEN),  # ImageNet: as in the papers
        (20_265, 64, 4096),
        (8013, 64, 1024),
        (8013, 96, 1024),  # not a matter of the batch
        (100, 64, 64),  # but one batch at least
        (3, 4, 4),
    ],
)
def test_length_from_the_data(images, batch, expected):
    assert fit_queue_len(None, DataInfo(images, batch), object()) == expected


def test_a_given_length_is_kept_or_refused_with_one_that_works():
    assert fit_queue_len(300, DataInfo(1000, 64), object()) == 300
    assert fit_queue_len(5000, DataInfo(1000, 64), object()) == 5000
    with pytest.raises(UserError, match=r"queue_len=32.*batch of 64.*queue_len to 128"):
        fit_queue_len(32, DataInfo(1000, 64), object())
