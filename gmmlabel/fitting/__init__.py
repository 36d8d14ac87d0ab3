"""Refitting the mixture: expectation-maximisation on the histogram of all cases."""
