# See resnet50_1xb64-coslr-100e_isic2019-10pct.py.
_base_ = "resnet18_1xb128-coslr-30e_isic2019-64.py"

data = dict(
    samples_per_gpu=64,
    train=dict(
        data_source=dict(ann_file="data/isic2019/splits/ISIC_2019_subtrain_fold0_10pct.txt")
    ),
)
runner = dict(max_epochs=100)
evaluation = dict(interval=10)
