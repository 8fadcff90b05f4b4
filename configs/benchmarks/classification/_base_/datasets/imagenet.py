_base_ = ["../../../../_base_/pipelines/imagenet.py", "../../../../_base_/imagenet_val.py"]

dataset_type = "SingleViewDataset"
data = dict(
    train=dict(type=dataset_type, pipeline={{_base_.train_pipeline}}),
    val=dict(type=dataset_type, pipeline={{_base_.test_pipeline}}),
)
evaluation = dict(interval=10, topk=(1, 5))  # epochs
