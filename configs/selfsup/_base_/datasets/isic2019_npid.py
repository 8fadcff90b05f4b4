_base_ = ["../pipelines/isic2019.py", "isic2019.py"]

data = dict(
    drop_last=True,  # batches of one size
    train=dict(type="SingleViewDataset", pipeline={{_base_.train_pipeline}}),
)
