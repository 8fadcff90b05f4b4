"""Results of a model in the order of the data set; the ranks are in tests/distributed."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmselfsup.utils import multi_gpu_test, nondist_forward_collect, single_gpu_test
from mmselfsup.utils.collect import collect_results
from tests.runner.fakes import TinyData


class Echo(nn.Module):
    """Gives back the index, in single and half precision, and the place of the batch."""

    def forward(self, img: Tensor, idx: Tensor, mode: str, **kwargs: Any) -> dict[str, Any]:
        assert mode == "test"
        assert not self.training
        assert not torch.is_grad_enabled()
        return {"i": idx, "half": idx.bfloat16(), "array": idx.numpy() * 2}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", [{}, {"shuffle": True}, {"drop_last": True}])
def test_each_sample_once(workers: int, kind: dict[str, bool]) -> None:
    loader: Any = DataLoader(TinyData(11), batch_size=4, num_workers=workers, **kind)
    model = Echo().train()
    before = torch.get_rng_state()
    for test in (collect_results, single_gpu_test, multi_gpu_test):
        results = test(model, loader)
        assert results["i"].tolist() == list(range(11))
        assert results["half"].dtype == np.float32
        assert results["array"].tolist() == list(range(0, 22, 2))
    assert model.training
    if workers:  # otherwise the data set itself draws in this process
        assert torch.equal(before, torch.get_rng_state())
    first = nondist_forward_collect(lambda **batch: {"i": batch["idx"]}, loader, 5)
    assert first["i"].tolist() == [0, 1, 2, 3, 4]


def test_loader_round_a_loader() -> None:
    class Doubling:
        def __init__(self, loader: Any) -> None:
            self.loader = loader

        def __iter__(self) -> Any:
            for batch in self.loader:
                yield {**batch, "idx": batch["idx"] * 2}

    loader = Doubling(DataLoader(TinyData(5), batch_size=2, shuffle=True))
    assert collect_results(Echo(), loader)["i"].tolist() == [0, 2, 4, 6, 8]  # type: ignore[arg-type]


def test_empty_data() -> None:
    with pytest.raises(ValueError, match="empty"):
        collect_results(Echo(), DataLoader(TinyData(0)))
