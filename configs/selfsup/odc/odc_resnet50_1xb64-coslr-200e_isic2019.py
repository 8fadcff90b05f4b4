_base_ = [
    "../_base_/models/odc.py",
    "../_base_/datasets/isic2019_odc.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

# 80 clusters for 20,000 images
model = dict(
    head=dict(num_classes=80),
    memory_bank=dict(length=None, num_classes=80),
)

# The classifier changes with the clusters: no momentum for it.
optimizer = dict(lr=0.03, weight_decay=1e-5, paramwise_options={"\\Ahead.": dict(momentum=0.0)})

# float16 on GPUs, bfloat16 on CPUs that have it; the loss is computed in float32.
fp16 = dict(loss_scale="dynamic")

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
