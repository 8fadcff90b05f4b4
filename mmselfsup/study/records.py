"""What results.json holds: the records of a study, written and read again.

``Results`` is the file; its parts are dataclasses whose fields are the keys of the file. The keys
of schema 2 stay: a field added later has a default, which stands for "not known" in files of older
versions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mmselfsup.evaluation.explanation_files import OcclusionScores
from mmselfsup.utils.errors import ArgumentError, UserError
from mmselfsup.utils.files import atomic_write_json
from mmselfsup.utils.json_records import from_json

from .arm_records import ArmRecord, LabelRecord
from .external_records import ExternalRecord, ExternalSet
from .label_reading import any_known, recorded_labels

SCHEMA = 2
Tasks = tuple[str, ...]


@dataclass(frozen=True)
class SslRecord:
    """One pre-training.

    Attributes:
        name: Its task after the tasks it builds on, joined by ``+``.
        config: Its config.
        epochs: Epochs of this task.
        images_of: Images it saw: ``train`` (list of the fold), or ``all`` (its test list, too).
        last_loss: The loss last logged; None if none was.
        seconds: Wall-clock time.
        cfg_options: Overrides of the config.
        config_sha256: Start of the hash of all the config says, overrides included.
        made_by: Version of the code, revision, date and machine; None: not stored.
        labels: Whether it, a task before it, or a file of weights whose config is known has read
            the labels of training images; None: not known.
    """

    name: str
    config: str
    epochs: int
    images_of: str
    last_loss: float | None
    seconds: float
    cfg_options: list[str] = field(default_factory=list)
    config_sha256: str = ""
    made_by: Mapping[str, Any] | None = None
    labels: bool | None = None


@dataclass(frozen=True)
class RunRecord:
    """One classifier, trained on the whole training fold and measured on the test fold.

    All metrics are fractions 0..1 after the last epoch; None means unknown.

    Attributes:
        arm: ``scratch``, or the name of the pre-training (``a+b``: b after a).
        config: Fine-tuning config.
        ssl: The pre-trainings behind it, in order; empty from scratch.
        weights: File the classifier started from; None from scratch.
        ssl_on: Images the pre-training saw: ``train`` or ``all``, as ``images_of``; None: scratch.
        seed: Seed of the training.
        fold: Number of the test fold.
        lr: Learning rate, chosen on validation lesions.
        epochs: Epochs of fine-tuning.
        n_test: Number of test images.
        balanced_accuracy: Mean of the per-class recalls.
        accuracy: Fraction of images classified correctly.
        macro_auc: Mean area under the ROC curve, one class against the rest.
        recall: Recall of every class.
        confusion_matrix: Counts [C, C]; rows are the truth.
        seconds: Wall-clock time of the training, with other trainings at the same time.
        checkpoint: File of the trained classifier.
        cfg_options: Overrides of the config.
        config_sha256: Start of the hash of all the config says, overrides included.
        chosen_from: Tasks that a greedy curriculum could choose; empty if the order was given.
        blackout: Results of the occlusion test, with the lesion hidden; None if not measured.
        made_by: Version of the code, revision, date and machine of the training; None: not stored.
        start_labels: Whether the file of weights that it, or its first pre-training, starts from
            has read labels; None: not known, or no such file.
        start_saw_test: Whether that file has seen images of the test fold; None as above.
        errors: Standard errors of the balanced accuracy over the lesions of the test images: under
            the own arm that of the value, under another that of the difference from this arm of the
            study; empty: not stored.
    """

    arm: str
    config: str
    ssl: list[SslRecord]
    weights: str | None
    ssl_on: str | None
    seed: int
    fold: int
    lr: float
    epochs: int
    n_test: int
    balanced_accuracy: float | None
    accuracy: float | None
    macro_auc: float | None
    recall: dict[str, float | None]
    confusion_matrix: list[list[int]]
    seconds: float
    checkpoint: str
    cfg_options: list[str] = field(default_factory=list)
    config_sha256: str = ""
    chosen_from: list[str] = field(default_factory=list)
    blackout: OcclusionScores | None = None
    made_by: Mapping[str, Any] | None = None
    start_labels: bool | None = None
    start_saw_test: bool | None = None
    errors: dict[str, float] = field(default_factory=dict)

    @property
    def saw_labels(self) -> bool:
        """Return whether what it starts from is known to have read labels of training images."""
        return any(ssl.labels for ssl in self.ssl) or bool(self.start_labels)

    @property
    def saw_test(self) -> bool:
        """Return whether what it starts from is known to have seen images of the test fold."""
        return self.ssl_on == "all" or bool(self.start_saw_test)

    @property
    def labels_unknown(self) -> bool:
        """Return whether it is not known if a pre-training behind it has read labels."""
        return not self.saw_labels and any(ssl.labels is None for ssl in self.ssl)


@dataclass(frozen=True)
class SearchRecord:
    """One learning rate tried for an arm.

    Attributes:
        arm: ``scratch``, or the name of the pre-training.
        lr: Learning rate.
        epochs: Epochs of fine-tuning.
        balanced_accuracy: On the validation lesions after the last epoch; None if it diverged.
        chosen: Whether this learning rate was taken for the arm.
        seconds: Wall-clock time.
    """

    arm: str
    lr: float
    epochs: int
    balanced_accuracy: float | None
    chosen: bool
    seconds: float


def class_names(runs: Sequence[RunRecord]) -> list[str]:
    """Return the names of the classes in the order of the confusion matrices."""
    return list(runs[0].recall) if runs else []


def mixed_code(runs: Sequence[RunRecord]) -> str:
    """Return a note where runs, or the pre-trainings behind them, were made by different code.

    Records of older versions don't say which code made them, and don't count.
    """
    records: list[RunRecord | SslRecord] = [*runs, *(ssl for run in runs for ssl in run.ssl)]
    makers = [record.made_by for record in records if record.made_by is not None]
    versions = {(str(m.get("version")), str(m.get("code"))): m.get("revision") for m in makers}
    if len(versions) < 2:
        return ""
    names = sorted(
        f"{version} ({revision or code.removeprefix('sha256:')})"
        for (version, code), revision in versions.items()
    )
    return (
        f"Not all of these results were made by the same code: mmselfsup {', '.join(names)}. A "
        "difference between them may come from that."
    )


@dataclass(frozen=True)
class Score:
    """The score of the frozen features of a network.

    Attributes:
        value: Balanced accuracy of a linear probe on the validation lesions, 0..1; None: the
            training diverged.
        error: Its standard error, from the number of validation images; None if ``value`` is, or
            where it is not known.
        epochs: Epochs of the last task's training.
        seconds: Wall-clock time of that training.
    """

    value: float | None
    error: float | None = None
    epochs: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Trial:
    """A line of the decision table.

    Attributes:
        tasks: The sequence, in order; empty: the untrained network.
        score: Score of its network.
        gain: Its score minus that of the sequence which it extends (of one task: minus that of
            the untrained network); None for the untrained network and for what diverged.
        best: Whether it gains the most in its round.
        kept: Whether it was accepted, so that the next round extends it.
    """

    tasks: Tasks
    score: Score
    gain: float | None = None
    best: bool = False
    kept: bool = False


@dataclass(frozen=True)
class Curriculum:
    """How a greedy curriculum was chosen.

    Attributes:
        min_gain: What a further task had to gain, balanced accuracy 0..1.
        num_fit: Images that the probes were fitted on.
        num_val: Images that they were scored on.
        trials: The untrained network, then the sequences tried, round by round.
    """

    min_gain: float
    num_fit: int
    num_val: int
    trials: tuple[Trial, ...]

    @property
    def chosen(self) -> Tasks:
        """Return the sequence that the classifier is fine-tuned from."""
        # Each accepted trial extends the one before it, so the last one is the whole sequence.
        return [trial.tasks for trial in self.trials if trial.kept][-1]

    @property
    def last_best(self) -> Trial | None:
        """Return the best of the last round; None if all of it diverged."""
        last = [t for t in self.trials if len(t.tasks) == len(self.trials[-1].tasks)]
        return next((trial for trial in last if trial.best), None)


@dataclass(frozen=True)
class DataFacts:
    """The images and lists of a study.

    Attributes:
        images: Folder of the images.
        lists: Hash of the lists of all folds: an equal hash means equal test images.
        sha256: Hash of each list of this fold, by its part.
    """

    images: str
    lists: str
    sha256: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class GreedyTask:
    """A task that a greedy curriculum can choose.

    Attributes:
        config: Its config.
        epochs: Epochs of its training.
        cfg_options: Overrides of the config.
        config_sha256: Start of the hash of all the config says, overrides included.
    """

    config: str
    epochs: int
    cfg_options: tuple[str, ...]
    config_sha256: str


@dataclass(frozen=True)
class GreedyFacts:
    """The settings of a greedy curriculum.

    Attributes:
        min_gain: What a further task must gain, balanced accuracy 0..1.
        tasks: The tasks by name, in the order in which equal scores are decided.
    """

    min_gain: float
    tasks: dict[str, GreedyTask]


@dataclass(frozen=True, kw_only=True)
class StudyFacts:
    """The settings of a study, in the order of results.json.

    Attributes:
        algorithms: Names of the pre-trainings, in order.
        compare: Whether they are compared, each on its own; otherwise they are a curriculum.
        greedy: Settings of a greedy curriculum; None where the order was given.
        ssl_on: Images the pre-trainings see: ``train`` or ``all``.
        fold: Number of the test fold.
        seed: Seed of every training.
        demo: Whether the images are the demo's.
        ssl_configs: Config of each pre-training.
        finetune_config: Config of the classifier.
        data: The images and lists; None in files of older versions.
        gpus: Processes of a training; None in files of older versions.
        lrs: Learning rates to try; empty in files of older versions.
        date: Day on which the study ended.
        version: Version of the package.
    """

    algorithms: tuple[str, ...]
    compare: bool
    greedy: GreedyFacts | None = None
    ssl_on: str = "train"  # older versions knew nothing else
    fold: int
    seed: int
    demo: bool
    ssl_configs: tuple[str, ...]
    finetune_config: str
    data: DataFacts | None = None
    gpus: int | None = None
    lrs: tuple[float, ...] = ()
    date: str
    version: str


@dataclass(frozen=True)
class Results:
    """The results of a study: what results.json holds.

    Attributes:
        study: Its settings.
        runs: The classifiers compared.
        lr_search: The learning rates tried.
        ssl: The pre-trainings.
        split: Number of images of every class in each list.
        environment: Versions and machine.
        commands: The command lines that ran.
        curriculum: How the order of the pre-trainings was chosen; None where it was given.
        arms: What the arms of --start start from and cost; empty without --start.
        labels: The classifiers trained on few labels; empty without --labels.
        external_sets: The study's test fold, and test sets of other clinics; empty without
            --external.
        external: The classifiers on these; empty without --external.
        schema: Version of this layout.
    """

    study: StudyFacts
    runs: list[RunRecord]
    lr_search: list[SearchRecord]
    ssl: list[SslRecord]
    split: dict[str, dict[str, int]]
    environment: dict[str, Any]
    commands: list[str]
    curriculum: Curriculum | None = None
    arms: list[ArmRecord] = field(default_factory=list)
    labels: list[LabelRecord] = field(default_factory=list)
    external_sets: list[ExternalSet] = field(default_factory=list)
    external: list[ExternalRecord] = field(default_factory=list)
    schema: int = SCHEMA

    def write(self, path: Path) -> None:
        """Write the results as JSON; NaN becomes null."""
        # Without these options the file is that of a study that knows none of them.
        names = ("arms", "labels", "external_sets", "external")
        empty = {name for name in names if not getattr(self, name)}
        content = {name: value for name, value in asdict(self).items() if name not in empty}
        atomic_write_json(path, content)


def read_results(path: Path) -> Results:
    """Read a results.json.

    Raises:
        UserError: The file does not exist, can't be read or has another layout.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            raise UserError(f"{path} has schema {data['schema']}, this version reads {SCHEMA}")
        results = from_json(Results, data)
        if results.curriculum is not None and not any(t.kept for t in results.curriculum.trials):
            raise ArgumentError("curriculum.trials: no sequence was kept")
        return _with_labels(results, path.parent)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; run the study first") from None
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror}") from error
    except UserError:
        raise
    # ValueError: no JSON, no text, a value of another type, or a part that contradicts itself.
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is no results.json of a study: {error}") from error


def _with_labels(results: Results, folder: Path) -> Results:
    """Tell of records of older versions whether their pre-trainings read labels.

    Args:
        results: The results.
        folder: The study's folder.
    """
    known: dict[str, bool | None] = {}

    def tell(record: SslRecord, before: Sequence[SslRecord] = ()) -> SslRecord:
        if record.labels is None:
            work_dir = folder / "ssl" / record.name
            own = recorded_labels(work_dir, record.name, record.config, record.cfg_options)
            record = replace(record, labels=any_known([own, *(task.labels for task in before)]))
        known.setdefault(record.name, record.labels)
        return record

    def chain(records: Sequence[SslRecord]) -> list[SslRecord]:
        told: list[SslRecord] = []
        for record in records:
            told.append(tell(record, told))
        return told

    runs = [replace(run, ssl=chain(run.ssl)) for run in results.runs]
    # A task's own config says nothing of those before it, which the runs list.
    ssl = [
        replace(task, labels=known[task.name]) if task.name in known else tell(task)
        for task in results.ssl
    ]
    return replace(results, runs=runs, ssl=ssl)
