"""The schema of results.json."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmselfsup.evaluation.explanation_files import blackout_of
from mmselfsup.utils.errors import ArgumentError, UserError
from mmselfsup.utils.files import atomic_write_json

from .greedy.record import Curriculum, read_curriculum
from .record import RunRecord, SearchRecord, SslRecord

SCHEMA = 2


@dataclass(frozen=True)
class Results:
    """The results of a study: what results.json holds.

    Attributes:
        study: Settings: pre-trainings, fold, seed, configs, data (``data_files.facts``), processes,
            learning rates to try, whether the images are the demo's.
        runs: The classifiers compared.
        lr_search: The learning rates tried.
        ssl: The pre-trainings.
        split: Number of images of every class in each list.
        environment: Versions and machine.
        commands: The command lines that ran.
        curriculum: How the order of the pre-trainings was chosen; None where it was given.
        schema: Version of this layout.
    """

    study: dict[str, Any]
    runs: list[RunRecord]
    lr_search: list[SearchRecord]
    ssl: list[SslRecord]
    split: dict[str, dict[str, int]]
    environment: dict[str, Any]
    commands: list[str]
    curriculum: Curriculum | None = None
    schema: int = SCHEMA

    def write(self, path: Path) -> None:
        """Write the results as JSON; NaN becomes null."""
        atomic_write_json(path, _plain(asdict(self)))


def read_results(path: Path) -> Results:
    """Read a results.json.

    Raises:
        UserError: The file does not exist or has another layout.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            raise UserError(f"{path} has schema {data['schema']}, this version reads {SCHEMA}")
        data["ssl"] = [SslRecord(**ssl) for ssl in data["ssl"]]
        for run in data["runs"]:
            run["ssl"] = [SslRecord(**ssl) for ssl in run["ssl"]]
            # Fields added later are absent in older files of this schema.
            if run.get("blackout") is not None:
                run["blackout"] = blackout_of(run["blackout"])
        data["runs"] = [RunRecord(**run) for run in data["runs"]]
        data["lr_search"] = [SearchRecord(**run) for run in data["lr_search"]]
        if data.get("curriculum") is not None:
            data["curriculum"] = read_curriculum(data["curriculum"])
        return Results(**data)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; run the study first") from None
    except (json.JSONDecodeError, KeyError, TypeError, ArgumentError) as error:
        raise UserError(f"{path} is no results.json of a study: {error}") from error


def _plain(value: Any) -> Any:
    """Replace NaN and infinity, which JSON can't express, by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
