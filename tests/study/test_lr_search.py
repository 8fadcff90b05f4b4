"""The learning rate is chosen by validation balanced accuracy, for each arm."""

import pytest

from mmselfsup.study.report.tables import at_the_edge
from mmselfsup.study.stages.lr_search import choose_lr
from mmselfsup.utils.errors import UserError
from tests.study.study_data import make_search


@pytest.mark.parametrize(
    ("values", "lr"),
    [
        ((0.3, 0.5, 0.4), 0.03),
        ((0.5, 0.5, 0.4), 0.01),  # equal: the smaller one
        ((None, 0.2, None), 0.03),  # diverged runs don't count
        ((0.0, None, None), 0.01),
        ((0.1, 0.2, 0.3), 0.1),
    ],
)
def test_best_validation_wins(values: tuple[float | None, ...], lr: float) -> None:
    chosen = [run.lr for run in choose_lr(make_search("scratch", values)) if run.chosen]
    assert chosen == [lr]


def test_all_diverged_is_an_error() -> None:
    with pytest.raises(UserError, match=r"from scratch: .*0\.03, 0\.1 gave a result"):
        choose_lr(make_search("scratch", (None, None, None)))


def test_choice_at_the_edge_is_said() -> None:
    assert at_the_edge(choose_lr(make_search("a", (0.1, 0.5, 0.2)))) is None
    assert "smallest" in (at_the_edge(choose_lr(make_search("a", (0.5, 0.2, 0.2)))) or "")
    assert "largest" in (at_the_edge(choose_lr(make_search("a", (0.1, 0.2, 0.5)))) or "")
    assert at_the_edge(choose_lr(make_search("a", (0.5, 0.2, 0.2))[:1])) is None
