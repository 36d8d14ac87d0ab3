"""What packs a folder of DICOM files in the browser is what its authors released."""

import hashlib
from importlib.resources import files

# Of client-zip 2.5.0 (npm); a new version is a new list.
SHA256 = {
    "LICENSE.txt": "83a2636dca08f6f9449270dadebf88b54ff574198057c8764f019e23fd9dc596",
    "index.d.ts": "fc1ed40593f478e7234781483998be546408f4a1e4e7056098bc47ce4a1a49c6",
    "index.js": "e3925f8d6cffe101eb1c8f8e0afdd7ce76bfe00d6c316dd64971dbb5e18746d3",
}


def test_the_files_of_client_zip_are_those_of_its_release() -> None:
    folder = files("gmmlabel.api") / "static" / "client-zip"
    found = {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in folder.iterdir()}
    assert found == SHA256
