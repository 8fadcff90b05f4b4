_base_ = ["../pipelines/simclr.py", "../../../_base_/imagenet.py"]

dataset_type = "MultiViewDataset"
data = dict(
    train=dict(
        type=dataset_type,
        num_views=[2],
        pipelines=[{{_base_.train_pipeline}}],
    ),
)
