"""Which trainings of a comparison count as learned."""

import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_both_numbers_must_be_above_those_of_the_same_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from smallest_batch import learned, untrained

    def row(name: str, network: str, knn: float, probe: float) -> dict:
        views = 0 if name == "untrained" else 16_000
        return dict(name=name, network=network, knn=knn, probe=probe, views=views)

    rows = [
        row("untrained", "resnet18", 0.13, 0.25),
        row("untrained", "vit", 0.30, 0.40),
        row("both", "resnet18", 0.14, 0.26),
        row("knn_only", "resnet18", 0.14, 0.24),
        row("other_network", "vit", 0.14, 0.26),
        row("equal", "resnet18", 0.13, 0.25),
        row("above_one_draw_only", "resnet18", 0.134, 0.26),
    ]
    for name, written in (("a", rows), ("b", [row("untrained", "resnet18", 0.135, 0.2)])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "frozen.json").write_text(json.dumps({"rows": written}))
    found = learned({"rows": rows}, untrained(tmp_path))
    assert set(found) == {"both"}
    assert found["both"] == dict(
        views=16_000, knn=0.14, probe=0.26, untrained_knn=0.135, untrained_probe=0.25
    )
