"""The example of "Adding a metric" works as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmselfsup.datasets import DATASETS, build_dataset

PAGE = Path(__file__).parents[2] / "docs" / "en" / "tutorials" / "7_metrics.md"


def test_own_metric(image_folder: Path, image_list: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DATASETS, "_module_dict", dict(DATASETS.module_dict))
    snippets = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.S | re.M)
    exec(next(s for s in snippets if "register_module" in s), {})
    source: dict[str, Any] = dict(
        type="ImageList", data_prefix=str(image_folder), ann_file=str(image_list)
    )
    data = build_dataset(dict(type="KappaDataset", data_source=source, pipeline=[]))
    found = data.evaluate(dict(head4=np.eye(3)[np.arange(12) % 3]))
    assert found["kappa"] == found["balanced_accuracy"] == 1
