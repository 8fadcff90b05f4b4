_base_ = ["../pipelines/cae.py", "../../../_base_/imagenet.py"]

dataset_type = "SingleViewDataset"
data = dict(train=dict(type=dataset_type, pipeline={{_base_.train_pipeline}}))
