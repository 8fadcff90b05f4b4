"""Rows of all ranks as one array: any type, any number of rows a rank, no copies on the way."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmselfsup.utils import dist
from mmselfsup.utils.gather import RowBuffer, gather_tensors, joined_rows
from tests.distributed.ranks import run_ranks


def test_a_buffer_grows_and_keeps_what_it_has() -> None:
    buffer = RowBuffer(1)
    assert buffer.rows() is None
    batches = [np.arange(6.0).reshape(3, 2) + 10 * i for i in range(5)]
    for batch in batches:
        buffer.add(batch)
    assert np.array_equal(buffer.rows(), np.concatenate(batches))  # type: ignore[arg-type]
    words = RowBuffer(3)
    for text in (["a", "b"], ["longer"]):
        words.add(np.array(text))
    assert words.rows().tolist() == ["a", "b", "longer"]  # type: ignore[union-attr]
    with pytest.raises(ValueError, match=r"rows of the shape \(3,\) after \(2,\)"):
        buffer.add(np.zeros((1, 3)))


def _join(rank: int) -> Any:
    dist._MESSAGE_BYTES = 10  # several messages, none of them a whole number of rows
    rows = {
        "floats": np.arange(6 + 4 * rank, dtype=np.float32).reshape(-1, 2) - 100 * rank,
        "one rank": np.arange(5) if rank == 1 else None,
        "names": np.array(["a", "bc"] if rank else ["def"]),
        "promoted": np.array([1, 2], np.float64 if rank else np.int32),
        "wide": np.zeros((2 + rank, 0)),
        "objects": np.array([{"rank": rank}], dtype=object),
        "scalars": np.array([rank > 0]),
    }
    everywhere = {key: joined_rows(value) for key, value in rows.items()}
    first = {key: joined_rows(value, everywhere=False) for key, value in rows.items()}
    for key, value in rows.items():  # the first rank's own array becomes the whole
        own = None if value is None else value.copy()
        for everywhere_too in (False, True):
            longer = joined_rows(None if own is None else own.copy(), everywhere_too, extend=True)
            wanted = everywhere[key] if everywhere_too else first[key]
            assert (longer is None) == (wanted is None)
            assert longer is None or np.array_equal(longer, wanted)
    for key in set(rows) - {"objects"}:
        if rank == 0:
            assert np.array_equal(everywhere[key], first[key]), key
        else:
            assert first[key] is None, key
    gathered = [array.tolist() for array in gather_tensors(np.full((rank + 1, 2), rank))]
    try:
        joined_rows(np.zeros((1, 2 + rank)))
    except ValueError as error:
        return everywhere, gathered, str(error)
    return None


def test_any_rows_of_two_ranks(tmp_path: Path) -> None:
    for joined, gathered, message in run_ranks(_join, tmp_path):
        floats = [np.arange(6 + 4 * r, dtype=np.float32).reshape(-1, 2) - 100 * r for r in (0, 1)]
        assert np.array_equal(joined["floats"], np.concatenate(floats))
        assert joined["floats"].dtype == np.float32
        assert joined["one rank"].tolist() == [0, 1, 2, 3, 4]
        assert joined["names"].tolist() == ["def", "a", "bc"]
        assert joined["promoted"].tolist() == [1.0, 2.0, 1.0, 2.0]
        assert joined["wide"].shape == (5, 0)
        assert joined["objects"].tolist() == [{"rank": 0}, {"rank": 1}]
        assert joined["scalars"].tolist() == [False, True]
        assert gathered == [[[0, 0]], [[1, 1], [1, 1]]]
        assert "one shape" in message


def _peak(rank: int, everywhere: bool) -> float:
    own = np.full((4096, 512), rank, np.float32)  # 8 MiB
    dist._MESSAGE_BYTES = 1 << 20
    tracemalloc.start()
    joined_rows(own, everywhere)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / own.nbytes


def test_memory_is_that_of_the_result(tmp_path: Path) -> None:
    """Pickled objects took the matrix three times on each rank."""
    for everywhere, bounds in ((True, (2.1, 2.1)), (False, (2.1, 0.1))):
        peaks = run_ranks(_peak, tmp_path, everywhere)
        assert all(peak < bound for peak, bound in zip(peaks, bounds, strict=True)), peaks


def test_one_process_gets_its_own_rows() -> None:
    own = np.ones((3, 2))
    assert joined_rows(own) is own
    with pytest.raises(ValueError, match="one shape"):
        joined_rows(None)
    assert torch.equal(torch.from_numpy(gather_tensors(own)[0]), torch.ones(3, 2).double())
