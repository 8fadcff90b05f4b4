import mmcv

_base_ = "isic2019.py"

base = mmcv.Config.fromfile("{{ fileDirname }}/" + _base_)
crop, *augment = base.train_pipeline
resize, centre, *others = base.test_pipeline
train_pipeline = [dict(crop, size=64), *augment]
test_pipeline = [dict(resize, size=72), dict(centre, size=64), *others]
data = dict(
    samples_per_gpu=128,
    workers_per_gpu=2,
    train=dict(pipeline=train_pipeline),
    val=dict(pipeline=test_pipeline),
    test=dict(pipeline=test_pipeline),
)
del base, crop, augment, resize, centre, others
