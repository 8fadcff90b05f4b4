_base_ = [
    "../_base_/models/vicregl.py",
    "../_base_/datasets/isic2019-64_located.py",
    "../_base_/schedules/sgd_coslr-100e_isic2019-64.py",
    "../_base_/isic2019-64_runtime.py",
]

# A map of 4 x 4 places: without the stride of the last stage, which has the same weights then.
model = dict(
    backbone=dict(depth=18, strides=(1, 2, 2, 1)),
    neck=dict(in_channels=512, hid_channels=1024, out_channels=1024),
    local_neck=dict(in_channels=512, hid_channels=256, out_channels=256),
    head=dict(num_matches=6),
)
# A classifier has the ordinary ResNet-18; from other differences than this one it is warned.
classifier_backbone = dict(strides=(1, 2, 2, 2))

# The loss is a sum of large terms: AdamW's steps do not grow with its gradients.
optimizer = dict(_delete_=True, type="AdamW", lr=1e-3, weight_decay=1e-4)
