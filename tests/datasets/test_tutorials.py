"""The snippets of the tutorials run as they stand, one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mmcv.runner import HOOKS, OPTIMIZERS

from mmselfsup.datasets import DATASOURCES, PIPELINES

TUTORIALS = Path(__file__).parents[2] / "docs" / "en" / "tutorials"

PAGES = ["1_new_dataset.md", "2_data_pipeline.md", "4_schedule.md", "5_runtime.md"]


@pytest.mark.parametrize("name", PAGES)
def test_snippets_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # What a snippet registers is gone afterwards.
    for registry in (DATASOURCES, PIPELINES, HOOKS, OPTIMIZERS):
        monkeypatch.setattr(registry, "_module_dict", dict(registry.module_dict))
    snippets = re.findall(r"^```python\n(.*?)^```", (TUTORIALS / name).read_text(), re.S | re.M)
    assert snippets
    namespace: dict[str, object] = {}
    for number, snippet in enumerate(snippets, 1):
        exec(compile(snippet, f"{name}, snippet {number}", "exec"), namespace)
