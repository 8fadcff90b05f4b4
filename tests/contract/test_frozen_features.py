"""The features of every registered algorithm can be evaluated, without any effect on it."""

import pytest
import torch
from tiny_models import TINY

from mmselfsup.core.hooks.frozen_features_hook import isolated_eval
from mmselfsup.evaluation.collapse import collapse_metrics, see_views
from mmselfsup.evaluation.online_monitor import pair_of_views, view_size
from mmselfsup.models import build_algorithm
from mmselfsup.models.utils import ExtractProcess


@pytest.mark.parametrize("name", sorted(TINY))
def test_collapse_metrics(name):
    model = build_algorithm(TINY[name].cfg)
    model.init_weights()
    batch = TINY[name].batch(4, torch.Generator().manual_seed(0))
    size = view_size(batch["img"])
    assert size is not None
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    state = torch.get_rng_state()
    with isolated_eval(model) as module:
        features = ExtractProcess().extract_batch(module, img=torch.rand(6, 3, *size))["feat"]
        views = pair_of_views(batch["img"])
        aligned, projected = see_views(module, views) if views else (None, None)
    collapse = collapse_metrics(features, aligned, projected)
    assert features.ndim == 2
    assert 0 <= collapse.spread <= 1
    assert 1 <= collapse.rank <= 6
    assert torch.equal(state, torch.get_rng_state())
    assert modes == [module.training for module in model.modules()]
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key
