_base_ = [
    "../_base_/models/odc.py",
    "../_base_/datasets/isic2019-64_odc.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/isic2019-64_runtime.py",
]

# 80 clusters for 20,000 images
model = dict(
    # Blocks that start as the identity: without them a run of few epochs learns little.
    backbone=dict(depth=18, zero_init_residual=True),
    neck=dict(in_channels=512),
    head=dict(num_classes=80),
    memory_bank=dict(length=None, num_classes=80),
)

# The classifier changes with the clusters: no momentum for it.
optimizer = dict(lr=0.06, weight_decay=1e-5, paramwise_options={"\\Ahead.": dict(momentum=0.0)})
runner = dict(max_epochs=100)
