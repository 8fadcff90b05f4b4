"""Where a classifier looks: heat maps of test images, and its accuracy without the lesion."""
