"""Metrics of score files: of one, of two compared, of several joined, and of the challenge."""
