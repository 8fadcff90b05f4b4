import mmcv

_base_ = "dino_resnet18_1xb64-mcrop-2-6-coslr-100e_isic2019-64.py"

# Views for dermoscopy.
views = mmcv.Config.fromfile("{{ fileDirname }}/../_base_/pipelines/isic2019-64_lesion-views.py")
train_pipeline, small_crop_pipeline = views.train_pipeline, views.small_crop_pipeline
data = dict(train=dict(pipelines=[train_pipeline, small_crop_pipeline]))
del views
