import mmcv

_base_ = "isic2019_ibot_mcrop-2-6.py"

# Patches of 14 pixels: 16 x 16 in a large crop, 7 x 7 in a small one.
ibot = mmcv.Config.fromfile("{{ fileDirname }}/" + _base_)
(*large, mask), (crop, *augment) = ibot.data.train.pipelines
train_pipeline1 = [*large, dict(mask, input_size=16)]
train_pipeline2 = [dict(crop, size=98), *augment]
data = dict(train=dict(pipelines=[train_pipeline1, train_pipeline2]))
del ibot, large, mask, crop, augment
