"""Wrong arguments raise what MMSelfSup 0.x raised (an AssertionError) and what Python means."""

import numpy as np
import pytest

from mmselfsup.datasets import PIPELINES, build_dataset
from mmselfsup.datasets.pipelines.compose import build_pipeline
from mmselfsup.models import build_algorithm
from mmselfsup.models.utils import MultiPooling
from mmselfsup.utils.errors import ArgumentError
from tests.contract.tiny_models import TINY

BACKBONE = {"type": "ResNet", "depth": 18, "norm_cfg": {"type": "BN"}}
NECK = {"type": "LinearNeck", "in_channels": 512, "out_channels": 4}


def test_an_argument_error_is_both():
    assert issubclass(ArgumentError, ValueError)
    assert issubclass(ArgumentError, AssertionError)


@pytest.mark.parametrize(
    "cfg",
    [
        {"type": "SimCLR", "backbone": BACKBONE, "neck": None, "head": {"type": "ContrastiveHead"}},
        {"type": "SimCLR", "backbone": BACKBONE, "neck": NECK, "head": None},
        {"type": "Classification", "backbone": BACKBONE, "head": None},
        {"type": "Classification", "backbone": {**BACKBONE, "depth": 19}, "head": NECK},
    ],
    ids=["no neck", "no head", "no classifier", "depth"],
)
def test_models(cfg):
    with pytest.raises(AssertionError):
        build_algorithm(cfg)


@pytest.mark.parametrize("method", ["MAE", "SimMIM", "MaskFeat", "CAE"])
def test_masked_methods_need_a_backbone(method):
    with pytest.raises(AssertionError, match=f"{method} needs a backbone"):
        build_algorithm({**TINY[method].cfg, "backbone": None})


@pytest.mark.parametrize(
    "cfg",
    [
        {"type": "GaussianBlur", "sigma_min": 0.1, "sigma_max": 1.0, "p": -1},
        {"type": "Solarization", "p": -1},
        {"type": "RandomAppliedTrans", "transforms": [], "p": 2},
    ],
    ids=lambda cfg: cfg["type"],
)
def test_chances(cfg):
    with pytest.raises(AssertionError):
        build_pipeline([cfg])


def test_lighting_takes_no_array():
    with pytest.raises(AssertionError):
        PIPELINES.get("Lighting")()(np.ones((8, 8, 3), dtype=np.uint8))


def test_views_and_pipelines_must_match(tmp_path):
    source = {"type": "ImageList", "data_prefix": str(tmp_path)}
    cfg = {"type": "MultiViewDataset", "data_source": source, "num_views": [2]}
    with pytest.raises(AssertionError):
        build_dataset({**cfg, "pipelines": [[], []]})


def test_pooling():
    with pytest.raises(AssertionError):
        MultiPooling(pool_type="other")
