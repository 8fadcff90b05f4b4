"""Explanations of a classifier: Grad-CAM heat maps, and an occlusion test of the lesion."""
