"""The study: pre-train, fine-tune, compare with training from scratch, report.

In the order of use: ``cli`` reads what the user requests, ``settings`` holds it, ``resolved`` has
its configs, and ``pipeline`` runs one study, or a sweep over folds and seeds. Each file of
``stages`` is a stage of a study: command lines, each with a folder of its own (``step``). A command
is run (``process``) unless what it reads (``fingerprint``) is what it read before. What the stages
leave is read into ``records`` (results.json), from which ``report`` makes tables and pages.
``data`` and ``configs`` know the lists of images and the configs. ``benchmark`` and
``benchmark_table`` are a comparison of their own: frozen features of many methods. No torch in this
package: training and measuring are done by ``tools/``.
"""
