_base_ = "../msn/msn_vit-tiny-p8_1xb64-mcrop-2-6-coslr-200e_isic2019-64.py"

# Sinkhorn-Knopp would make all prototypes equally frequent.
model = dict(type="PMSN", head=dict(sinkhorn_iterations=0, power_law_exponent=0.25))
