import mmcv

_base_ = "isic2019_simclr.py"

# The crops of isic2019-64_located at 224 pixels.
(view,) = mmcv.Config.fromfile("{{ fileDirname }}/isic2019-64_located.py").train_pipeline
train_pipeline = [dict(view, size=224)]
data = dict(train=dict(pipelines=[train_pipeline]))
del view
