"""The ISIC-2019 study: pre-train, fine-tune, compare with training from scratch, report.

In the order of use: `arguments` and `checks` (what the user asked for: `settings`), `campaign`
(every fold and seed, `one_at_a_time`), `pipeline` (one study in order). A study reads its configs
(`plan`, `pretraining`), and each of its `steps` has a command line (`commands`) that is skipped
when done (`step`) or run (`stage`, `launch`, `process`). `search` chooses the learning rate,
`collect` fills the records (`record`, `results`: results.json); `table` prints them, `logs`,
`figures` and `report` draw report.html. Over many studies, `recipe` sorts their runs, `interval`
compares them, `overview` is their table. No torch here: training is done by `tools/`.
"""
