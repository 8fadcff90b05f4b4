"""Work of the first rank for all: its result and its error reach every rank."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmselfsup.core.clustering import extract_cluster_assign
from mmselfsup.utils import dist
from mmselfsup.utils.dist import on_main
from mmselfsup.utils.errors import SharedError, UserError
from tests.distributed.ranks import run_ranks


def _fail() -> int:
    raise UserError("no such\nfile")


def test_alone_it_is_the_work_itself() -> None:
    assert on_main(lambda: 3) == 3
    with pytest.raises(UserError, match="no such") as caught:
        on_main(_fail)
    assert not isinstance(caught.value, SharedError)


def _work(rank: int) -> Any:
    given = on_main(dist.get_rank)
    caught = []
    for work in (_fail, lambda: 1 // 0):
        try:
            on_main(work)
        except (UserError, ZeroDivisionError) as error:
            caught.append((type(error).__name__, str(error)))
    return given, caught, dist.all_gather_object(rank)


def test_two_ranks_share_result_and_error_and_continue(tmp_path: Path) -> None:
    first, second = run_ranks(_work, tmp_path)
    zero = "integer division or modulo by zero"
    assert first == (0, [("UserError", "no such\nfile"), ("ZeroDivisionError", zero)], [0, 1])
    assert second == (0, [("SharedError", "no such file"), ("SharedError", zero)], [0, 1])


def _cluster(rank: int) -> str:
    class Broken:
        labels = np.zeros(4, dtype=np.int64)

        def cluster(self, feat: Any, verbose: bool = False) -> float:
            raise UserError("4 images, 9 clusters")

    try:
        extract_cluster_assign(None, lambda _: np.ones((4, 2)), Broken, [])  # type: ignore[arg-type]
    except UserError as error:
        return str(error)
    return "continued"


def test_a_clustering_that_fails_on_the_first_rank_ends_all(tmp_path: Path) -> None:
    assert run_ranks(_cluster, tmp_path) == ["4 images, 9 clusters"] * 2
