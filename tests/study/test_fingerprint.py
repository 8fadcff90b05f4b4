"""What a command reads: each thing that can change a number changes its stamp, and only that."""

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from mmselfsup.study import configs, fingerprint
from mmselfsup.study.fingerprint import command_stamp, file_stamp, forget_images
from mmselfsup.study.step import Step


def stamp(root: Path, *argv: str) -> dict[str, Any]:
    return command_stamp(("tools/train.py", *argv), root)


def stamp_after_changes(root: Path, module: str, files: Sequence[Path]) -> dict[str, Any]:
    """Change each file in turn and assert that the stamp of a config follows; return the last one.

    The config ``c.py`` imports the module.
    """
    (root / "c.py").write_text(f"custom_imports = dict(imports=[{module!r}])\n")
    before = stamp(root, "c.py")
    assert stamp(root, "c.py") == before
    for file in files:
        file.write_text(f"{file.read_text()}x = {module!r}\n")
        after = stamp(root, "c.py")
        assert after != before, file
        before = after
    return before


def test_every_file_of_an_imported_package_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "own_package_of_fingerprints"
    (package / "losses").mkdir(parents=True)
    files = [package / name for name in ("__init__.py", "a.py", "losses/b.py")]
    for file in files:
        file.write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    stamp_after_changes(tmp_path, package.name, files)


def test_what_an_imported_module_uses_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file beside the config that uses another one, and one module of a package."""
    package = tmp_path / "package_of_fingerprints"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "methods.py").write_text("from . import losses\n")
    (package / "losses.py").write_text("import helper_of_fingerprints\n")
    for name in ("helper_of_fingerprints", "unused_of_fingerprints"):
        (tmp_path / f"{name}.py").write_text("x = 0\n")
    module = tmp_path / "module_of_fingerprints.py"
    module.write_text("from helper_of_fingerprints import x\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    used = [package / "losses.py", package / "__init__.py", tmp_path / "helper_of_fingerprints.py"]
    for name, files in ((module.stem, used[2:]), (f"{package.name}.methods", used)):
        before = stamp_after_changes(tmp_path, name, files)
        (tmp_path / "unused_of_fingerprints.py").write_text(f"x = {name!r}\n")
        assert stamp(tmp_path, "c.py") == before


def test_folders_without_init_are_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a module, of a helper, in a package; a link to itself, and the name of another package."""
    folder, helpers = tmp_path / "bare_of_fingerprints", tmp_path / "helpers_of_fingerprints"
    whole = tmp_path / "whole_of_fingerprints"
    for place in (folder / "deep" / "deeper", helpers / "below", whole / "part", tmp_path / "yaml"):
        place.mkdir(parents=True)
    (folder / "losses.py").write_text(f"from {helpers.name} import a\nimport yaml\n")
    (folder / "again").symlink_to(folder)
    files = [folder / "losses.py", folder / "b.py", helpers / "a.py", helpers / "below" / "c.py"]
    whole_files = [whole / "__init__.py", whole / "part" / "d.py"]
    alone = folder / "deep" / "deeper" / "e.py"  # no file in the folder between
    for file in (*files[1:], *whole_files, alone, tmp_path / "yaml" / "copy.py"):
        file.write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, used in (
        (f"{folder.name}.losses", files),
        (f"{folder.name}.deep.deeper.e", [alone]),
        (f"{whole.name}.part", whole_files),
    ):
        before = stamp_after_changes(tmp_path, name, used)
        (tmp_path / "yaml" / "copy.py").write_text(f"x = {name!r}\n")  # Python finds the other
        assert stamp(tmp_path, "c.py") == before


def test_images_in_folders_below_others_count(tmp_path: Path) -> None:
    """Classes in folders beside a single image, and a folder that is a link."""
    (tmp_path / "images" / "class").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "images" / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("images/logo.png", "images/class/1.png", "elsewhere/2.png"):
        (tmp_path / name).write_bytes(b"1")
    before = stamp(tmp_path, "--known-images", "images")
    for name in ("images/logo.png", "images/class/1.png", "elsewhere/2.png"):
        (tmp_path / name).write_bytes(b"22")
        forget_images()
        after = stamp(tmp_path, "--known-images", "images")
        assert after != before, name
        before = after


def test_each_positional_argument_counts(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_text("1")
    first = stamp(tmp_path, "w.pth", "2", "3")
    assert (first["argument 2"], first["argument 3"]) == (2, 3)
    assert stamp(tmp_path, "w.pth", "1", "3") != first
    (tmp_path / "w.pth").write_text("2")
    assert stamp(tmp_path, "w.pth", "2", "3")["checkpoint"] != first["checkpoint"]


def test_weights_of_a_step_are_known_by_its_settings(tmp_path: Path) -> None:
    step = Step("training", tmp_path / "run", {"lr": 0.1}, ("latest.pth", "scores.json"))
    step.begin()
    for name in ("latest.pth", "scores.json", "other.pth"):
        (step.folder / name).write_text("1")
    step.finish(1.0)
    weights, plain = step.folder / "latest.pth", step.folder / "scores.json"
    assert "of settings" in file_stamp(weights)
    # What the step did not record, or what is no checkpoint, is known by its content alone.
    assert file_stamp(plain) == file_stamp(step.folder / "other.pth")
    assert "of settings" not in file_stamp(plain)
    weights.write_text("2")
    assert "of settings" not in file_stamp(weights)


def test_a_list_that_can_not_be_read_is_left_to_the_command(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00 no text")
    assert stamp(tmp_path, "--train", "list.txt")["train"]


def test_a_fork_runs_a_module_as_it_was_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is edited while a study runs: the next study starts again what it made."""
    module, config = tmp_path / "edited_of_fingerprints.py", tmp_path / "c.py"
    module.write_text("x = 1\n")
    config.write_text(f"custom_imports = dict(imports=[{module.stem!r}])\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    configs.load(config)  # imports it
    before = stamp(tmp_path, "c.py")
    assert command_stamp(("tools/train.py", "c.py"), tmp_path, in_fork=True) == before
    module.write_text("x = 22\n")
    assert command_stamp(("tools/train.py", "c.py"), tmp_path, in_fork=True) == before
    assert stamp(tmp_path, "c.py") != before


def test_the_lists_of_a_monitor_count_and_their_place_does_not(tmp_path: Path) -> None:
    """``adapt.monitor.data`` of a study; the config of a hook may name such a file, too."""
    (tmp_path / "c.py").write_text("x = 1\ndata = dict(train=dict(ann_file='train.txt'))\n")
    (tmp_path / "hook.py").write_text("custom_hooks = [dict(data='a/monitor.py')]\n")
    (tmp_path / "train.txt").write_text("1.jpg 0\n")
    stamps = []
    for place, text in (("a", "1.jpg 0\n"), ("b", "1.jpg 0\n"), ("a", "1.jpg 1\n")):
        (tmp_path / place).mkdir(exist_ok=True)
        list_ = tmp_path / place / "val.txt"
        list_.write_text(text)
        data = f"data = dict(train=dict(ann_file={str(list_)!r}))\n"
        (tmp_path / place / "monitor.py").write_text(data)
        own = f"adapt.monitor.data={place}/monitor.py"
        lists = "data.train.ann_file=train.txt"
        stamps.append(stamp(tmp_path, "c.py", "--cfg-options", own, lists))
    assert stamps[0] == stamps[1] != stamps[2]
    before = stamp(tmp_path, "hook.py")
    (tmp_path / "a" / "val.txt").write_text("2.jpg 1\n")
    assert stamp(tmp_path, "hook.py") != before


def changed_by(library: str, root: Path, tool: str, config: str) -> bool:
    """Whether another version of a library changes the stamp of a tool with a config."""
    (root / "c.py").write_text(config)
    argv = (tool, "c.py", "--cfg-options", "seed=1")
    before = command_stamp(argv, root)
    with pytest.MonkeyPatch.context() as patch:
        version = metadata.version
        patch.setattr(metadata, "version", lambda name: f"{version(name)}{'x' * (name == library)}")
        fingerprint._version.cache_clear()
        after = command_stamp(argv, root)
    fingerprint._version.cache_clear()
    return after != before


@pytest.mark.parametrize(
    ("library", "tool", "config", "counts"),
    [
        ("torch", "train", "", True),
        ("torchvision", "train", "", True),
        ("pillow", "train", "", True),
        ("opencv-python", "train", "", True),
        ("timm", "train", "model = dict(backbone=dict(type='timm.resnet18'))", True),
        ("timm", "train", "model = dict(backbone=dict(type='mmcls.TIMMBackbone'))", True),
        ("timm", "train", "train_pipeline = [dict(type='RandomAug')]", True),
        ("timm", "train", "model = dict(backbone=dict(type='ResNet'))", False),
        ("faiss-cpu", "train", "hooks = [dict(clustering=dict(type='Kmeans'))]", True),
        ("faiss-cpu", "train", "", False),
        ("scikit-learn", "train", "", False),
        ("scikit-learn", "benchmarks/classification/test_linear", "", True),
        ("numpy", "test", "", False),
    ],
)
def test_libraries_that_can_change_a_number_count(
    library: str, tool: str, config: str, counts: bool, tmp_path: Path
) -> None:
    """Another Pillow or OpenCV decodes other pixels; the stamp had the version of torch alone."""
    assert changed_by(library, tmp_path, f"tools/{tool}.py", config) is counts


def test_an_option_in_several_parts_counts_with_all_of_them(tmp_path: Path) -> None:
    (tmp_path / "c.py").write_text("")
    parts = [
        stamp(tmp_path, "c.py", "--cfg-options", f"a={n}", "--cfg-options", "b=2") for n in "12"
    ]
    assert parts[0] != parts[1]
    assert parts[0] == stamp(tmp_path, "c.py", "--cfg-options", "a=1", "b=2")


def test_files_in_the_home_folder_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a config and as an override, as the trainings read them."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    weights = tmp_path / "home" / "w.pth"
    weights.parent.mkdir()
    (tmp_path / "c.py").write_text("model = dict(teacher=dict(checkpoint='~/w.pth'))\n")
    for argv in (("c.py",), ("c.py", "--cfg-options", "load_from=~/w.pth")):
        weights.write_text("a")
        before = stamp(tmp_path, *argv)
        weights.write_text("bb")
        assert stamp(tmp_path, *argv) != before
