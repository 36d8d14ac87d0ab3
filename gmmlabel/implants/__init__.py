"""Lesions of known shape put into a real CT."""
