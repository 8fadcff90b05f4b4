checkpoint_config = dict(interval=10)  # epochs
log_config = dict(interval=50, hooks=[dict(type="TextLoggerHook")])  # iterations

# runtime settings
dist_params = dict(backend="nccl")  # gloo where there is no GPU
cudnn_benchmark = True
log_level = "INFO"
load_from = None
resume_from = None
workflow = [("train", 1)]
persistent_workers = True

# threads and processes of the data loader
opencv_num_threads = 0
mp_start_method = "fork"
