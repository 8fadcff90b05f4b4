_base_ = "sgd_coslr-200e_in1k.py"

optimizer = dict(lr=0.06, weight_decay=5e-4)
lr_config = dict(warmup="linear", warmup_iters=1, warmup_ratio=1e-4, warmup_by_epoch=True)
runner = dict(max_epochs=100)
