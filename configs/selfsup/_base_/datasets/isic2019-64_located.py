import mmcv

_base_ = "isic2019-64_simclr.py"

# The crops, flips and turns of isic2019-64_simclr in one step, so that each view knows where in the
# image it is; then its other steps.
simclr = mmcv.Config.fromfile("{{ fileDirname }}/" + _base_)
crop, _flip, _vertical_flip, _turn, *others = simclr.train_pipeline
train_pipeline = [
    dict(
        crop,
        type="LocatedView",
        horizontal_flip=0.5,
        vertical_flip=0.5,
        quarter_turn=0.5,
        transforms=others,
    )
]
data = dict(train=dict(pipelines=[train_pipeline]))
del simclr, crop, _flip, _vertical_flip, _turn, others
