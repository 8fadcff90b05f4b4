"""Augmentation in batches on the model's device: `device_transforms=True` in a dataset.

A worker draws the random numbers of each view, with the same calls in the same order as the
transforms themselves make them, under the seed of the sample (`mmselfsup.datasets.seeding`): one
seed means the same crop, flip, order and strength on both ways, whatever the workers and ranks and
after a resume. Pixels travel as they were decoded, and `AugmentingLoader` does the work for a whole
batch at once. Whatever depends on the numbers is decided on the host, so nothing waits for the
device.
"""
