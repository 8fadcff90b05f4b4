import mmcv

_base_ = "isic2019_swav_mcrop-2-6.py"

# The large crops come with a mask of their patches of 16 pixels.
large, small = mmcv.Config.fromfile("{{ fileDirname }}/" + _base_).data.train.pipelines
mask = dict(type="IBOTMaskGenerator", input_size=14, mask_ratio=(0.1, 0.5), mask_prob=0.5)
train_pipeline1 = [*large, mask]
data = dict(train=dict(pipelines=[train_pipeline1, small]))
del large, small, mask
