"""Augmentation in batches on the model's device: ``device_transforms=True`` in a dataset.

A worker samples the parameters of each view, with the same calls of the random generator in the
same order as the transforms themselves, under the seed of the sample
(``mmselfsup.datasets.seeding``): one seed means the same crop, flip, order and strength with and
without ``device_transforms``, for any number of workers and ranks and after a resume. Pixels travel
as they were decoded, without those that no crop sees, and ``AugmentingLoader`` transforms a whole
batch at once. Every decision that depends on the parameters is made on the host, so nothing waits
for the device.

A *batched transform* is the counterpart of one transform, a *batched pipeline* that of a pipeline.
"""
