_base_ = [
    "../_base_/models/npid.py",
    "../_base_/datasets/isic2019_npid.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

# 4096 negatives, as in the paper: a fifth of the 20,000 training images
model = dict(
    neg_num=4096,
    # Normalised projections lie apart from the start; those of a single layer begin as one bundle.
    neck=dict(
        _delete_=True,
        type="NonLinearNeck",  # fc-bn-relu-fc-bn
        in_channels=2048,
        hid_channels=2048,
        out_channels=128,
    ),
    head=dict(temperature=0.2),
    memory_bank=dict(length=None),
)

optimizer = dict(lr=0.03)

# float16 on GPUs, bfloat16 on CPUs that have it; the loss is computed in float32.
fp16 = dict(loss_scale="dynamic")

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
