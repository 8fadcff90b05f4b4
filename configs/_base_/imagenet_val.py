# The training and the validation images of ImageNet, without a pipeline.
_base_ = "imagenet.py"

data = dict(
    val=dict(
        data_source=dict(
            type={{_base_.data_source}},
            data_prefix="data/imagenet/val",
            ann_file="data/imagenet/meta/val.txt",
        ),
        prefetch={{_base_.prefetch}},
    ),
)
