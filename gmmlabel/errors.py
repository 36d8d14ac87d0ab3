"""What can go wrong, as one tree.

Every message is one line that says what is wrong, with which file, and what to do about it.

::

    GmmlabelError
    ├── InputError              the input cannot be labelled
    │   ├── UnreadableError     not an image, damaged, or of a form that is not supported
    │   ├── GeometryError       the voxels' places are missing, uneven or tilted
    │   ├── IntensityError      the values are not Hounsfield units
    │   └── NoLungsError        no lungs in the volume, or a mask that is not of them
    ├── SegmenterError          a lung segmenter is not installed, failed, or gave no label map
    ├── ModelError              a model file is no model
    ├── ClusterError            the workers of a cluster cannot do the work
    └── OutputError             the results cannot be written
"""


class GmmlabelError(Exception):
    """The root of every error that gmmlabel raises on purpose."""


class InputError(GmmlabelError):
    """The input cannot be labelled."""


class UnreadableError(InputError):
    """The input is not an image, is damaged, or has a form that is not supported."""


class GeometryError(InputError):
    """The places of the voxels are missing, uneven or tilted."""


class IntensityError(InputError):
    """The values of the volume are not Hounsfield units."""


class NoLungsError(InputError):
    """No lungs were found in the volume, or a given mask does not look like them."""


class SegmenterError(GmmlabelError):
    """A lung segmenter is not installed, failed, or gave no label map of the volume."""


class ModelError(GmmlabelError):
    """A model file is no model, or no model has that name."""


class OutputError(GmmlabelError):
    """The results cannot be written."""


class ClusterError(GmmlabelError):
    """The workers of a cluster cannot be reached, or cannot do the work."""
