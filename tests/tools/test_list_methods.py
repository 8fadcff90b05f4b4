"""The table of methods, and the page that holds it."""

import json
import re
from pathlib import Path

from mmselfsup.apis.method_table import list_methods, markdown
from mmselfsup.models.algorithms.base import FAMILIES
from tests.tools.command import run_tool

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs" / "selfsup"


def test_every_method_is_in_the_page() -> None:
    methods = list_methods(CONFIGS)
    # Others hold configs of 0.x only: mocov1/ and mocov2/ have those of MoCo.
    folders = {path.parent.name for path in CONFIGS.glob("[!_]*/*isic2019-64*.py")}
    assert {row.config.partition("/")[0] for row in methods} == folders
    assert {row.family for row in methods} == set(FAMILIES)
    page = (ROOT / "docs" / "en" / "model_zoo.md").read_text(encoding="utf-8")
    table = re.search(
        r"<!-- list_methods.py --markdown -->\n(.*?)<!-- end of list_methods.py -->",
        page,
        re.DOTALL,
    )
    assert table is not None
    assert table[1] == markdown(methods)  # python tools/misc/list_methods.py --markdown


def test_what_the_rows_say() -> None:
    rows = {row.method: row for row in list_methods(CONFIGS)}
    assert (rows["MoCo v2"].teacher, rows["MoCo v2"].memory) == ("yes", "queue")
    assert (rows["SimCLR"].teacher, rows["SimCLR"].memory) == ("", "")
    assert rows["NNCLR"].memory == "queue"
    assert rows["NPID"].memory == "bank"
    assert rows["SwAV"].memory == "queue"  # that of its hook
    assert rows["DINO"].views == "2 + 6"
    assert rows["SupCon"].labels == "where there are any"


def test_costs_come_from_the_file_of_the_benchmark(tmp_path: Path) -> None:
    configs = tmp_path / "configs" / "selfsup"
    for folder in ("simclr", "nnclr"):
        (configs / folder).mkdir(parents=True)
        for path in (CONFIGS / folder).glob("*isic2019-64.py"):
            text = path.read_text(encoding="utf-8").replace('"../', f'"{CONFIGS}/')
            (configs / folder / path.name).write_text(text, encoding="utf-8")
    assert {row.step_time for row in list_methods(configs)} == {"-"}
    file = tmp_path / "benchmarks" / "results" / "method_costs.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"methods": {"nnclr": {"time": 1.234, "memory": 0.9}}}))
    rows = {row.method: row for row in list_methods(configs)}
    assert (rows["NNCLR"].step_time, rows["NNCLR"].step_memory) == ("1.23x", "0.90x")
    assert (rows["SimCLR"].step_time, rows["SimCLR"].step_memory) == ("-", "-")
    assert "| step time | step memory |" in markdown([rows["NNCLR"]])
    (file.parent / "smallest_batch.json").write_text(
        json.dumps({"methods": {"simclr": {"batch": 8}}})
    )
    rows = {row.method: row for row in list_methods(configs)}
    assert [rows[name].learns_at for name in ("SimCLR", "NNCLR")] == ["8", "-"]
    assert rows["NNCLR"].step_time == "1.23x"


def test_an_unknown_family_is_one_line(tmp_path: Path) -> None:
    done = run_tool("misc/list_methods.py", "--family", "contrast", folder=tmp_path)
    assert done.code == 2
    assert "--family contrast: give one of contrastive, " in done.last_line
