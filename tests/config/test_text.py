"""A config written as text is the same config when it is read again."""

from pathlib import Path

import pytest
from mmcv import Config

from mmselfsup.config.text import config_text

ROOT = Path(__file__).parents[2] / "configs"
CONFIGS = sorted(ROOT.rglob("simclr/*.py")) + sorted(ROOT.rglob("isic2019/*.py"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configs(path: Path) -> None:
    cfg = Config.fromfile(str(path))
    text = config_text(cfg._cfg_dict)
    assert max(map(len, text.splitlines())) <= 120
    assert Config.fromstring(text, ".py")._cfg_dict == cfg._cfg_dict


def test_values() -> None:
    values = {
        "empty": {}, "none": None, "one": (1,), "pair": (1, "two"), "nested": [[], (), {"a": {}}],
        "keys": {"a.b": 1, 3: [4]}, "keyword": {"class": 1}, "text": "a'b\n\\", "small": 1e-6,
        "long": dict.fromkeys([f"key{i}" for i in range(30)], (0.5,) * 30), "flag": True,
    }  # fmt: skip
    found: dict[str, object] = {}
    exec(config_text(values), found)
    assert {key: found[key] for key in values} == values
    assert "one = (1,)" in config_text(values)
