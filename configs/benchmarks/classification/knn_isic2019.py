# Frozen features of ISIC-2019: k-NN and linear probe learn from the training fold and are measured
# on the test fold. No lesion is in both.
_base_ = "../../_base_/isic2019.py"

classes = ["MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC"]
data_prefix = "data/isic2019/ISIC_2019_Training_Input"
splits = "data/isic2019/splits/"

pipeline = [
    dict(type="Resize", size=256),
    dict(type="CenterCrop", size=224),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]

data = dict(
    samples_per_gpu=64,
    workers_per_gpu=2,
    train=dict(
        type="SingleViewDataset",
        data_source=dict(
            type="ImageList",
            data_prefix=data_prefix,
            ann_file=splits + "ISIC_2019_train_fold0.txt",
            classes=classes,
        ),
        pipeline=pipeline,
    ),
    val=dict(
        type="SingleViewDataset",
        data_source=dict(
            type="ImageList",
            data_prefix=data_prefix,
            ann_file=splits + "ISIC_2019_test_fold0.txt",
            classes=classes,
        ),
        pipeline=pipeline,
    ),
)
