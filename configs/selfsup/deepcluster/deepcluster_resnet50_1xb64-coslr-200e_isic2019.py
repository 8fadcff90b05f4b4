_base_ = [
    "../_base_/models/deepcluster.py",
    "../_base_/datasets/isic2019_deepcluster.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

# Colours matter for lesions: no edges.
model = dict(backbone=dict(norm_cfg=dict(type="SyncBN")), head=dict(num_classes=500))

# The classifier restarts with every clustering: no momentum for it.
optimizer = dict(lr=0.03, weight_decay=1e-5, paramwise_options={"\\Ahead.": dict(momentum=0.0)})

# float16 on GPUs, bfloat16 on CPUs that have it; the loss is computed in float32.
fp16 = dict(loss_scale="dynamic")

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
