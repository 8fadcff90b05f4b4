"""Data sets of a study as files: a table or list, folders of images, columns, classes, words.

A description is a YAML or JSON file (``configs/study_data/``), or the options of a command line.
``source_folder`` names what ``mmselfsup.apis.study_data.study_source`` makes of it: tables with
fixed names, from which ``study_data`` makes the object that the study works with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import expanded
from mmselfsup.utils.study_data import StudyData, TableFile

DESCRIPTIONS = Path("configs", "study_data")
#: Files of the source folder.
LABELS, GROUPS, FACTS, STATISTICS = "labels.csv", "groups.csv", "source.json", "statistics.txt"
NAMES = {"labels": LABELS, "groups": GROUPS, "facts": FACTS, "statistics": STATISTICS}
#: Override of a classifier whose weights of classes are those of its own training images.
WEIGHTS_OF_TRAINING = "model.head.class_weight=auto"
_TABLES = (".csv", ".tsv", ".txt", ".npz")
_GUIDE = "docs/en/tutorials/14_own_data.md"


@dataclass(frozen=True)
class Description:
    """A data set as its owner describes it.

    Attributes:
        name: Its name in texts and, in small letters, of its folder.
        table: Its list, CSV file or MedMNIST file, or names of which the first that exists counts;
            empty: one folder for each class.
        images: Folders of the images; those that exist count. Empty: the folder of the table.
        image_column, label_column, group_column: Columns of the table; None: known by the header.
        groups_table: Another CSV file with the groups, or names as for ``table``.
        classes: Names of the classes in the order of their numbers; empty: those of the data.
        group: What images of one group have in common, for one and for several groups.
        sources: Whether ids of groups begin with the name of a collection (``HAM_0000118``).
        mask: ``lesion`` for the occlusion test with masks of skin lesions; empty: no such test.
        value_range: See ``BaseDataSource``.
        folds: Number of folds.
        guide: Page that says how to get the data.
        labels_table: A CSV file, or names as for ``table``, with further columns of the table; they
            are joined by the column of the groups.
        only: Rows of the table that count, by the value of a column: ``{image_type: dermoscopic}``.
        file: File name of an image, made of the columns in braces: ``{lesion_id}/{isic_id}.jpg``.
        map: As an external test set: the classes of ISIC-2019 behind each name of its table,
            ``AK or SCC``; ``others``; None leaves the images out. See ``metrics.class_map``.
        subgroups: As an external test set: the columns by which parts of it are measured, by what
            they are: age, sex, site, source, skin tone.
        licence: Licence of the images, which reports state; empty where it is not known.
    """

    name: str
    table: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    image_column: str | None = None
    label_column: str | tuple[str, ...] | None = None
    group_column: str | None = None
    groups_table: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    group: tuple[str, ...] = ("image", "images")
    sources: bool = False
    mask: str = ""
    value_range: tuple[float, ...] = ()
    folds: int = 5
    guide: str = _GUIDE
    labels_table: tuple[str, ...] = ()
    only: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
    map: Mapping[str, str | None] = field(default_factory=dict)
    subgroups: Mapping[str, str] = field(default_factory=dict)
    licence: str = ""

    @property
    def folder(self) -> str:
        """Return its name as that of a folder."""
        return re.sub(r"[^a-z0-9.-]+", "-", self.name.lower()).strip("-.") or "data"


_LISTS = ("table", "images", "groups_table", "classes", "group", "value_range", "labels_table")
_MAPPINGS = ("only", "map", "subgroups")


def read_description(path: Path) -> Description:
    """Return the description in a YAML or JSON file.

    Raises:
        UserError: It can't be read, or a key is unknown or of the wrong type.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise UserError(f"{path}: can't read this description of data ({reason})") from error
    if not isinstance(content, Mapping) or not isinstance(content.get("name"), str):
        raise UserError(f"{path}: a description of data has keys such as name, table and images")
    return make_description(content, str(path))


def make_description(content: Mapping[str, Any], where: str) -> Description:
    """Return the description of plain values.

    Raises:
        UserError: A key is unknown or of the wrong type; ``where`` names the place.
    """
    known = [one.name for one in fields(Description)]
    unknown = [str(key) for key in content if key not in known]
    if unknown:
        raise UserError(f"{where}: unknown key {unknown[0]!r}; there are {', '.join(known)}")
    values: dict[str, Any] = {}
    for key, value in content.items():
        if value is None:
            continue
        if key in _MAPPINGS:
            value = _texts(value, f"{where}: {key}")
        elif key in _LISTS or isinstance(value, list):
            value = tuple(value) if isinstance(value, list | tuple) else (value,)
            if key != "value_range":
                value = tuple(map(str, value))
        values[key] = value
    made = Description(**values)
    if not isinstance(made.licence, str):
        raise UserError(f"{where}: licence must be words, got {made.licence!r}")
    if len(made.group) != 2:
        raise UserError(f"{where}: group has two words, for one and several: [patient, patients]")
    if made.mask not in ("", "lesion"):
        raise UserError(f"{where}: mask is 'lesion' or left out, not {made.mask!r}")
    if not isinstance(made.folds, int) or made.folds < 2:
        raise UserError(f"{where}: folds must be a whole number from 2, got {made.folds!r}")
    return made


def _texts(value: Any, where: str) -> dict[str, str | None]:
    """Return a mapping of texts; numbers are taken as they are written.

    Raises:
        UserError: It is none, or has a list in it.
    """
    plain = (str, int, float)
    if not isinstance(value, Mapping) or not all(
        isinstance(key, plain) and (item is None or isinstance(item, plain))
        for key, item in value.items()
    ):
        raise UserError(f"{where} must have lines 'name: text', such as 'akiec: AK or SCC'")
    return {str(key): None if item is None else str(item) for key, item in value.items()}


def find_description(data: str, root: Path) -> tuple[Description, Path]:
    """Return what ``--data`` names, and the folder from which its files are searched.

    Args:
        data: The name of a file of ``configs/study_data``, a description, a table, or a folder with
            one folder for each class.
        root: The repository.

    Raises:
        UserError: There is nothing of the kind.
    """
    shipped = root / DESCRIPTIONS / f"{data}.yaml"
    path = expanded(data)
    if shipped.is_file() and not path.exists():
        return read_description(shipped), Path.cwd()
    if path.is_dir():
        return Description(path.resolve().name, images=(str(path.resolve()),)), path
    if path.suffix.lower() in (".yaml", ".yml", ".json") and path.is_file():
        return read_description(path), path.parent
    if path.suffix.lower() in _TABLES and path.is_file():
        return Description(path.stem, table=(str(path.resolve()),)), path.parent
    if path.is_file():
        raise UserError(
            f"--data {data}: a table ends with one of {', '.join(sorted(_TABLES))}; save this one "
            "in such a format (from a spreadsheet: as 'CSV UTF-8')"
        )
    names = ", ".join(sorted(file.stem for file in (root / DESCRIPTIONS).glob("*.yaml")))
    raise UserError(
        f"--data {data}: there is no such table, folder or description; give a CSV file, a folder "
        f"with one folder for each class, or one of {names}"
    )


def study_data(description: Description, classes: Sequence[str]) -> StudyData:
    """Return a described data set as the study sees it.

    Args:
        description: The description.
        classes: Names of its classes, in the order of their numbers.
    """
    lists = description.folder.replace("-", "_")
    commands = {"lesion": ("tools/isic2019/explain.py",)}
    return StudyData(
        name=description.name,
        folder=description.folder,
        root_variable="STUDY_SOURCE",
        program="tools/run_study.py",
        guide=description.guide,
        labels=TableFile(LABELS, "--labels"),
        groups=TableFile(GROUPS, "--groups"),
        find_images=find_images,
        find_table=find_table,
        lists=lists,
        split_command=("tools/prepare_study.py", "--name", lists, "--classes", *classes),
        compare_command=("tools/isic2019/look_at_features.py",),
        explain_command=commands.get(description.mask, ()),
        configs="isic2019",
        full_size="224",
        num_folds=description.folds,
        licence=description.licence,
        group=(description.group[0], description.group[1]),
    )


def read_facts(source: Path) -> dict[str, Any]:
    """Return what ``study_source`` has found out about the images.

    Raises:
        UserError: The file is missing or damaged.
    """
    try:
        return dict(json.loads((source / FACTS).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UserError(f"{source / FACTS}: can't read it ({error}); remove {source}") from error


def find_images(source: Path) -> tuple[Path, dict[str, str]]:
    """Return the folder of the images of a source folder, and their names by themselves."""
    facts = read_facts(source)
    return Path(facts["images"]), {name: name for name in facts["examples"]}


def find_table(source: Path, name: str, option: str) -> Path:
    """Return a table of a source folder.

    Raises:
        UserError: There is none.
    """
    if not (source / name).is_file():
        raise UserError(f"{name} is not in {source}; name it with {option}")
    return source / name


def training_options(source: Path) -> dict[str, list[str]]:
    """Return the overrides that fit configs of ISIC-2019 to other images.

    Returns:
        Those of all configs (mean and deviation), of the classifier (its classes), and of the
        pre-trainings, by the fields of ``StudySettings``.
    """
    facts = read_facts(source)
    classes: Sequence[str] = facts["classes"]
    both = ["img_norm_cfg=auto", f"own_data.statistics={source / STATISTICS}"]
    names = "[" + ",".join(repr(str(name)) for name in classes) + "]"
    # Of the images of each training: those of the test fold, and of validations, do not count.
    own = [f"model.head.num_classes={len(classes)}", WEIGHTS_OF_TRAINING]
    own += [f"data.{part}.data_source.classes={names}" for part in ("train", "val", "test")]
    ssl = []
    if facts.get("value_range"):
        ssl = [f"data.train.data_source.value_range={facts['value_range']}"]
        own += [ssl[0].replace("train", part, 1) for part in ("train", "val", "test")]
    groups = {"options": both, "finetune_options": own, "ssl_options": ssl}
    return {key: [option.replace(", ", ",") for option in of] for key, of in groups.items() if of}
