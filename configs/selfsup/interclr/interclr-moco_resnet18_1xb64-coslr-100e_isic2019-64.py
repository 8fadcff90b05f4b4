_base_ = [
    "../_base_/models/interclr-moco.py",
    "../_base_/datasets/isic2019-64_interclr-moco.py",
    "../_base_/schedules/sgd_coslr-100e_isic2019-64.py",
    "../_base_/isic2019-64_runtime.py",
]

# 80 clusters for 20,000 images; pool and negatives are as large a part of them as on ImageNet.
model = dict(
    queue_len=None,  # from the data: 4096 for 20,000 images
    momentum=0.99,  # few iterations: the key encoder must change faster
    # Blocks that start as the identity: without them a run of few epochs learns little.
    backbone=dict(depth=18, zero_init_residual=True),
    neck=dict(in_channels=512, hid_channels=512),
    memory_bank=dict(length=None, num_classes=80),
    neg_num=256,
    semihard_neg_pool_num=2048,
    num_classes=80,
)
