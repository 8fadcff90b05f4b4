"""What the benchmarks start: pythons of other environments, and commands whose end is timed."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tools.command import ROOT


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The modules ``environments`` and ``overheads`` of benchmarks/, which are no package."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import environments
    import overheads

    return environments, overheads


def test_the_python_of_an_environment_is_absolute_and_stays_a_link(
    scripts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environments, _ = scripts
    monkeypatch.chdir(tmp_path)
    python = tmp_path / "envs" / "lightly" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (tmp_path / "envs" / "lightly" / "ready").touch()
    assert environments.python_of("lightly", Path("envs")) == str(python)
    assert environments.python_of("lightly", Path("x"), "envs/lightly/bin/python") == str(python)


def test_a_quick_run_keeps_nothing(
    scripts: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import results

    page = tmp_path / "page.md"
    page.write_text(f"head {results.BEGIN} old {results.END} tail")
    monkeypatch.setattr(results, "PAGE", page)
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    row = results.Row("a step", "1.00x", "", "2x", False)
    results.save("step", "command", [row], {}, keep=False)
    assert "a step: 1.00x" in capsys.readouterr().out
    assert "old" in page.read_text()
    assert not (tmp_path / "results").exists()
    results.save("step", "command", [row], {})
    assert "| a step | 1.00x |" in page.read_text()
    assert "old" not in page.read_text()


def test_results_are_replaced_and_not_written_over(
    scripts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads them meanwhile has the old text as a whole, as has the folder if this is killed."""
    import results

    page = tmp_path / "page.md"
    page.write_text(f"head {results.BEGIN} old {results.END} tail")
    monkeypatch.setattr(results, "PAGE", page)
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    row = results.Row("a step", "1.00x", "", "2x", False)
    results.save("step", "command", [row], {})
    saved = tmp_path / "results" / "step.json"
    before = saved.read_text(), page.read_text()
    with saved.open() as first, page.open() as second:
        results.save("step", "command", [row, row], {})
        assert (first.read(), second.read()) == before
    assert len(json.loads(saved.read_text())["rows"]) == 2


def test_the_page_has_the_saved_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import results

    page = tmp_path / "benchmarks.md"
    page.write_text(results.PAGE.read_text())
    monkeypatch.setattr(results, "PAGE", page)
    results.write_table()
    assert page.read_text() == (ROOT / "docs" / "en" / "benchmarks.md").read_text()


def test_rows_of_the_same_command_are_kept_and_those_of_another_are_not(
    scripts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import results

    page = tmp_path / "page.md"
    page.write_text(f"{results.BEGIN}{results.END}")
    monkeypatch.setattr(results, "PAGE", page)
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setattr(results, "machine", lambda: "one core")

    def saved(command: str, date: str, torch: str, *rows: results.Row) -> list[Any]:
        monkeypatch.setattr(results.time, "strftime", lambda _: date)
        results.save("methods, x", command, rows, {"torch": torch}, merge=True)
        found = json.loads((tmp_path / "methods_x.json").read_text())
        return [found["date"], *((row["what"], row["value"]) for row in found["rows"])]

    first, second, again = (
        results.Row(what, value, "", "", None)
        for what, value in (("a", "1.00x"), ("b", "2.00x"), ("a", "3.00x"))
    )
    assert saved("run", "Monday", "2", first) == ["Monday", ("a", "1.00x")]
    kept = ["Monday to Tuesday", ("a", "1.00x"), ("b", "2.00x")]
    assert saved("run", "Tuesday", "2", second) == kept
    kept = ["Monday to Tuesday", ("a", "3.00x"), ("b", "2.00x")]
    assert saved("run", "Tuesday", "2", again) == kept
    assert saved("run", "Tuesday", "3", second) == ["Tuesday", ("b", "2.00x")]
    assert saved("run --small", "Tuesday", "3", first) == ["Tuesday", ("a", "1.00x")]


def test_a_command_that_fails_has_no_time(scripts: Any) -> None:
    _, overheads = scripts

    def run(code: str, until: str | None = None) -> dict[str, float]:
        found: dict[str, float] = overheads.seconds_of([sys.executable, "-c", code], until)
        return found

    assert run("print('Epoch 1'); import time; time.sleep(60)", "Epoch")["wall"] < 60
    with pytest.raises(SystemExit, match=r"ended with 0 without a line with 'Epoch': other"):
        run("print('other')", "Epoch")
    with pytest.raises(SystemExit, match=r"ended with 3: error: no images"):
        run("print('error: no images'); raise SystemExit(3)")


def test_every_measurement_of_scale_has_a_worker_and_rows(
    scripts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import scale
    import scale_rows

    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT / "benchmarks" / "workers")])
    worker = importlib.import_module("workers.scale")  # beside the other ``scale``
    keys = (
        "seconds cpu peak memory worker first other table_seconds table_peak sent usual decoded "
        "skipped megabytes read described_peak folder folder_peak folder_pixels kilobytes "
        "folder_pixels_peak mapped shards shards_peak shards_pixels shards_pixels_peak written"
    )
    found = dict.fromkeys(keys.split(), 1.0)
    rows = [
        row
        for name, full, _ in scale.MEASUREMENTS
        for row in scale.rows_of(name, full, found)
        if name in worker.MEASUREMENTS
    ]
    names = {name for name, *_ in scale.MEASUREMENTS}
    assert names == set(worker.MEASUREMENTS) == set(scale_rows.ROWS)
    assert len({row.what for row in rows}) == len(rows) >= 2 * len(scale.MEASUREMENTS) - 1
    assert all(row.met for row in rows if row.wanted)


def test_the_knn_row_needs_no_faiss_and_its_wall_time_decides(
    scripts: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import os
    import subprocess
    from argparse import Namespace

    import neighbours

    broken = tmp_path / "faiss.py"
    broken.write_text("raise ImportError('no faiss here')")
    wanted = dict(kind="ours", train=40, test=4, width=8, k=20, threads=1)
    worker = ROOT / "benchmarks" / "workers" / "neighbours.py"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}
    done = subprocess.run(
        [sys.executable, str(worker), json.dumps(wanted)],
        input="go\n", env=env, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    info, answer = (json.loads(line[2:]) for line in done.stdout.splitlines())
    assert "faiss" not in info
    assert answer["wall"] > 0

    class Slow:
        name, info = "ours", {"torch": "2"}

        def __init__(self, *args: Any) -> None:
            pass

    monkeypatch.setattr(neighbours, "Worker", Slow)
    for wall, met in ((9.0, False), (2.0, True)):
        answers = {"ours": [dict(wall=wall, cpu=4.0)]}
        monkeypatch.setattr(neighbours, "in_turn", lambda *_, answers=answers: answers)
        row = neighbours.knn_row(Namespace(threads=2, rounds=1), 40, 4, 8)
        assert (row.met, row.value, row.cpu) == (met, f"{wall:.2f} s", "4.00 s")
