_base_ = ["../pipelines/mocov3.py", "../../../_base_/imagenet.py"]

dataset_type = "MultiViewDataset"
data = dict(
    train=dict(
        type=dataset_type,
        num_views=[1, 1],
        pipelines=[{{_base_.train_pipeline1}}, {{_base_.train_pipeline2}}],
    ),
)
