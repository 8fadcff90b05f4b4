"""Texts of values that stand in hashes."""

import functools
import json
import subprocess
import sys
from pathlib import Path

from mmselfsup.utils.stable_text import stable_text

CONFIG = """
class Own:
    def __init__(self, size):
        self.size = size

def outer(number):
    return lambda x: x + number

from functools import partial
model = dict(type="SimCLR", fn=lambda x: x + {number}, ob=Own({size}), kind=Own,
             inner=outer({inner}), part=partial(max, {part}))
"""
DIGESTS = """
import sys
from pathlib import Path
from mmselfsup.config.inspect import config_digest
from mmselfsup.config.load import read_config
from mmselfsup.study.fingerprint import _read_config
for path in sys.argv[1:]:
    print(_read_config(Path(path)).digest(Path.cwd()), config_digest(read_config(path)))
"""


def test_a_config_with_functions_and_objects_has_one_hash(tmp_path: Path) -> None:
    values = {"number": 1, "size": 2, "inner": 3, "part": 4}
    changes = ({}, *({key: 9} for key in values))
    files = []
    for number, change in enumerate(changes):
        files.append(tmp_path / f"{number}.py")
        text = CONFIG
        for key, value in {**values, **change}.items():
            text = text.replace(f"{{{key}}}", str(value))
        files[-1].write_text(text)
    command = [sys.executable, "-c", DIGESTS, *map(str, files)]
    first, second = (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)
    )
    assert first == second
    assert len(set(first.splitlines())) == len(files)


def test_what_has_a_text_keeps_it() -> None:
    assert json.dumps([Path("a"), 1j], default=stable_text) == '["a", "1j"]'
    assert stable_text(Path) == "pathlib.Path"
    assert stable_text(functools.partial(int, base=2)) != stable_text(functools.partial(int))
    assert " at 0x" not in stable_text(Path("a").exists)
    assert " at 0x" not in stable_text([object()].append)


def test_what_holds_itself_has_an_end() -> None:
    class Node:
        pass

    node = Node()
    node.other = [node]  # type: ignore[attr-defined]

    def again(number: int) -> int:
        return again(number - 1) if number else 0

    assert "..." in stable_text(node)
    assert stable_text(again) == stable_text(again)
