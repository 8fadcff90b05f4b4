"""Measurements of a frozen network by its features, as command lines run them."""
