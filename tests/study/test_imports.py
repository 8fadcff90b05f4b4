"""The study starts command lines and reads what they leave: it loads neither torch nor mmcv."""

import subprocess
import sys

IMPORT_ALL = """
import importlib, pkgutil, sys
import mmselfsup.study
for module in pkgutil.walk_packages(mmselfsup.study.__path__, "mmselfsup.study."):
    importlib.import_module(module.name)
    loaded = {"torch", "mmcv"} & set(sys.modules)
    assert not loaded, f"{module.name} loads {', '.join(loaded)}"
"""


def test_the_study_loads_no_torch() -> None:
    process = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
