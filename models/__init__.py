"""The models that come with gmmlabel: one JSON file each, and a model card beside it."""
