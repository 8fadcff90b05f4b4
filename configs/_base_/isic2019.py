# Settings that all ISIC-2019 configs share.
# tools/analysis_tools/compute_mean_std.py prints the statistics of a list of images.
img_norm_cfg = dict(mean=[0.7632, 0.5465, 0.5711], std=[0.1401, 0.1512, 0.1678])
