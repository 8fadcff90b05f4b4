"""Records of an evaluation are read without the libraries that made them."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "mmcv", "sklearn", "cv2", "matplotlib")


@pytest.mark.parametrize("name", ["explanation_files", "feature_comparison_files", "scores"])
def test_reading_records_loads_no_torch(name: str) -> None:
    code = (
        f"import sys, mmselfsup.evaluation.{name}; "
        f"print([module for module in {HEAVY} if module in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
