"""What a resumed training compares with its checkpoint, and that two nodes go on with the same."""

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tools.command import Done, run_nodes, run_tool
from tests.tools.conftest import make_place

ONE = ["--cfg-options", "runner.max_epochs=1"]


def train(place: Path, *argv: str) -> Done:
    return run_tool("train.py", *argv, folder=place)


def load(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True)


def rows(done: Done) -> dict[str, list[str]]:
    """The rows of the table of changes: setting -> was, now, used."""
    lines = done.text.partition("what has changed since")[2].splitlines()[1:]
    start = next((i for i, line in enumerate(lines) if "───" in line), len(lines))
    table = {}
    for line in lines[start + 1 :]:
        cells = [cell.strip() for cell in line.split("  ") if cell.strip()]
        if len(cells) != 4:
            break
        table[cells[0]] = cells[1:]
    return table


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier with one epoch in ``work``, with seed 3."""
    place = make_place(tmp_path_factory.mktemp("origin"))
    done = train(place, "classifier.py", "--work_dir", "work", "--seed", "3", *ONE)
    assert done.code == 0, done.text
    return place


@pytest.fixture
def begun(origin: Path, tmp_path: Path) -> Path:
    """A copy of ``origin`` for one test."""
    return Path(shutil.copytree(origin, tmp_path / "first", symlinks=True))


def resume(place: Path, *options: str, flags: tuple[str, ...] = ()) -> Done:
    return train(
        place, "classifier.py", "--work_dir", "work", "--auto-resume", *flags,
        "--cfg-options", "runner.max_epochs=2", *options,
    )  # fmt: skip


def test_changed_settings_are_one_table(begun: Path) -> None:
    done = resume(
        begun, "optimizer.lr=0.5", "optimizer.weight_decay=0.1", "optimizer.momentum=0.5",
        "data.imgs_per_gpu=3",
    )  # fmt: skip
    assert done.code == 0, done.text
    assert done.text.count("what has changed since") == 1
    assert rows(done) == {
        "batch size": ["4", "3", "3"],
        "optimizer.lr": ["0.05", "0.5", "0.05 (of the checkpoint)"],
        "optimizer.momentum": ["0.9", "0.5", "0.9 (of the checkpoint)"],
        "optimizer.weight_decay": ["0", "0.1", "0 (of the checkpoint)"],
        "runner.max_epochs": ["1", "2", "2"],
    }
    group = load(begun / "work" / "latest.pth")["optimizer"]["param_groups"][0]
    assert (group["initial_lr"], group["momentum"], group["weight_decay"]) == (0.05, 0.9, 0)
    # What is used is what the next checkpoint says.
    done = resume(begun, "optimizer.lr=0.5", "runner.max_epochs=3")
    assert rows(done)["optimizer.lr"] == ["0.05", "0.5", "0.05 (of the checkpoint)"]


def test_nothing_changed_nothing_said(begun: Path) -> None:
    done = resume(begun, "runner.max_epochs=1", "data.workers_per_gpu=1", "log_config.interval=2")
    assert done.code == 0, done.text
    assert "nothing left to train" in done.text
    assert "what has changed" not in done.text


def swap_labels(place: Path) -> list[str]:
    lines = (place / "list.txt").read_text().splitlines()
    (place / "list.txt").write_text(
        "".join(f"{line.split()[0]} {(int(line.split()[1]) + 1) % 3}\n" for line in lines)
    )
    return []


def other_list(place: Path) -> list[str]:
    lines = (place / "list.txt").read_text().splitlines()
    (place / "list.txt").write_text("\n".join(lines[:8]))
    return []


def other_seed(place: Path) -> list[str]:
    return ["seed=4"]


def other_classes(place: Path) -> list[str]:
    names = "['red','green','violet']"
    return [f"data.{part}.data_source.classes={names}" for part in ("train", "val")]


def files_of(work_dir: Path) -> dict[str, tuple[bytes, str]]:
    """Content and target of each file, by name."""
    paths = [path for path in work_dir.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(work_dir)): (path.read_bytes(), str(path.resolve())) for path in paths
    }


@pytest.mark.parametrize(
    ("change", "name", "text"),
    [
        (swap_labels, "labels", "labels: was "),
        (other_list, "data list", "data list: was "),
        (other_seed, "seed", "seed: was 3, now 4"),
        (other_classes, "classes", "classes: was 3: red, green, blue, now 3: red, green, violet"),
    ],
)
def test_another_run_needs_an_option(change: Any, name: str, text: str, begun: Path) -> None:
    before = files_of(begun / "work")
    options = change(begun)
    done = resume(begun, *options, "runner.max_epochs=1")  # also if nothing is left
    assert done.code == 2, done.text
    assert done.last_line.startswith("error: work/latest.pth is of another run (")
    assert text in done.last_line
    assert "--force-resume" in done.last_line
    assert name in rows(done)
    after = files_of(begun / "work")
    (log,) = set(after) - set(before)  # of this attempt; it has the table
    assert log.endswith(".log")
    assert {name: after[name] for name in before} == before
    done = resume(begun, *options, flags=("--force-resume",))
    assert done.code == 0, done.text
    assert name in rows(done)
    assert load(begun / "work" / "latest.pth")["meta"]["epoch"] == 2


def test_the_option_in_a_config(begun: Path) -> None:
    assert resume(begun, "seed=4", "force_resume=True").code == 0
    assert resume(begun, "seed=4").code == 0  # it is the run with this seed now


def test_a_checkpoint_that_says_less(begun: Path) -> None:
    """Earlier versions wrote no facts about the data, and a rate that a schedule has changed."""
    path = (begun / "work" / "latest.pth").resolve()
    state = load(path)
    del state["meta"]["run"]
    torch.save(state, path)
    done = resume(begun, "optimizer.lr=0.5", "optimizer.momentum=0.9")
    assert done.code == 0, done.text
    assert rows(done)["optimizer.lr"] == ["0.05", "0.5", "0.05 (of the checkpoint)"]
    assert "optimizer.momentum" not in rows(done)


@pytest.fixture
def nodes(begun: Path) -> list[Path]:
    """Two nodes: each has its own copy of the images, the configs and the work dir."""
    second = begun.with_name("second")
    return [begun, Path(shutil.copytree(begun, second, symlinks=True))]


RESUME = ["train.py", "classifier.py", "--work_dir", "work", "--auto-resume"]
TWO = ["--cfg-options", "runner.max_epochs=2"]


def lines_with(done: Done, text: str) -> list[str]:
    assert "Traceback" not in done.text, done.text
    return [line for line in done.text.splitlines() if text in line]


def assert_refused(found: list[Done], text: str) -> None:
    """Every node ends with one line."""
    for done in found:
        assert done.code == 2, done.text
        (line,) = lines_with(done, "error: ")
        assert line.startswith("error: rank 1")
        assert text in line


def test_nodes_with_equal_files_go_on(nodes: list[Path]) -> None:
    found = run_nodes(*RESUME, *TWO, folders=nodes)
    assert [done.code for done in found] == [0, 0], found[0].text + found[1].text
    assert load(nodes[0] / "work" / "latest.pth")["meta"]["epoch"] == 2


def test_a_node_with_an_older_checkpoint(nodes: list[Path]) -> None:
    assert resume(nodes[0]).code == 0  # the second node has the first epoch still
    found = run_nodes(*RESUME, "--cfg-options", "runner.max_epochs=3", folders=nodes)
    assert_refused(found, "epoch 1, iter 3, seed 3")
    assert "but epoch 2, iter 6, seed 3" in found[1].text


def test_a_node_without_a_checkpoint(nodes: list[Path]) -> None:
    shutil.rmtree(nodes[1] / "work")
    assert_refused(run_nodes(*RESUME, *TWO, folders=nodes), "no checkpoint")
    assert_refused(run_nodes(*RESUME, *TWO, folders=nodes[::-1]), "but no checkpoint on rank 0")


def test_a_node_with_other_initial_weights(nodes: list[Path]) -> None:
    for place in nodes:
        (place / "work" / "latest.pth").resolve().rename(place / "start.pth")
    state = load(nodes[1] / "start.pth")
    state["state_dict"]["head.fc_cls.bias"] += 1
    torch.save(state, nodes[1] / "start.pth")
    argv = ["train.py", "classifier.py", "--work_dir", "new", "--cfg-options"]
    found = run_nodes(*argv, "load_from=start.pth", folders=nodes)
    assert_refused(found, "has load_from: epoch 1, iter 3, seed 3, digest")
    (nodes[1] / "start.pth").unlink()
    found = run_nodes(*argv, "load_from=start.pth", folders=nodes)
    assert_refused(found, "load_from: there is no checkpoint start.pth")


def test_a_node_with_other_data(nodes: list[Path]) -> None:
    argv = ["train.py", "classifier.py", "--work_dir", "new"]
    swap_labels(nodes[1])
    assert_refused(run_nodes(*argv, folders=nodes), "has data.train, labels: ")
    shutil.rmtree(nodes[1] / "images")
    assert_refused(run_nodes(*argv, folders=nodes), "images: no such folder of images")


def test_a_node_that_lacks_an_image(nodes: list[Path]) -> None:
    """Found by one rank before the first iteration: both nodes end with its line."""
    for number in range(12):
        (nodes[1] / "images" / f"{number}.jpg").unlink()
    found = run_nodes("train.py", "classifier.py", "--work_dir", "new", folders=nodes)
    assert_refused(found, "12 of 12 images of list.txt are not there: images/0.jpg (line 1)")


def test_a_node_that_can_not_write(nodes: list[Path]) -> None:
    (nodes[1] / "new").touch()
    found = run_nodes("train.py", "classifier.py", "--work_dir", "new", folders=nodes)
    assert_refused(found, "can't write the work dir new")


TEST = ["test.py", "classifier.py", "work/latest.pth", "--work_dir", "test"]
KNN = [
    "benchmarks/classification/test_knn.py", "classifier.py", "--checkpoint", "work/latest.pth",
    "--dataset-config", "classifier.py", "--num-knn", "3", "--work_dir", "test",
]  # fmt: skip


@pytest.mark.parametrize("command", [TEST, KNN])
def test_other_tools_on_a_node_that_lacks_something(command: list[str], nodes: list[Path]) -> None:
    """Before, the first rank waited for the second one, or said nothing of it."""
    (nodes[1] / "test").touch()
    assert_refused(run_nodes(*command, folders=nodes), "can't write the work dir test")
    (nodes[1] / "test").unlink()
    (nodes[1] / "list.txt").rename(nodes[1] / "other.txt")
    assert_refused(run_nodes(*command, folders=nodes), "list.txt")
    (nodes[1] / "other.txt").rename(nodes[1] / "list.txt")
    (nodes[1] / "work" / "latest.pth").unlink()
    assert_refused(run_nodes(*command, folders=nodes), "work/latest.pth")


@pytest.mark.parametrize("command", [TEST, KNN])
def test_other_tools_lose_a_rank(command: list[str], nodes: list[Path]) -> None:
    for number in range(12):
        (nodes[1] / "images" / f"{number}.jpg").unlink()
    found = run_nodes(*command, folders=nodes)
    assert_refused(found, "12 of 12 images of list.txt are not there: images/0.jpg (line 1)")


@pytest.fixture
def address(begun: Path) -> Iterator[str]:
    """The address of a server with the files of ``work``."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(begun / "work"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_two_ranks_resume_from_an_address(nodes: list[Path], address: str) -> None:
    """The first rank downloads while the other waits; both begin without the file."""
    found = run_nodes(
        "train.py", "classifier.py", "--work_dir", "two", "--resume_from",
        f"{address}/epoch_1.pth", *TWO, folders=nodes, one_node=True,
        TORCH_HOME=str(nodes[0] / "cache"), MMSELFSUP_ALLOW_HTTP="1",
    )  # fmt: skip
    assert [done.code for done in found] == [0, 0], found[0].text + found[1].text
    meta = load(nodes[0] / "two" / "latest.pth")["meta"]
    assert (meta["epoch"], meta["seed"]) == (2, 3)
