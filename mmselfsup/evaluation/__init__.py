"""What frozen features are worth: k-NN, linear probe, collapse metrics, t-SNE, Grad-CAM, occlusion.

Nothing is imported here, so that the records of an evaluation can be read without loading torch.
"""
