_base_ = [
    "../_base_/models/interclr-moco.py",
    "../_base_/datasets/isic2019_interclr-moco.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

# 80 clusters for 20,000 images; pool and negatives are as large a part of them as on ImageNet.
model = dict(
    queue_len=None,  # from the data: 4096 for 20,000 images
    momentum=0.99,  # fewer iterations than on ImageNet: the key encoder must change faster
    memory_bank=dict(length=None, num_classes=80),
    neg_num=256,
    semihard_neg_pool_num=2048,
    num_classes=80,
)

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
