"""Overrides of the config that a checkpoint holds."""

from typing import Any

import pytest

from mmselfsup.apis.inference.image_input import config_of
from mmselfsup.config.text import config_text
from mmselfsup.utils.errors import UserError

HELD = {
    "model": {
        "type": "Classification",
        "backbone": {"type": "ResNet", "depth": 18},
        "head": {"type": "ClsHead", "in_channels": 512, "num_classes": 2},
    }
}
STATE = {"meta": {"config": config_text(HELD)}}


def test_an_override_counts() -> None:
    cfg = config_of("a.pth", STATE, options={"model.head.num_classes": 3})
    assert cfg.model.head.num_classes == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"model.head.num_clases": 3},
            r"--cfg-options model\.head\.num_clases: unknown key .*mean 'num_classes'",
        ),
        (
            {"modle.head": 1},
            r"--cfg-options modle\.head: unknown key 'modle'; did you mean 'model'",
        ),
        ({"model.backbone.depth.x": 3}, r"--cfg-options model\.backbone\.depth\.x: "),
    ],
)
def test_one_that_nothing_reads_is_an_error(options: dict[str, Any], message: str) -> None:
    """The keys were checked before the overrides came in, which then had no effect."""
    with pytest.raises(UserError, match=message):
        config_of("a.pth", STATE, options=options)
