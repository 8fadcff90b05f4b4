"""What the classifiers of a study start from: random weights, a pre-training, weights of a file.

``--start`` names any set of starts. Each is an arm, whose name says its start: folders, results and
tables have it. ``from-imagenet`` is the file named imagenet, ``from-imagenet+simclr@lora`` SimCLR
from that file with LoRA.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
_START = re.compile(r"(?P<name>\w[\w.-]*)=(?P<file>.+?)(?P<ssl>\+ssl(:(?P<adapt>\w+))?)?")
_HELP = (
    f"give {SCRATCH}, {SSL}, NAME=FILE, NAME=FILE+ssl, NAME=FILE+ssl:lora "
    f"({', '.join(ADAPTATIONS)}) or {DISTILLED}=TEACHER"
)


@dataclass(frozen=True)
class Start:
    """A start as the user named it.

    Attributes:
        name: ``scratch``, ``ssl``, ``distilled``, or the name that the user gave a file.
        weights: The file or address of the weights (of ``distilled``: the teacher's); None: random.
        ssl: Whether pre-trainings follow, before the classifier.
        adapt: Type of ``adapt`` in these pre-trainings; None: they train as their configs say.
    """

    name: str
    weights: str | None = None
    ssl: bool = False
    adapt: str | None = None

    @property
    def word(self) -> str:
        """Return its part in the name of a study's folder."""
        follows = "-ssl" if self.ssl and self.name not in (SSL, DISTILLED) else ""
        return self.name + follows + (f"-{self.adapt}" if self.adapt else "")

    def arm(self, tasks: Sequence[str] = ()) -> str:
        """Return the name of the arm, or of a pre-training, with these tasks after the start."""
        if self.name == SCRATCH:
            return SCRATCH
        named = self.weights is not None and self.name != DISTILLED
        parts = [*([FROM + self.name] if named else []), *tasks]
        return JOIN.join(parts) + (ADAPTED + self.adapt if self.adapt else "")


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


def read_starts(texts: Sequence[str], place: Callable[[str], Path]) -> tuple[Start, ...]:
    """Read the values of --start.

    Args:
        texts: The values.
        place: Function that returns the path of a file as commands name it.

    Raises:
        UserError: A value is of another form, its file does not exist, a name stands for two files,
            or a start is named twice.
    """
    starts = tuple(_read(text, place) for text in texts)
    files: dict[str, str | None] = {}
    for number, start in enumerate(starts):
        if start in starts[:number]:
            raise UserError(f"--start names {texts[number]} twice: each start is one arm")
        if files.setdefault(start.name, start.weights) != start.weights:
            raise UserError(
                f"--start: {start.name} stands for {files[start.name]} and for {start.weights}: "
                "give each file a name of its own"
            )
    return starts


def _read(text: str, place: Callable[[str], Path]) -> Start:
    if text == SCRATCH:
        return Start(SCRATCH)
    if text == SSL:
        return Start(SSL, ssl=True)
    found = _START.fullmatch(text)
    if found is None or found["name"] in (SCRATCH, SSL) or found["name"].startswith(FROM):
        raise UserError(f"--start {text}: {_HELP}")
    name, adapt, ssl = found["name"], found["adapt"], bool(found["ssl"])
    if adapt is not None and adapt not in ADAPTATIONS:
        raise UserError(f"--start {text}: no adaptation {adapt}; {_HELP}")
    if name == DISTILLED and ssl:
        raise UserError(f"--start {text}: {DISTILLED} names a teacher and takes no +ssl; {_HELP}")
    weights = found["file"]
    if "://" not in weights:
        path = place(weights)
        if not path.is_file():
            raise UserError(f"--start {text}: there is no file {weights}; {_HELP}")
        weights = str(path)
    return Start(name, weights, ssl or name == DISTILLED, adapt)


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
    return Start(name, weights, ssl=True), others


def find_starts(
    texts: Sequence[str], ssl_options: tuple[str, ...], place: Callable[[str], Path]
) -> tuple[tuple[Start, ...], tuple[str, ...]]:
    """Read --start, or find the weights that --ssl-options loads.

    Args:
        texts: The values of --start.
        ssl_options: Those of --ssl-options.
        place: See ``read_starts``.

    Returns:
        The starts, empty where neither names weights, and the overrides of the pre-trainings.

    Raises:
        UserError: A start can't be used, or both name weights.
    """
    hidden, options = hidden_start(ssl_options)
    if hidden is None:
        return read_starts(texts, place), options
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
