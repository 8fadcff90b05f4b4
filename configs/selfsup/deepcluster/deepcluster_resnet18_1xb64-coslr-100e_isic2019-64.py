_base_ = [
    "../_base_/models/deepcluster.py",
    "../_base_/datasets/isic2019-64_deepcluster.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/isic2019-64_runtime.py",
]

# Colours matter for lesions: no edges.
model = dict(
    # Blocks that start as the identity: without them a run of few epochs learns little.
    backbone=dict(depth=18, zero_init_residual=True, norm_cfg=dict(type="SyncBN")),
    head=dict(in_channels=512, num_classes=200),
)

# The classifier restarts with every clustering: no momentum for it.
optimizer = dict(lr=0.05, weight_decay=1e-5, paramwise_options={"\\Ahead.": dict(momentum=0.0)})
runner = dict(max_epochs=100)
