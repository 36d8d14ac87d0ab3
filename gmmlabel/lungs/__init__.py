"""The lungs: what is light in the body, which lung it is, and what is dense but belongs to it."""

from gmmlabel.lungs.segmenter import Lungs, find_lungs, give_sides

__all__ = ["Lungs", "find_lungs", "give_sides"]
