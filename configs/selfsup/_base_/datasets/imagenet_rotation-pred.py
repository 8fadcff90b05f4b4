_base_ = ["../../../_base_/pipelines/imagenet.py", "../../../_base_/imagenet_val.py"]

dataset_type = "RotationPredDataset"
data = dict(
    samples_per_gpu=16,  # 8 GPUs: a batch of 128, each image 4 times
    workers_per_gpu=2,
    train=dict(type=dataset_type, pipeline={{_base_.train_pipeline}}),
    val=dict(type=dataset_type, pipeline={{_base_.test_pipeline}}),
)
