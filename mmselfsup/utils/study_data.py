"""The description of a data set for a study: all that ``mmselfsup.study`` knows of it.

A data set has one object of ``StudyData``, in a module beside its other code, such as
``mmselfsup/isic/study_data.py``. The study finds files, lists, configs and commands through that
object alone, so that another data set needs a description and configs, and no change of the study.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import UserError
from .fold_lists import list_name

#: The words of a study's data beside its results, from which reports and model cards take them.
WORDS = "data_words.json"


@dataclass(frozen=True)
class Words:
    """What a data set is called in texts.

    Attributes:
        name: Name of the data set.
        group, groups: What images of one group have in common, one and several: ``lesion``,
            ``patients``.
        prepared: How many images of the list were there, and how they were prepared; empty where
            nothing is to be said.
        licence: Licence of its images; empty where it is not known.
        lists: First part of the file names of its lists; empty in files of older versions.
    """

    name: str
    group: str = "lesion"
    groups: str = "lesions"
    prepared: str = ""
    licence: str = ""
    lists: str = ""

    @property
    def grouped(self) -> bool:
        """Whether images form groups; without a column of them, each is one of its own."""
        return self.group != "image"


def read_words(folders: Iterable[Path]) -> Words | None:
    """Return the words in the first of several folders that has any; None if none has.

    Raises:
        UserError: The file is damaged.
    """
    path = next((p for p in (folder / WORDS for folder in folders) if p.is_file()), None)
    if path is None:
        return None
    try:
        return Words(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path}: can't read it ({error})") from error


@dataclass(frozen=True)
class TableFile:
    """A CSV file of the data set.

    Attributes:
        name: Its file name, which is searched below the data set's folder.
        option: Option of the command that makes the lists, which names another file.
    """

    name: str
    option: str


@dataclass(frozen=True)
class DemoData:
    """Synthetic images in the layout of the data set, for a study that takes minutes.

    Attributes:
        command: Tool that writes them, with its first arguments; it takes ``--out FOLDER``.
        facts: All that their content depends on; values that JSON can hold.
        outputs: Files below the folder that exist when the images are complete.
    """

    command: tuple[str, ...]
    facts: Mapping[str, Any]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class StudyData:
    """A data set, as a study sees it.

    Tools are paths relative to the repository. A tool is given with its first arguments, so a
    description may give a general tool the data set's own file names and columns.

    Attributes:
        name: Name of the data set in messages and on pages.
        folder: Name of its folder below ``work_dirs/``, and of the demo images below ``data/``.
        root_variable: Environment variable that names the folder of the images and CSV files.
        program: Script that starts the study.
        guide: Page of the documentation that says how to get and prepare the data.
        labels: The CSV file of the labels.
        groups: The CSV file that says which images belong together: a group (the images of one
            lesion, or of one patient) is never divided between training and test.
        find_images: Returns from the data set's folder that of the images, and the file names by
            name without extension. It raises ``UserError`` where there is no image.
        find_table: Returns from the data set's folder, the name of a CSV file and its option the
            path of the file. It raises ``UserError`` where there is none.
        lists: First part of the file names of the lists.
        split_command: Tool that makes the lists of all folds; it takes ``--root``, the option of
            ``groups``, ``--out``, ``--folds`` and ``--seed``, and what the user adds.
        compare_command: Tool that compares the features before and after a pre-training.
        explain_command: Tool that explains a classifier; it has the data set's mask finder, which
            says where in an image the labelled object is. Empty: there is none.
        subset_command: Tool that draws a part of the labels of a list by whole groups; it takes
            ``--list``, the option of ``groups``, ``--percent``, ``--seed`` and ``--out``. Empty:
            the data set has none.
        configs: Last part of the names of its configs, and their folder below
            ``configs/benchmarks/classification``.
        full_size: Side of the images in pixels of the configs whose names don't say it.
        num_folds: Number of folds that the study makes.
        demo: Its synthetic images; None: it has none.
        duplicates_option: Option of ``split_command`` that keeps near-duplicates in one fold; empty
            where it always does.
        licence: Licence of its images, as a report and a model card state it; '' if not known.
        group: What the images of a group have in common, for one group and for several.
    """

    name: str
    folder: str
    root_variable: str
    program: str
    guide: str
    labels: TableFile
    groups: TableFile
    find_images: Callable[[Path], tuple[Path, dict[str, str]]]
    find_table: Callable[[Path, str, str], Path]
    lists: str
    split_command: tuple[str, ...]
    compare_command: tuple[str, ...]
    explain_command: tuple[str, ...]
    configs: str
    full_size: str = "224"
    num_folds: int = 5
    demo: DemoData | None = None
    subset_command: tuple[str, ...] = ()
    duplicates_option: str = ""
    licence: str = ""
    group: tuple[str, str] = ("lesion", "lesions")

    def list_name(self, part: str, fold: int | str) -> str:
        """Return the file name of a list.

        Args:
            part: Part of the data: ``train``, ``test``, ``subtrain`` or ``val``.
            fold: Number of the fold, from 0; ``*`` for a pattern of all.
        """
        return list_name(self.lists, part, fold)

    def config_ending(self, size: str) -> str:
        """Return the last part of the names of a size's configs (pixels, or ``demo``)."""
        return self.configs if size == self.full_size else f"{self.configs}-{size}"


def licence_of(words: Words, known: Iterable[StudyData]) -> str:
    """Return the licence that words state, else that of the known data set of that name, else ''.

    Args:
        words: The words of a study.
        known: Data sets whose licence is in the code.
    """
    return words.licence or next((data.licence for data in known if data.name == words.name), "")
