_base_ = ["../pipelines/isic2019-64_lesion-views.py", "isic2019.py"]

data = dict(
    samples_per_gpu=128,
    workers_per_gpu=2,
    drop_last=True,  # a last batch of one image would have no negatives
    train=dict(type="MultiViewDataset", num_views=[2], pipelines=[{{_base_.train_pipeline}}]),
)
