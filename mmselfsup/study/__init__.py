"""The ISIC-2019 study: pre-train, fine-tune, compare with training from scratch, report.

In the order of use: `settings` (what the user asked for), `commands` (the command lines of the
steps), `step` (skip what is done), `launch` (run them), `search` (choose the learning rate),
`record` and `collect` (results.json), `table` (the closing table), `logs`, `figures` and `report`
(report.html), `pipeline` (all of it in order). No torch here: training is done by `tools/`.
"""
