"""The loop of getting_started.md around a method works as it stands."""

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def test_the_printed_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/en/getting_started.md").read_text(encoding="utf-8")
    snippets = re.findall(r"^```python\n(.*?)^```", page, re.S | re.M)
    monkeypatch.chdir(ROOT)
    found: dict[str, Any] = {}
    exec(next(snippet for snippet in snippets if "optimizer.step()" in snippet), found)
    assert found["losses"].keys() == {"loss"}
    assert found["losses"]["loss"].isfinite()
