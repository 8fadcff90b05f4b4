_base_ = ["../pipelines/swav.py", "../../../_base_/imagenet.py"]

dataset_type = "MultiViewDataset"
num_crops = [2, 6]
data = dict(
    drop_last=True,
    train=dict(
        type=dataset_type,
        num_views=num_crops,
        pipelines=[{{_base_.train_pipeline1}}, {{_base_.train_pipeline2}}],
    ),
)
