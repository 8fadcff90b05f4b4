"""Options of the command lines: each takes ``-`` and ``_`` between its words."""

from pathlib import Path

import pytest

from mmselfsup.utils.cli import (
    ArgumentParser,
    add_check_argument,
    add_frozen_arguments,
    add_run_arguments,
)

ROOT = Path(__file__).parents[2]


def parser() -> ArgumentParser:
    """The parser of a training, with its subcommand."""
    made = ArgumentParser(prog="tool")
    made.add_argument("--auto-resume", action="store_true")
    made.add_argument("--gpu_ids", nargs="+")
    add_check_argument(made)
    add_run_arguments(made)
    return made


@pytest.mark.parametrize("mark", ["-", "_"])
def test_both_spellings(mark: str) -> None:
    words = [
        "--auto-resume", "--no-check-files", "--work-dir", "a_b/c-d", "--local-rank=1",
        "--gpu-id", "2", "--gpu-ids", "3", "4",
        "--cfg-options", "a_b=1", "--cfg-options", "c-d=e_f",
    ]  # fmt: skip
    args = parser().parse_args(
        [f"--{word[2:].replace('-', mark)}" if word.startswith("--") else word for word in words]
    )
    assert (args.auto_resume, args.no_check_files, args.work_dir) == (True, True, "a_b/c-d")
    assert (args.local_rank, args.gpu_id, args.gpu_ids) == (1, 2, ["3", "4"])
    assert args.cfg_options == ["a_b=1", "c-d=e_f"]


@pytest.mark.parametrize("word", ["--auto-res", "--auto_res", "--auto", "--work-d=x", "--work_d=x"])
def test_abbreviations(word: str) -> None:
    args = parser().parse_args([word])
    assert args.auto_resume or args.work_dir == "x"


def test_help_shows_each_option_once() -> None:
    text = parser().format_help()
    assert "--work_dir" in text
    assert "--work-dir" not in text


def test_words_after_the_end_of_options_stay() -> None:
    made = ArgumentParser()
    made.add_argument("--a-b", action="store_true")
    made.add_argument("rest", nargs="*")
    args = made.parse_args(["--a_b", "--", "--a_b", "c_d"])
    assert args.a_b
    assert args.rest[-2:] == ["--a_b", "c_d"]


def test_subcommands_and_positional_arguments_anywhere() -> None:
    made = ArgumentParser()
    times = made.add_subparsers().add_parser("times")
    times.add_argument("--include-outliers", action="store_true")
    assert made.parse_args(["times", "--include_outliers"]).include_outliers
    made = ArgumentParser()
    made.add_argument("words", nargs="*")
    made.add_argument("--ssl-on")
    args = made.parse_intermixed_args(["a", "--ssl_on", "all", "b_c"])
    assert (args.ssl_on, args.words) == ("all", ["a", "b_c"])


def test_lists_in_several_parts_are_joined() -> None:
    made = ArgumentParser()
    made.add_argument("--keys", nargs="+", default=["loss"])
    made.add_argument("--classes", nargs="+")
    made.add_argument("--range", nargs=2)
    made.add_argument("--seed", type=int)
    args = made.parse_args(["--keys", "a", "--keys", "b", "c", "--classes", "x", "--classes=y"])
    assert (args.keys, args.classes) == (["a", "b", "c"], ["x", "y"])
    args = made.parse_args(["--range", "1", "2", "--range", "3", "4", "--seed", "1", "--seed=2"])
    assert (args.range, args.seed, args.keys) == (["3", "4"], 2, ["loss"])


def test_unknown_options_are_named_as_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["--no_such_option"])
    assert "unrecognized arguments: --no_such_option" in capsys.readouterr().err


def test_every_tool_has_such_a_parser() -> None:
    paths = [*(ROOT / "tools").rglob("*.py"), *(ROOT / "mmselfsup").rglob("*.py")]
    own = ("mmselfsup/utils/cli.py", "mmselfsup/cli/completion.py")  # its home; names of commands
    plain = [
        name
        for path in paths
        if "argparse.ArgumentParser(" in path.read_text(encoding="utf-8")
        and (name := path.relative_to(ROOT).as_posix()) not in own
    ]
    assert plain == []


def test_frozen_features() -> None:
    made = ArgumentParser()
    add_frozen_arguments(made)
    args = made.parse_args(["c.py", "--dataset_config", "d.py", "--use_cuda", "False"])
    assert (args.dataset_config, args.use_cuda) == ("d.py", "False")


def test_home_folder_after_the_equals_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells replace ``~/`` at the beginning of a word only: no folder is named ``~``."""
    monkeypatch.setenv("HOME", "/own")
    words = ["--work-dir=~/runs", "--cfg-options", "a=~/b"]
    args = parser().parse_args(words)
    assert (args.work_dir, args.cfg_options) == ("/own/runs", ["a=~/b"])
    assert parser().parse_args(["--work-dir=a~/runs"]).work_dir == "a~/runs"
