_base_ = [
    "../_base_/models/wmse.py",
    "../_base_/datasets/isic2019-64_simclr.py",
    "../_base_/schedules/sgd_coslr-100e_isic2019-64.py",
    "../_base_/isic2019-64_runtime.py",
]

model = dict(backbone=dict(depth=18), neck=dict(in_channels=512))

# As the paper, which trains with Adam.
optimizer = dict(_delete_=True, type="AdamW", lr=1e-3, weight_decay=1e-4)
