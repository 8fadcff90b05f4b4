_base_ = ["../pipelines/mocov2.py", "../../../_base_/imagenet.py"]

dataset_type = "MultiViewDataset"
data = dict(
    drop_last=True,
    train=dict(
        type=dataset_type,
        num_views=[2],
        pipelines=[{{_base_.train_pipeline}}],
    ),
)
