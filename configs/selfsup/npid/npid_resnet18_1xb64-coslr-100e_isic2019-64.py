_base_ = [
    "../_base_/models/npid.py",
    "../_base_/datasets/isic2019-64_npid.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/isic2019-64_runtime.py",
]

# 4096 negatives, as in the paper: a fifth of the 20,000 training images
model = dict(
    neg_num=4096,
    # Blocks that start as the identity: without them a run of few epochs learns little.
    backbone=dict(depth=18, zero_init_residual=True),
    # Normalised projections lie apart from the start; those of a single layer begin as one bundle.
    neck=dict(
        _delete_=True,
        type="NonLinearNeck",  # fc-bn-relu-fc-bn
        in_channels=512,
        hid_channels=512,
        out_channels=128,
    ),
    # Lesions look alike: a sharper softmax concentrates on the nearest images.
    head=dict(temperature=0.5),
    # A row is an epoch old when it is used again: in few epochs, older features only blur it.
    memory_bank=dict(length=None, momentum=1.0),
)

optimizer = dict(lr=0.03, weight_decay=5e-4)
runner = dict(max_epochs=100)
