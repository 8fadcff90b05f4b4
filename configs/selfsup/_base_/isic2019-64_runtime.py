_base_ = "default_runtime.py"

# float16 on GPUs, bfloat16 on CPUs that have it; losses and codes are computed in float32.
fp16 = dict(loss_scale="dynamic")

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
log_config = dict(interval=10)
