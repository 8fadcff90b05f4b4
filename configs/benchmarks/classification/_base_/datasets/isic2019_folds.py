# Images and labels of ISIC-2019 without a pipeline: a training fold, and the fold left out.
_base_ = "../../../../_base_/isic2019.py"

# The order of the challenge's CSV: label 0 is MEL.
classes = ["MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC"]

data_prefix = "data/isic2019/ISIC_2019_Training_Input"
splits = "data/isic2019/splits/"

data = dict(
    samples_per_gpu=64,
    train=dict(
        type="SingleViewDataset",
        data_source=dict(
            type="ImageList",
            data_prefix=data_prefix,
            ann_file=splits + "ISIC_2019_train_fold0.txt",
            classes=classes,
        ),
    ),
    val=dict(
        type="SingleViewDataset",
        data_source=dict(
            type="ImageList",
            data_prefix=data_prefix,
            ann_file=splits + "ISIC_2019_test_fold0.txt",
            classes=classes,
        ),
    ),
)
