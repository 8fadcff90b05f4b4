_base_ = "simclr.py"

# Yeh et al. 2022; without sigma it is DCL, with it DCLW.
model = dict(head=dict(decoupled=True, sigma=0.5))
