"""Parts of the log that the file gets, and the terminal does not."""

import logging
from pathlib import Path

import pytest

from mmselfsup.utils.logger import close_log_files, file_only, get_root_logger, log_path


def test_file_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    close_log_files()
    assert log_path() is None
    logger = get_root_logger(tmp_path / "run.log")
    try:
        with file_only():
            logger.info("the whole config")
            logger.warning("a warning")
        logger.info("afterwards")
        assert log_path() == "run.log"
    finally:
        close_log_files()
    shown, written = capsys.readouterr().err, (tmp_path / "run.log").read_text()
    assert "the whole config" not in shown
    assert "a warning" in shown
    assert "afterwards" in shown
    assert all(text in written for text in ("the whole config", "a warning", "afterwards"))
    assert logging.getLogger("mmselfsup").level == logging.INFO
