"""The stages of a study, one a file: its command line, what it writes, and the record of it.

Each has ``run(context)``, which runs what isn't done yet and adds to the context what it found.
"""

from . import (
    arms,
    curriculum,
    external,
    features,
    finetune,
    labels,
    lr_search,
    occlusion,
    prepare,
    pretrain,
    test,
)

#: In order: each uses what those before it have found.
STAGES = (
    prepare,
    curriculum,
    pretrain,
    features,
    lr_search,
    finetune,
    test,
    occlusion,
    labels,
    external,
    arms,
)
