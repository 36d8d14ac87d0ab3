"""The format of an upload, told by how it begins: what a client calls it means nothing."""

import re

HEAD_BYTES = 512
"""How much of a file `suffix_of` has to see."""

_NIFTI = tuple(
    length.to_bytes(4, order) for length in (348, 540) for order in ("little", "big")
)  # sizeof_hdr of NIfTI-1 and NIfTI-2
_BEGINNINGS = {
    ".nrrd": (b"NRRD000",),
    ".zip": (b"PK\x03\x04", b"PK\x05\x06"),
    ".nii": _NIFTI,
    ".nii.gz": (b"\x1f\x8b",),
}
# MetaImage has no signature, but lines of a name and a value, the first of which is one of these.
_METAIMAGE = re.compile(rb"\s*(ObjectType|NDims|Comment|BinaryData)\s*=")


def suffix_of(head: bytes) -> str | None:
    """Tell the suffix of a file's format.

    Parameters
    ----------
    head
        Its first `HEAD_BYTES` bytes, or all of it.

    Returns
    -------
    str or None
        One of `gmmlabel.readers.FORMATS`; None if it is none of them.
    """
    for suffix, beginnings in _BEGINNINGS.items():
        if head.startswith(beginnings):
            return suffix
    return ".mha" if _METAIMAGE.match(head) else None
