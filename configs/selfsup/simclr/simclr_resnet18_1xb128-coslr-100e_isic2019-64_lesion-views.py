import mmcv

_base_ = "simclr_resnet18_1xb128-coslr-100e_isic2019-64.py"

# Views for dermoscopy.
views = mmcv.Config.fromfile("{{ fileDirname }}/../_base_/pipelines/isic2019-64_lesion-views.py")
train_pipeline = views.train_pipeline
data = dict(train=dict(pipelines=[train_pipeline]))
del views
