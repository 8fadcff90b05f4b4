"""The ISIC-2019 study: pre-train, fine-tune, compare with training from scratch, report.

In the order of use: ``arguments`` and ``checks`` (what the user requested: ``settings``),
``campaign`` (the sweep over folds and seeds, ``one_at_a_time``), ``pipeline`` (one study in order).
A study reads its configs (``plan``, ``pretraining``), and each of its ``steps`` has a command line
(``commands``) that is skipped when done (``step``) or run (``stage``, ``launch``, ``process``).
``search`` chooses the learning rate, ``collect`` fills the records (``record``, ``results``:
results.json); ``table`` prints them, ``logs``, ``figures`` and ``report`` draw report.html. Over
many studies, ``recipe`` groups their runs, ``interval`` compares the groups, ``overview`` is their
table. No torch in this package: training is done by ``tools/``.
"""
