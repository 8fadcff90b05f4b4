"""Test sets of other clinics: prepared, scored by each arm's final classifier, and measured.

The temperature comes from the validation images, scored by the classifier of the search with the
chosen learning rate: the final classifier has been trained on them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmselfsup.config.inspect import head_classes, reads_patients
from mmselfsup.metrics import fit_temperature, make_class_map
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.image_names import cells_of_images, none_found
from mmselfsup.utils.patients import source_of

from .. import configs
from ..external import (
    DUPLICATES,
    FACTS,
    GROUPS,
    IMAGES,
    TABLE,
    External,
    PreparedSet,
    read_prepared,
)
from ..external_measures import Scored, kept_measure
from ..external_records import OWN, ExternalRecord, ExternalSet
from ..resolved import ResolvedStudy
from ..step import CHECKPOINT
from .context import StudyContext
from .lr_search import search_stage
from .stage import Stage
from .test import SCORES, part_options, read_scores, score_argv, test_stage

#: Columns of the table of lesions by which the test fold is divided, by what they are.
OWN_COLUMNS = {"age": "age_approx", "sex": "sex", "site": "anatom_site_general"}


def run(context: StudyContext) -> None:
    """Measure the final classifier of each arm on each set.

    Raises:
        UserError: A set can't be used, or a tool failed.
    """
    settings, study = context.settings, context.study
    if not settings.external:
        return
    # One at a time: the first one leaves the hashes of the study's own images to the others.
    prepared = [prepare_stage(study, external) for external in settings.external]
    context.run("External sets: images that count", prepared, at_a_time=1)
    searched = [calibration_stage(study, arm, lr) for arm, lr in context.lrs.items()]
    context.run("External sets: classifiers for the temperature", searched, settings.jobs)
    validated = [validation_stage(study, arm, lr) for arm, lr in context.lrs.items()]
    context.run("External sets: scores on validation images", validated, settings.jobs)
    tests = [external_stage(study, arm, e) for arm in context.lrs for e in settings.external]
    context.run("External sets: tests", tests, settings.jobs)
    context.external_sets, context.external = records(study, context.lrs)


def model_classes(study: ResolvedStudy) -> list[str]:
    """Return the names of the classes that the classifier has outputs for.

    Raises:
        UserError: The config names none, or the classifier takes patients' data.
    """
    names = head_classes(study.finetune)
    if names is None:
        raise UserError("--external maps classes by their names, and FINETUNE_CONFIG names none")
    if reads_patients(study.finetune):
        raise UserError(
            "--external: this classifier takes age, site and sex of the patient, which external "
            "sets don't have in one form: name a FINETUNE_CONFIG without them"
        )
    return names


def check(study: ResolvedStudy) -> None:
    """Find what is wrong with a set before hours of training, not after.

    Raises:
        UserError: A file, column or image is missing, classes don't fit, or see ``check_own``.
    """
    if not study.settings.external:
        return
    if study.settings.ready_splits is not None:  # the study's own are checked when it makes them
        check_own(study)
    from mmselfsup.apis.study_data.external_set import check_external  # loads torch

    classes = model_classes(study)
    for external in study.settings.external:
        check_external(external.description, external.folder, classes)


def check_own(study: ResolvedStudy) -> None:
    """Check what the tables say of the test images, by which the test fold is divided.

    Raises:
        UserError: Rows of one image differ, there is a row of none, or a file can't be read.
    """
    from mmselfsup.datasets.data_sources.lists import read_names  # loads torch

    path = study.settings.split("test")
    if study.settings.external and path.is_file():
        _own_parts(study, read_names(str(path), head_classes(study.finetune)), None)


def prepare_stage(study: ResolvedStudy, external: External) -> Stage:
    """Return the stage that prepares a set: its images without near-duplicates of the study's."""
    settings = study.settings
    # The lists of one fold name all images; those of fold 0 are the same for every fold.
    first = settings if settings.ready_splits is not None else replace(settings, fold=0)
    folder = settings.external_dir(external.name)
    argv = (
        *("tools/prepare_external.py", "--set", external.text),
        *("--classes", *model_classes(study)),
        *("--known-list", str(first.split("train")), str(first.split("test"))),
        *("--known-images", str(study.images), "--out", str(folder)),
    )
    outputs = (FACTS, IMAGES, TABLE, GROUPS, DUPLICATES)
    name = f"external set {external.name}"
    return Stage(name, folder, argv, settings.root, outputs, reads=external.reads)


def calibration_stage(study: ResolvedStudy, arm: str, lr: float) -> Stage:
    """Return the stage of the search whose classifier has not seen the validation images."""
    return replace(search_stage(study, arm, lr), outputs=(CHECKPOINT,), may_diverge=False)


def validation_stage(study: ResolvedStudy, arm: str, lr: float) -> Stage:
    """Return the stage that scores the validation images."""
    settings = study.settings
    folder = settings.run_dir(arm, "validation")
    checkpoint = calibration_stage(study, arm, lr).folder / CHECKPOINT
    argv = score_argv(study, checkpoint, folder, part_options(study, "val"))
    return Stage(f"validation {arm}", folder, argv, settings.root, (SCORES,), logged=True)


def external_stage(study: ResolvedStudy, arm: str, external: External) -> Stage:
    """Return the stage that scores a set with the final classifier of an arm."""
    settings, place = study.settings, study.settings.external_dir(external.name)
    folder = settings.run_dir(arm, f"external_{external.name}")
    images = Path(read_prepared(place).facts["images"])
    options = [
        *study.measuring_options,
        *configs.data_options(study.finetune, images, {"test": place / IMAGES}),
    ]
    if external.description.value_range:
        values = ",".join(map(str, external.description.value_range))
        options.append(f"{configs.data_source_key(study.finetune, 'test')}.value_range=[{values}]")
    argv = score_argv(study, settings.run_dir(arm, "final") / CHECKPOINT, folder, options)
    name = f"test {arm} on {external.name}"
    return Stage(name, folder, argv, settings.root, (SCORES,), logged=True)


def records(
    study: ResolvedStudy, lrs: Mapping[str, float]
) -> tuple[list[ExternalSet], list[ExternalRecord]]:
    """Measure what the stages have left: the sets, and each arm on each of them."""
    own_set, own = _own_fold(study, list(lrs))
    sets, found = [own_set], []
    temperatures = {
        arm: fit_temperature(*read_scores(validation_stage(study, arm, lr).folder / SCORES))
        for arm, lr in lrs.items()
    }
    for arm, scored in own.items():
        stage = test_stage(study, arm)
        record = kept_measure(stage.folder, arm, OWN, scored, None, temperatures[arm])
        found.append(replace(record, made_by=stage.record.made_by))
    for external in study.settings.external:
        prepared = read_prepared(study.settings.external_dir(external.name))
        sets.append(_set_of(external.name, prepared))
        for arm in lrs:
            stage = external_stage(study, arm, external)
            scores = _in_order(stage.folder / SCORES, prepared.images)
            labels = np.array(prepared.labels, dtype=np.int64)
            known = any(prepared.groups)
            scored = Scored(
                scores,
                labels,
                prepared.class_map,
                prepared.groups if known else None,
                prepared.subgroups,
            )
            given = arm, external.name, scored, own[arm], temperatures[arm]
            record = kept_measure(stage.folder, *given)
            found.append(replace(record, made_by=stage.record.made_by))
    return sets, found


def _set_of(name: str, prepared: PreparedSet) -> ExternalSet:
    """Return the record of a prepared set."""
    facts = prepared.facts
    rows = zip(prepared.images, prepared.labels, prepared.groups, strict=True)
    return ExternalSet(
        name=name,
        images=facts["images"],
        listed=facts["listed"],
        not_on_disk=facts["not_on_disk"],
        near_duplicates=facts["near_duplicates"],
        left_out=facts["left_out"],
        counts=dict(zip(facts["classes"], facts["counts"], strict=True)),
        classes=dict(zip(facts["classes"], facts["members"], strict=True)),
        absent=facts["absent"],
        group=tuple(facts["group"]),
        groups=facts["groups"],
        digest=hashlib.sha256(repr(sorted(rows)).encode()).hexdigest()[:16],
    )


def _in_order(path: Path, images: Sequence[str]) -> np.ndarray:
    """Return the scores [N, C] of the images of a set, in the order of its table.

    Raises:
        UserError: An image has none.
    """
    with np.load(path) as data:
        scores, names = data["scores"], data["images"].tolist()
    place = {name: number for number, name in enumerate(names)}
    missing = [name for name in images if name not in place]
    if missing:
        raise UserError(f"{path} has no scores of {missing[0]}; remove its folder and start again")
    return np.asarray(scores[[place[name] for name in images]])


def _own_fold(study: ResolvedStudy, arms: Sequence[str]) -> tuple[ExternalSet, dict[str, Scored]]:
    """Return the test fold as a set of its own classes, and its scores by arm."""
    names, found = model_classes(study), {}
    for arm in arms:
        with np.load(test_stage(study, arm).folder / SCORES) as data:
            scores, labels = data["scores"], data["labels"]
            lesions = data["lesions"].tolist() if "lesions" in data.files else None
            images = data["images"].tolist() if "images" in data.files else []
        counts = np.bincount(labels, minlength=len(names)).tolist()
        own_map = make_class_map({}, names, names, "the test fold").present(counts)
        numbers = own_map.labels_of_model(labels)
        parts = _own_parts(study, images, lesions)
        found[arm] = Scored(scores, numbers, own_map, lesions, parts, labels)
    return _own_set(study, found[arms[0]]), found


def _own_set(study: ResolvedStudy, scored: Scored) -> ExternalSet:
    """Return the record of the test fold."""
    classes = scored.class_map.classes
    counts = np.bincount(scored.labels, minlength=len(classes)).tolist()
    return ExternalSet(
        name=OWN,
        images=str(study.images.resolve()),
        listed=len(scored.labels),
        not_on_disk=0,
        near_duplicates=0,
        left_out={},
        counts=dict(zip(classes, counts, strict=True)),
        classes={name: [name] for name in classes},
        absent=list(scored.class_map.absent),
        group=study.settings.data.group,
        groups=len(set(scored.groups or ()) - {""}),
    )


def _own_parts(
    study: ResolvedStudy, images: Sequence[str], lesions: Sequence[str] | None
) -> dict[str, list[str]]:
    """Return age, sex, site and source of the test images, as far as the tables have them.

    Raises:
        UserError: Rows of one image differ, or the table has a row of none.
    """
    parts: dict[str, list[str]] = {}
    if study.metadata is not None and images:
        from mmselfsup.datasets.data_sources.lists import read_rows  # loads torch

        header, cells_of_rows = read_rows(str(study.metadata))
        rows = [dict(zip(header, cells, strict=True)) for _, cells in cells_of_rows]
        for kind, column in OWN_COLUMNS.items():
            pairs = [(row.get("image", ""), row.get(column, "").strip()) for row in rows]
            cells = cells_of_images(images, pairs, f"{study.metadata}, column {column}")
            if all(cell is None for cell in cells):
                raise UserError(none_found(images, [row for row, _ in pairs], f"{study.metadata}"))
            if any(cells):
                parts[kind] = [cell or "" for cell in cells]
    if lesions is not None:
        parts["source"] = [source_of(lesion) for lesion in lesions]
    return parts
