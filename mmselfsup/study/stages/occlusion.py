"""The occlusion test of each final classifier, after its test.

Every classifier is explained, not the best alone: only the comparison with the one from scratch
shows whether a pre-training makes a network use the lesion. It costs three passes over the test
images.
"""

from __future__ import annotations

from dataclasses import replace

from mmselfsup.evaluation.explanation_files import EXPLAIN, SHEET, read_explanation

from ..records import RunRecord
from ..resolved import ResolvedStudy
from .context import StudyContext
from .stage import Stage
from .test import classifier, test_options


def run(context: StudyContext) -> None:
    """Explain each final classifier, and add the result to its record.

    Raises:
        UserError: An explanation failed.
    """
    study = context.study
    if not study.settings.data.explain_command:
        return
    stages = [occlusion_stage(study, arm) for arm in context.lrs]
    context.run("Explanations of the classifiers", stages, at_a_time=1)
    context.runs = [
        _with_occlusion(run, stage) for run, stage in zip(context.runs, stages, strict=True)
    ]


def occlusion_stage(study: ResolvedStudy, arm: str) -> Stage:
    """Return the stage that explains the final classifier of an arm."""
    settings = study.settings
    folder = settings.run_dir(arm, "explain")
    argv = (
        *(*settings.data.explain_command, *classifier(study, arm)),
        *("--seed", str(settings.seed), "--out", str(folder)),
        *("--cfg-options", *test_options(study)),
    )
    return Stage(f"explain {arm}", folder, argv, settings.root, (EXPLAIN, SHEET))


def _with_occlusion(run: RunRecord, stage: Stage) -> RunRecord:
    """Return a record with the results of the occlusion test."""
    explanation = read_explanation(stage.folder)
    return replace(run, blackout=None if explanation is None else explanation.blackout)
