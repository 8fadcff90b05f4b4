"""Runs of many studies, sorted by what was done: only the fold and the seed differ inside."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmselfsup.utils.errors import UserError

from .conditions import describe, identity, lists, reference
from .record import RunRecord
from .results import Results, read_results
from .settings import ALL, SCRATCH
from .verdict import recipe_label

RESULTS = "results.json"
Place = tuple[int, int]  # fold, seed


@dataclass(frozen=True)
class Recipe:
    """A way to make a classifier, with all its runs.

    Attributes:
        label: Name for a table, unlike that of any other recipe.
        runs: The runs by fold and seed.
        folders: Work directory of the study of each run.
        reference: What a recipe shares with the training from scratch that it is compared with.
        test_share: Number of test images for one training image, the mean over the runs.
        demo: Whether the images are the made ones of the demo.
        lists: Hash of the lists; recipes with the same one were tested on the same images.
        conditions: Data, learning rates tried and processes, for people.
        own_scratch: By fold and seed, the training from scratch of the same study.
    """

    label: str
    runs: Mapping[Place, RunRecord]
    folders: Mapping[Place, Path]
    reference: str
    test_share: float
    demo: bool
    lists: str
    conditions: str
    own_scratch: Mapping[Place, RunRecord]

    @property
    def arm(self) -> str:
        """Start of the classifier."""
        return next(iter(self.runs.values())).arm

    @property
    def saw_test_images(self) -> bool:
        """Whether the pre-training saw the images that the classifier was tested on."""
        return any(run.ssl_on == ALL for run in self.runs.values())


@dataclass
class Findings:
    """What lies under a folder.

    Attributes:
        recipes: From scratch first, then in the order of their names.
        skipped: Why a file was left out.
        num_repeated: Runs left out because a newer one of the same recipe, fold and seed is there.
    """

    recipes: list[Recipe] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    num_repeated: int = 0


def find_recipes(root: Path) -> Findings:
    """Read every `results.json` under a folder; what a study has set aside doesn't count.

    Raises:
        UserError: There is none.
    """
    found = Findings()
    studies = []
    for path in sorted(root.rglob(RESULTS), key=lambda path: path.stat().st_mtime):
        if any(re.search(r"\.old-\d+$", part) for part in path.relative_to(root).parts):
            continue
        try:
            studies.append((path.parent, read_results(path)))
        except UserError as error:
            found.skipped.append(str(error))
    if not studies:
        raise UserError(f"no {RESULTS} of a study under {root}; run a study first")
    groups: dict[str, dict[Place, tuple[Path, Results, RunRecord]]] = {}
    for folder, results in studies:
        for run in results.runs:
            group = groups.setdefault(identity(run, results), {})
            found.num_repeated += (run.fold, run.seed) in group
            group[run.fold, run.seed] = folder, results, run
    found.recipes = _named([_recipe(group) for group in groups.values()])
    return found


def _recipe(group: Mapping[Place, tuple[Path, Results, RunRecord]]) -> Recipe:
    """Put the runs of a recipe together, sorted by fold and seed."""
    ordered = dict(sorted(group.items()))
    _, results, run = next(iter(ordered.values()))
    shares = [run.n_test / max(1, _num_train(results)) for _, results, run in ordered.values()]
    return Recipe(
        label=recipe_label(run),
        runs={place: run for place, (_, _, run) in ordered.items()},
        folders={place: folder for place, (folder, _, _) in ordered.items()},
        reference=reference(run, results),
        test_share=sum(shares) / len(shares),
        demo=bool(results.study.get("demo")),
        lists=lists(results),
        conditions=describe([(run, results) for _, results, run in ordered.values()]),
        own_scratch={
            place: scratch
            for place, (_, results, run) in ordered.items()
            for scratch in results.runs
            if scratch.arm == SCRATCH
            and (scratch.fold, scratch.seed) == place
            and reference(scratch, results) == reference(run, results)
        },
    )


def _num_train(results: Results) -> int:
    """Count the training images."""
    return sum(results.split.get("train", {}).values())


def _named(recipes: Sequence[Recipe]) -> list[Recipe]:
    """Sort, and number the recipes that would be called the same."""
    ordered = sorted(recipes, key=lambda r: (r.demo, r.arm != SCRATCH, r.label, r.reference))
    labels = [recipe.label for recipe in ordered]
    named: list[Recipe] = []
    for i, recipe in enumerate(ordered):
        number = f" ({labels[: i + 1].count(recipe.label)})"
        label = recipe.label + (number if labels.count(recipe.label) > 1 else "")
        fields: dict[str, Any] = {**vars(recipe), "label": label}
        named.append(Recipe(**fields))
    return named
