"""A classifier with metadata on two ranks: trained and measured as by one process."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.parallel import DistributedDataParallel

from mmselfsup.datasets import build_dataloader
from mmselfsup.utils import dist
from mmselfsup.utils.collect import collect_results
from mmselfsup.utils.patients import SEXES, SITES, encode_patient
from tests.distributed.ranks import run_ranks
from tests.models.test_metadata import build


class People(torch.utils.data.Dataset[dict[str, Any]]):
    """Nine images of different patients; the ranks' shares differ in length."""

    def __len__(self) -> int:
        return 9

    def __getitem__(self, idx: int) -> dict[str, Any]:
        img = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(idx))
        patient = encode_patient(9 * idx, SITES[idx % 8], SEXES[idx % 2])
        return dict(img=img, label=idx % 3, idx=idx, patient=patient)


def train_and_test(share: slice) -> tuple[dict[str, torch.Tensor], np.ndarray]:
    """Two steps on a share of eight images, then the scores of all nine."""
    model, data = build(dict(dropout=0.0, missing_prob=0.0)).double(), People()
    call = DistributedDataParallel(model) if dist.get_world_size() > 1 else model
    samples = torch.utils.data.default_collate([data[i] for i in range(8)][share])
    samples |= {key: samples[key].double() for key in ("img", "patient")}
    optimizer = torch.optim.SGD(call.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        call(**samples)["loss"].backward()
        optimizer.step()
    loader = build_dataloader(data, samples_per_gpu=2, workers_per_gpu=0, shuffle=False)
    scores = collect_results(model.float(), loader)["head4"]
    return model.state_dict(), scores


def be_rank(rank: int) -> Any:
    return train_and_test(slice(4 * rank, 4 * rank + 4))


@pytest.mark.filterwarnings("ignore")
def test_two_ranks_do_what_one_does(tmp_path: Path) -> None:
    state, scores = train_and_test(slice(None))
    assert scores.shape == (9, 3)
    for rank_state, rank_scores in run_ranks(be_rank, tmp_path):
        np.testing.assert_allclose(rank_scores, scores, rtol=1e-4, atol=1e-5)
        for name, value in state.items():
            torch.testing.assert_close(rank_state[name], value, msg=name)
