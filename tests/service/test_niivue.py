"""What draws the lungs in 3-D is its release, whole, and with its licences."""

import hashlib
from importlib.resources import files

# Of @niivue/niivue 0.69.0 (npm); a new version is a new list.
SHA256 = {
    "LICENSE": "604be23eceeef93996165e2cd46eefd4d713f98f1b4a5414ab109516dc1b30bf",
    "THIRD_PARTY.md": "6549e492ab0b14b6160e655252bc01946f6659abb443891c4ac40e00a4b7a7f4",
    "niivue.umd.js": "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af",
}


def test_the_files_of_niivue_are_those_of_its_release() -> None:
    folder = files("gmmlabel.api") / "static" / "niivue"
    found = {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in folder.iterdir()}
    assert found == SHA256
