"""A config written as text is the same config when it is read again."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmcv import Config
from mmcv.runner import Priority

from mmselfsup.config.text import config_text, read_config_text

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


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (math.inf, math.inf),
        ((-math.inf, [2.0]), (-math.inf, [2.0])),
        (Path("a b/c"), "a b/c"),
        (np.float32(0.5), 0.5),
        ([np.int64(3), np.bool_(True)], [3, True]),
        (np.eye(2), [[1.0, 0.0], [0.0, 1.0]]),
        (Priority.HIGH, "HIGH"),
        (Path, "pathlib.Path"),
        (math.sqrt, "math.sqrt"),
        ({1, 2}, {1, 2}),
    ],
)
def test_values_that_python_writes_otherwise(value: Any, plain: Any) -> None:
    """The written config could not be read again: ``inf`` is no name, ``<class ...>`` no Python.

    Of a config with such a line nothing was known, so that a resumed run reported no change of it.
    """
    text = config_text({"first": {"x": value}, "second": 1})
    found: dict[str, Any] = {}
    exec(text, found)
    assert (found["first"], found["second"]) == ({"x": plain}, 1)
    known = read_config_text(text)
    listed = [*plain] if isinstance(plain, tuple) else plain  # tuples are read as lists
    assert known == {"first": {"x": listed}, "second": 1}
    assert config_text(known) == config_text(read_config_text(config_text(known)))


def test_text_of_a_function_is_the_same_in_another_process() -> None:
    assert "0x" not in config_text({"backend": lambda: None, "object": object()})


def test_what_is_no_number_stays_so() -> None:
    known = read_config_text(config_text({"x": math.nan}))
    assert math.isnan(known["x"])
