# What all ISIC-2019 configs share.
# tools/analysis_tools/compute_mean_std.py prints the statistics of a list of images.
img_norm_cfg = dict(mean=[0.763, 0.546, 0.570], std=[0.141, 0.152, 0.169])

# The order of the challenge's CSV: label 0 is MEL.
classes = ["MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC"]
