"""What the classifiers of a study start from: random weights, a pre-training, weights of a file.

``--start`` names any set of starts. Each is an arm, whose name says its start: folders, results and
tables have it. ``from-imagenet`` is the file named imagenet, ``from-imagenet+simclr@lora`` SimCLR
from that file with LoRA, ``simclr+dino`` DINO after SimCLR.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from mmselfsup.utils.errors import UserError

SCRATCH = "scratch"
JOIN = "+"  # between the tasks in the name of a curriculum
SSL = "ssl"  # the pre-trainings of ALGORITHM, from random weights
DISTILLED = "distilled"  # the student of the teacher that the file holds
DISTILLATION = "distillation"  # folder of the configs of that pre-training
#: In front of the name of a file in the name of an arm, so that it is not taken for a task.
FROM = "from-"
ADAPTED = "@"  # before the type of the adaptation
#: Types of ``adapt``, and their names in tables; ``core.adaptation`` has them, which loads torch.
ADAPTATIONS = {
    "full": "all weights",
    "last_blocks": "last blocks",
    "lora": "LoRA",
    "apla": "APLA",
    "norm_bias": "norms and biases",
}
_ESCAPED = "%2B"  # a plus of an address that would end like a pre-training
_ALIKE = 0.75  # similarity, 0..1, from which a word of an address is a pre-training misspelt
_NAME = re.compile(r"\w[\w.-]*")
#: The last pre-training of a start, and its adaptation: ``+dino``, ``+ssl:lora``.
_LAST = re.compile(r"(?P<head>.*)\+(?P<task>[^+:]+)(:(?P<adapt>[^+:]*))?")
_HELP = (
    f"give {SCRATCH}, {SSL} (ALGORITHM) or another pre-training, NAME=FILE, NAME=FILE+{SSL}, "
    f"NAME=FILE+{SSL}:lora ({', '.join(ADAPTATIONS)}) or {DISTILLED}=TEACHER; several "
    f"pre-trainings follow each other as in {SSL}+supcon"
)


@dataclass(frozen=True)
class Start:
    """A start as the user named it.

    Attributes:
        name: ``scratch``, ``distilled``, the name that the user gave a file, or the pre-trainings.
        weights: The file or address of the weights (of ``distilled``: the teacher's); None: random.
        tasks: The pre-trainings that follow, in order, before the classifier; ``ssl`` stands for
            those of ALGORITHM.
        adapt: Type of ``adapt`` in these pre-trainings, but in none from random weights; None: they
            train as their configs say.
    """

    name: str
    weights: str | None = None
    tasks: tuple[str, ...] = ()
    adapt: str | None = None

    @property
    def ssl(self) -> bool:
        """Return whether pre-trainings follow, before the classifier."""
        return bool(self.tasks)

    def word(self, known: Collection[str] = ()) -> str:
        """Return its part in the name of a study's folder.

        Args:
            known: Names of the pre-trainings: a file that is called as one has a word in front.
        """
        name = FROM + self.name if self._is_file and self.name in known else self.name
        follows = f"-{JOIN.join(self.tasks)}" if self._is_file and self.tasks else ""
        return name + follows + (f"-{self.adapt}" if self.adapt else "")

    @property
    def _is_file(self) -> bool:
        return self.weights is not None and self.name != DISTILLED

    def sequences(self, ssl: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
        """Return its pre-trainings, in order, for each of the sequences that ``ssl`` stands for."""
        if SSL not in self.tasks:
            return [self.tasks]
        at = self.tasks.index(SSL)
        return [(*self.tasks[:at], *tasks, *self.tasks[at + 1 :]) for tasks in ssl]

    def adapts(self, tasks: Sequence[str]) -> bool:
        """Return whether the last of these tasks adapts weights: the first one may have none."""
        return self.adapt is not None and (self._is_file or len(tasks) > 1)

    def arm(self, tasks: Sequence[str] = ()) -> str:
        """Return the name of the arm, or of a pre-training, with these tasks after the start."""
        if self.name == SCRATCH:
            return SCRATCH
        parts = [*([FROM + self.name] if self._is_file else []), *tasks]
        return JOIN.join(parts) + (f"{ADAPTED}{self.adapt}" if self.adapts(tasks) else "")


class ArmParts(NamedTuple):
    """What the name of an arm says.

    Attributes:
        start: Name of the file that it starts from; empty: random weights.
        tasks: Its pre-trainings, or ``scratch``.
        adapt: Type of the adaptation; empty: none.
    """

    start: str
    tasks: tuple[str, ...]
    adapt: str


def split_arm(arm: str) -> ArmParts:
    """Take the name of an arm, or of a pre-training, apart."""
    body, _, adapt = arm.partition(ADAPTED)
    parts = body.split(JOIN)
    if parts[0].startswith(FROM):
        return ArmParts(parts[0].removeprefix(FROM), tuple(parts[1:]), adapt)
    return ArmParts("", tuple(parts), adapt)


def read_starts(
    texts: Sequence[str], place: Callable[[str], Path], known: Collection[str] = ()
) -> tuple[Start, ...]:
    """Read the values of --start.

    Args:
        texts: The values.
        place: Function that returns the path of a file as commands name it.
        known: Names of the pre-trainings that there are, beside ``ssl``.

    Raises:
        UserError: A value is of another form, its file or pre-training does not exist, a name
            stands for two files, or a start is named twice.
    """
    starts = tuple(_read(text, place, known) for text in texts)
    files: dict[str, str] = {}
    for number, start in enumerate(starts):
        if start in starts[:number]:
            raise UserError(f"--start names {texts[number]} twice: each start is one arm")
        if start.weights and files.setdefault(start.name, start.weights) != start.weights:
            raise UserError(
                f"--start: {start.name} stands for {files[start.name]} and for {start.weights}: "
                "give each file a name of its own"
            )
    return starts


def _read(text: str, place: Callable[[str], Path], known: Collection[str]) -> Start:
    if text == SCRATCH:
        return Start(SCRATCH)
    name, is_file, rest = text.partition("=")
    if not is_file:
        if "" in text.split(JOIN):
            raise UserError(f"--start {text}: a pre-training is missing beside {JOIN}; {_HELP}")
        name, rest = "", JOIN + text
    elif not _NAME.fullmatch(name) or name in (SCRATCH, SSL) or name.startswith(FROM) or not rest:
        raise UserError(f"--start {text}: {_HELP}")
    weights, tasks, adapt = _split_tasks(rest, known, lambda head: _found(head, place) is not None)
    if adapt is not None and adapt not in ADAPTATIONS:
        raise UserError(f"--start {text}: no adaptation {adapt}; {_HELP}")
    if not is_file:
        if weights:
            raise UserError(f"--start {text}: {_unknown(weights, known)}")
        if adapt is not None and len(tasks) < 2:
            raise UserError(
                f"--start {text}: {tasks[0]} starts from random weights, and {adapt} adapts "
                f"others: name a file, NAME=FILE+{text}, or a pre-training before it"
            )
        return Start(JOIN.join(tasks), None, tasks, adapt)
    if name == DISTILLED and tasks:
        raise UserError(
            f"--start {text}: {DISTILLED} names a teacher and takes no +{tasks[0]}; {_HELP}"
        )
    weights = _find_file(text, weights, place, known)
    return Start(name, weights, (DISTILLATION,) if name == DISTILLED else tasks, adapt)


def _split_tasks(
    text: str, known: Collection[str], is_file: Callable[[str], bool]
) -> tuple[str, tuple[str, ...], str | None]:
    """Take the known pre-trainings, and the adaptation of the last one, off the end of a text.

    What is left is the file, whose name may end like a pre-training.
    """
    tasks: list[str] = []
    adapt = None
    while (last := _LAST.fullmatch(text)) and last["task"] in (SSL, *known) and not is_file(text):
        if last["adapt"] is not None:
            if tasks:  # only the last one may have one, which holds for all
                break
            adapt = last["adapt"]
        text = last["head"]
        tasks.insert(0, last["task"])
    return text, tuple(tasks), adapt


def _find_file(
    text: str, weights: str, place: Callable[[str], Path], known: Collection[str]
) -> str:
    """Return the path of a file of weights as commands name it; an address as it is.

    Raises:
        UserError: There is no such file, or a word after it is no pre-training. An address may have
            a plus (in a name, in a signature): refused is only what resembles a pre-training.
    """
    last = _LAST.fullmatch(weights)
    if "://" in weights:
        names = [name.lower() for name in (SSL, *known)]
        if last and get_close_matches(last["task"].lower(), names, cutoff=_ALIKE):
            raise UserError(
                f"--start {text}: {_unknown(weights, known)}; a {JOIN} of the address itself is "
                f"written {_ESCAPED}"
            )
        return weights
    if (path := _found(weights, place)) is not None:
        return str(path)
    # A file's name may have a plus, but then it has an ending.
    if last and (_found(last["head"], place) or "." not in last["task"]):
        raise UserError(f"--start {text}: {_unknown(weights, known)}")
    raise UserError(f"--start {text}: there is no file {weights}; {_HELP}")


def _found(text: str, place: Callable[[str], Path]) -> Path | None:
    """Return the path of a file; None where there is none, or where it can't be one."""
    try:
        path = place(text)
    except RuntimeError:  # of pathlib: there is no such user as in ~nobody/x.pth
        return None
    return path if os.path.isfile(path) else None  # of pathlib it raises for a name too long


def _unknown(text: str, known: Collection[str]) -> str:
    """Return what to do about a text whose last word is no pre-training."""
    last = _LAST.fullmatch(text)
    word = last["task"] if last else text.lstrip(JOIN)
    if word in (SSL, *known):
        return f"the adaptation stands after the last pre-training and holds for all; {_HELP}"
    names = ", ".join([SSL, *sorted(set(known))])
    return f"no pre-training {word} has a config of this SIZE, there are {names}; {_HELP}"


def hidden_start(options: Sequence[str]) -> tuple[Start | None, tuple[str, ...]]:
    """Take ``load_from=FILE`` out of the overrides of the pre-trainings.

    Without a name of its own the gain of such weights would be that of the pre-training.

    Returns:
        The start that it means, named as its file, None without one; and the other overrides.
    """
    given = [option for option in options if option.partition("=")[0] == "load_from"]
    if not given:
        return None, tuple(options)
    weights = given[-1].partition("=")[2].strip("'\"")
    name = re.sub(r"\W+", "-", Path(weights).stem).strip("-") or "file"
    others = tuple(option for option in options if option not in given)
    return Start(name, weights, (SSL,)), others


def find_starts(
    texts: Sequence[str],
    ssl_options: tuple[str, ...],
    place: Callable[[str], Path],
    known: Collection[str] = (),
) -> tuple[tuple[Start, ...], tuple[str, ...]]:
    """Read --start, or find the weights that --ssl-options loads.

    Args:
        texts: The values of --start.
        ssl_options: Those of --ssl-options.
        place: See ``read_starts``.
        known: See ``read_starts``.

    Returns:
        The starts, empty where neither names weights, and the overrides of the pre-trainings.

    Raises:
        UserError: A start can't be used, or both name weights.
    """
    hidden, options = hidden_start(ssl_options)
    if hidden is None:
        return read_starts(texts, place, known), options
    text = f"{hidden.name}={hidden.weights}"
    if texts:
        raise UserError(
            f"--ssl-options load_from={hidden.weights} with --start: name the file there, "
            f"--start {text}+ssl"
        )
    print(
        f"--ssl-options load_from is read as --start {SCRATCH} {text}+ssl, so that tables say "
        f"where the gain comes from; --start {SCRATCH} {text} {text}+ssl also shows what the "
        "pre-training adds",
        flush=True,
    )
    return read_starts([SCRATCH, f"{text}+ssl"], place), options
