"""A finished study, as the trainings would have left it."""

from pathlib import Path

import pytest

from tests.study.study_data import write_finished_study


@pytest.fixture
def finished_study(tmp_path: Path) -> Path:
    """A work directory with results.json, logs and a resolved config."""
    write_finished_study(tmp_path)
    return tmp_path
