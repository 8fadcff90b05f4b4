_base_ = [
    "../_base_/models/deepclusterv2.py",
    "../_base_/datasets/isic2019_swav_mcrop-2-6.py",
    "../_base_/schedules/lars_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

# 20,000 images fill fewer clusters than ImageNet's million.
model = dict(head=dict(num_clusters=[200, 200, 200]))

optimizer = dict(lr=0.15)  # 0.6 for every 256 images
lr_config = dict(_delete_=True, policy="CosineAnnealing", min_lr=1.5e-4)

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
