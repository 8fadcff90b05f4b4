"""Frozen features before and after pre-training: a t-SNE map of them, and neighbours."""
