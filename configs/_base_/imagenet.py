# The training images of ImageNet, without a pipeline.
data_source = "ImageNet"

# True: the loader delivers uint8 and the device normalises
prefetch = False

data = dict(
    samples_per_gpu=32,  # 8 GPUs: a batch of 256
    workers_per_gpu=4,
    train=dict(
        data_source=dict(
            type=data_source,
            data_prefix="data/imagenet/train",
            ann_file="data/imagenet/meta/train.txt",
        ),
        prefetch=prefetch,
    ),
)
