"""What a server may be sent to do harm, and what it may answer."""

import socket
import struct
import time
from collections.abc import Callable, Iterator

from service.attacking import FORM, PART, PATIENCE, Attack, Outcome, exchange, read_answer, upload
from service.hostile_files import (
    DEEP_SEQUENCES,
    ENDLESS_SEQUENCE,
    LONG_VALUE,
    dicom_series,
    dicom_zip,
    floats,
    gzip_bomb,
    gzip_members,
    link,
    metaimage,
    nifti,
    nrrd,
    raw_zip,
    with_element,
    with_value,
    zeros,
)

LIMITS = {
    "--worker-memory": "1GiB",
    "--upload-limit": "64MiB",
    "--upload-pause": "1",
    "--upload-seconds": "3",
    "--header-pause": "1",
}
"""Options of the server that is attacked: limits that are soon reached."""


def _post(path: str = "/v1/label") -> str:
    return f"POST {path} HTTP/1.1\r\nHost: localhost"


def _get(path: str, method: str = "GET") -> str:
    return f"{method} {path} HTTP/1.1\r\nHost: localhost"


def _bytes(head: str, *pieces: bytes) -> Callable[[int], Outcome]:
    return lambda port: exchange(port, head, pieces)


def _stream(
    head: str, pieces: Callable[[], Iterator[bytes]], pause: float = 0.0
) -> Callable[[int], Outcome]:
    return lambda port: exchange(port, head, pieces(), pause)


def _broken_off(port: int) -> Outcome:
    """Send half of what was said, and go."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(f"{_post()}\r\nContent-Length: 5000000\r\n\r\n".encode())
        connection.sendall(nrrd()[:100_000])
        connection.shutdown(socket.SHUT_WR)
        return Outcome(100_000, *read_answer(connection))


def _for_ever(piece: bytes) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        until = time.monotonic() + PATIENCE  # no server may need this
        while time.monotonic() < until:
            yield piece

    return pieces


def _begun(start: bytes, piece: bytes) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        yield start
        yield from _for_ever(piece)()

    return pieces


def _chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


def _form(body: bytes, boundary: str = "x") -> Callable[[int], Outcome]:
    head = (
        f"{_post('/v1/jobs')}\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: multipart/form-data; boundary={boundary}"
    )
    return _bytes(head, body)


def _zip(change: Callable[[int, bytes], bytes]) -> Callable[[], bytes]:
    return lambda: dicom_zip(dicom_series(change))


_UNREADABLE, _GEOMETRY, _INTENSITY = ("422 unreadable",), ("422 geometry",), ("422 intensity",)
_TOO_LARGE, _BAD, _INVALID = ("422 too-large",), ("400 bad-request",), ("422 invalid-parameter",)
_ANY_DIGITS = "f" * 32


def _nrrds() -> Iterator[tuple[str, Callable[[], bytes], tuple[str, ...]]]:
    for name in ("/etc/passwd", "LIST", "../../canary", "canary%03d 1 9 1", "http://localhost/"):
        yield f"`data file: {name}`", lambda name=name: nrrd(data_file=name), _UNREADABLE
    yield "detached header", lambda: nrrd(b"", datafile="x.raw"), _UNREADABLE
    yield "`byte skip: -1`", lambda: nrrd(byte_skip="-1"), _UNREADABLE
    yield "header of 16 MiB without end", lambda: b"NRRD0004\n# " + b"x" * (16 << 20), _UNREADABLE
    yield (
        "size of 400 digits",
        lambda: nrrd(sizes=f"48 48 {'9' * 400}"),
        (*_UNREADABLE, *_TOO_LARGE),
    )
    yield (
        "sizes 3000 3000 3000, gzip",
        lambda: nrrd(b"\x1f\x8b", sizes="3000 " * 3, encoding="gzip"),
        _TOO_LARGE,
    )
    product = "4294967296 4294967296 4294967296"
    yield "sizes whose product overflows", lambda: nrrd(sizes=product), _TOO_LARGE
    yield "negative sizes", lambda: nrrd(sizes="-48 -48 48"), _UNREADABLE
    yield "half a million brackets", lambda: nrrd(space_directions="(" * 500_000), _UNREADABLE
    yield "voxel NaN", lambda: nrrd(floats(float("nan")), type="float"), _INTENSITY
    yield "voxel infinite", lambda: nrrd(floats(float("inf")), type="float"), _INTENSITY
    yield "spacing NaN", lambda: nrrd(space_directions="(nan,0,0) (0,1,0) (0,0,1)"), _GEOMETRY
    yield "spacing 0", lambda: nrrd(space_directions="(0,0,0) (0,1,0) (0,0,1)"), _GEOMETRY
    yield "voxels cut short", lambda: nrrd(bytes(1000)), _UNREADABLE
    yield (
        "gzip bomb, 10 GiB of zeros",
        lambda: nrrd(gzip_bomb(b"", 10240), encoding="gzip"),
        _INTENSITY,
    )


def _others() -> Iterator[tuple[str, str, Callable[[], bytes], tuple[str, ...]]]:
    for name in ("/etc/passwd", "LIST", "canary%03d.raw 1 9 1"):
        yield (
            "MetaImage",
            f"`ElementDataFile = {name}`",
            lambda name=name: metaimage(ElementDataFile=name),
            _UNREADABLE,
        )
    yield "MetaImage", "`HeaderSize = -1`", lambda: metaimage(HeaderSize="-1"), _UNREADABLE
    yield (
        "MetaImage",
        "a million spaces",
        lambda: metaimage(b"", ElementDataFile=" " * 1_000_000)[:-1],
        _UNREADABLE,
    )
    yield "MetaImage", "400,000 axes", lambda: metaimage(DimSize="1 " * 400_000), _UNREADABLE
    yield (
        "NIfTI",
        "sizes 32767",
        lambda: nifti(dim=(40, "<8h", (3, *([32767] * 3), 1, 1, 1, 1))),
        _TOO_LARGE,
    )
    yield (
        "NIfTI",
        "negative sizes",
        lambda: nifti(dim=(40, "<8h", (3, -48, -48, 48, 1, 1, 1, 1))),
        _UNREADABLE,
    )
    yield "NIfTI", "voxels at 1e30", lambda: nifti(vox_offset=(108, "<f", (1e30,))), _UNREADABLE
    yield (
        "NIfTI",
        "voxels in another file",
        lambda: nifti(magic=(344, "<4b", tuple(b"ni1\0"))),
        _UNREADABLE,
    )
    yield "NIfTI", "sform NaN", lambda: nifti(sform=(280, "<12f", (float("nan"),) * 12)), _GEOMETRY
    yield (
        "NIfTI",
        ".nii.gz bomb, 10 GiB after the volume",
        lambda: gzip_bomb(nifti(), 10240),
        ("422 no-lungs",),
    )
    yield "NIfTI", "200,000 empty members of gzip", lambda: gzip_members(200_000), _UNREADABLE


def _zips() -> Iterator[tuple[str, str, Callable[[], bytes], tuple[str, ...]]]:
    yield (
        "zip",
        "bomb: three members of 4 GiB",
        lambda: raw_zip([(f"{n}.dcm", zeros(4095), 4095 << 20) for n in range(3)]),
        _UNREADABLE,
    )
    yield (
        "zip",
        "members that overlap (Fifield): 300 of 100 MiB",
        lambda: raw_zip([("a.dcm", zeros(100), 100 << 20)] * 300, shared=True),
        _UNREADABLE,
    )
    yield (
        "zip",
        "member that says 1 byte and is 1 GiB",
        lambda: raw_zip([("a.dcm", zeros(1024), 1)]),
        _UNREADABLE,
    )
    yield (
        "zip",
        "of zips of zeros",
        lambda: dicom_zip(
            [], *((f"{n}.zip", raw_zip([("a", zeros(500), 500 << 20)])) for n in range(16))
        ),
        _UNREADABLE,
    )
    yield (
        "zip",
        "60,000 empty members",
        lambda: raw_zip((f"{n}.dcm", b"\3\0", 0) for n in range(60_000)),
        _UNREADABLE,
    )
    yield (
        "zip",
        "paths that climb out",
        lambda: dicom_zip(
            [], ("../../../climbed.dcm", b"x"), ("/climbed.dcm", b"x"), ("..\\climbed.dcm", b"x")
        ),
        _UNREADABLE,
    )
    yield (
        "zip",
        "symbolic links to /etc/passwd",
        lambda: dicom_zip([], link("a.dcm", "/etc/passwd"), link("b", "../../..")),
        _UNREADABLE,
    )
    yield "zip", "encrypted", lambda: raw_zip([("a.dcm", zeros(1), 1 << 20)], flags=1), _UNREADABLE
    yield "zip", "end without members", lambda: b"PK\5\6" + bytes(18), _UNREADABLE
    yield "zip", "directory cut off", lambda: dicom_zip(dicom_series())[:-200], _UNREADABLE
    frames = struct.pack("<HH2sH", 0x0028, 0x0008, b"IS", 10) + b"999999999 "
    for name, change, answers in (
        ("Rows 65535", with_value(0x0028_0010, b"\xff\xff"), _UNREADABLE),
        ("NumberOfFrames 999999999", with_element(frames, before=0x0028_0010), _UNREADABLE),
        ("BitsAllocated 65535", with_value(0x0028_0100, b"\xff\xff"), _UNREADABLE),
        ("value of 2 GiB that is not there", with_element(LONG_VALUE), _UNREADABLE),
        ("sequences 2000 deep", with_element(DEEP_SEQUENCES), _UNREADABLE),
        ("sequences of undefined length without end", with_element(ENDLESS_SEQUENCE), _UNREADABLE),
        ("cut off in its header", lambda _, image: image[:400], _UNREADABLE),
        ("cut off in its pixels", lambda _, image: image[:-500], _UNREADABLE),
        ("position NaN", with_value(0x0020_0032, b"nan\\nan\\nan"), _GEOMETRY),
        ("pixel spacing 0", with_value(0x0028_0030, b"0\\0"), _GEOMETRY),
        ("intercept 1e308", with_value(0x0028_1052, b"1e308"), (*_UNREADABLE, *_INTENSITY)),
    ):
        yield "DICOM", name, _zip(change), answers


def _uploads() -> Iterator[Attack]:
    kinds = [("NRRD", *one) for one in _nrrds()]
    for kind, name, content, answers in (*kinds, *_others(), *_zips()):
        yield Attack(kind, name, upload(content), answers)
    form = upload(lambda: nrrd(data_file="/etc/passwd"), form=True)
    yield Attack("NRRD", "`data file: /etc/passwd`, in a form", form, _UNREADABLE)


def _bodies(many: int) -> Iterator[Attack]:
    chunked = f"{_post()}\r\nTransfer-Encoding: chunked"
    start = _chunk(b"NRRD0004\n")
    block = _chunk(b"x" * 65_536)
    said = f"{_post()}\r\nContent-Length: "
    for name, send, answers in (
        ("empty", _bytes(f"{said}0"), _BAD),
        ("of no format", _bytes(f"{said}5", b"hello"), ("415 unknown-format",)),
        ("said to be 1 TiB", _bytes(f"{said}{1 << 40}"), ("413 upload-too-large",)),
        ("breaks off", _broken_off, (*_BAD, "closed")),
        ("stops", _bytes(f"{said}9999", b"NRRD0004"), ("408 upload-stalled",)),
        (
            "a byte every 0.1 s",
            _stream(f"{said}9999", _begun(b"NRRD", b"x"), 0.1),
            ("408 upload-stalled",),
        ),
        ("chunked without end", _stream(chunked, _begun(start, block)), ("413 upload-too-large",)),
        (
            "chunked without end, of no format",
            _stream(chunked, _for_ever(block)),
            ("415 unknown-format",),
        ),
        (
            f"{many:,} chunks of a byte",
            _bytes(chunked, start + b"1\r\nx\r\n" * many + b"0\r\n\r\n"),
            (*_UNREADABLE, "408 upload-stalled"),
        ),
        ("chunk of size -1", _bytes(chunked, b"-1\r\n"), (*_BAD, "closed")),
        (
            "chunk of size ffffffffffffffff",
            _bytes(chunked, b"ffffffffffffffff\r\nNRRD0004"),
            ("408 upload-stalled",),
        ),
        ("longer than said", _bytes(f"{said}8", b"NRRD0004" + b"x" * 1000), _UNREADABLE),
        ("length -1", _bytes(f"{said}-1"), _BAD),
        ("two lengths", _bytes(f"{said}8\r\nContent-Length: 9", b"NRRD0004"), _BAD),
        (
            "a length, and chunked",
            _bytes(f"{chunked}\r\nContent-Length: 3", start + b"0\r\n\r\n"),
            (*_BAD, *_UNREADABLE),
        ),
        (
            "said to be JSON",
            _bytes(f"{said}8\r\nContent-Type: application/json", b"NRRD0004"),
            _UNREADABLE,
        ),
    ):
        yield Attack("body", name, send, answers)


def _forms(many: int) -> Iterator[Attack]:
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
    chunked = f"{_post('/v1/jobs')}\r\nTransfer-Encoding: chunked\r\nContent-Type: {FORM}"
    letters = b"".join(_chunk(bytes([one])) for one in PART) + b"1\r\nN\r\n" * many
    for name, send, answers in (
        ("without boundary", _form(PART, ""), _BAD),
        ("without end", _form(PART + nrrd()), _BAD),
        ("without the field", _form(part + b"--x--\r\n"), _BAD),
        ("1,000 parts", _form(part * 1000 + PART + nrrd() + b"\r\n--x--\r\n"), _BAD),
        ("part header of 1 MiB", _form(b"--x\r\nA: " + b"x" * (1 << 20) + b"\r\n\r\n"), _BAD),
        ("1,000 part headers", _form(b"--x\r\n" + b"A: b\r\n" * 1000 + b"\r\n"), _BAD),
        ("boundary of 60 kB", _form(b"--x\r\n", "x" * 60_000), (*_BAD, "431")),
        (
            f"{many:,} chunks of a byte",
            _bytes(chunked, letters + b"0\r\n\r\n"),
            (*_BAD, "408 upload-stalled"),
        ),
        (
            "another field without end",
            _stream(chunked, _begun(_chunk(part[:-2]), _chunk(b"x" * 65_536))),
            ("413 upload-too-large",),
        ),
        ("a file name that is a path", upload(lambda: nrrd(sizes="0 0 0"), form=True), _UNREADABLE),
    ):
        yield Attack("form", name, send, answers)


def _requests() -> Iterator[Attack]:
    nothing, no_method = ("404", "404 no-such-job", "404 no-such-file"), ("405",)
    content = f"\r\nContent-Length: {len(nrrd())}"
    for path, answers in (
        ("/v1/jobs/../../etc/passwd", nothing),
        ("/v1/jobs/..%2f..%2fetc%2fpasswd", nothing),
        ("/v1/jobs/%2e%2e/%2e%2e/canary", nothing),
        ("/v1/jobs/%00", _INVALID),
        (f"/v1/jobs/{_ANY_DIGITS}%0a", _INVALID),
        (f"/v1/jobs/{_ANY_DIGITS}/files/..%2f..%2fjobs.db", nothing),
        ("/v1/models/..%2f..%2f..%2fetc%2fpasswd", nothing),
        ("/static/..%2f..%2fapp.py", nothing),
        ("//etc/passwd", nothing),
        ("/v1/jobs?limit=-1", _INVALID),
        (f"/v1/jobs?limit={'9' * 4000}", _INVALID),
        ("/v1/jobs?state=%27%20OR%201=1--", _INVALID),
    ):
        yield Attack("path", f"`GET {path[:60]}`", _bytes(_get(path)), answers)
    for query in (
        *("model=/etc/passwd", "model=..%2Fcanary", "model=%00", "method=x", "format=..%2Fx"),
        *("map=..%2Fresult.json", "wait=nan", "wait=inf", "wait=-1", "wait=1e999"),
    ):
        send = _bytes(f"{_post(f'/v1/label?{query}')}{content}", nrrd())
        yield Attack("query", f"`{query}`", send, _INVALID)
    for method, path in (
        ("PUT", "/v1/label"),
        ("TRACE", "/v1/jobs"),
        ("PATCH", "/v1/models"),
        ("DELETE", "/healthz"),
    ):
        yield Attack("method", f"`{method} {path}`", _bytes(_get(path, method)), no_method)
    for name, head, answers in (
        (
            "header of 1 MiB",
            f"{_get('/healthz')}\r\nX: {'x' * (1 << 20)}",
            (*_BAD, "431", "closed"),
        ),
        (
            "5,000 headers",
            _get("/healthz") + "".join(f"\r\nX{n}: x" for n in range(5000)),
            ("200",),
        ),
        ("path of 1 MiB", _get("/" + "x" * (1 << 20)), (*_BAD, "414", "closed")),
        ("no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", (*_BAD, "closed")),
        (
            "key of 4 kB",
            f"{_post('/v1/jobs')}\r\nIdempotency-Key: {'x' * 4000}\r\nContent-Length: 0",
            _INVALID,
        ),
    ):
        yield Attack("head", name, _bytes(head), answers)
    yield Attack(
        "head", "a byte every 0.1 s", _stream("", _for_ever(b"G"), 0.1), ("closed", *_BAD, "408")
    )


def attacks(many: int = 20_000) -> tuple[Attack, ...]:
    """Make all attacks; `many` is the number of pieces where an attack is their number."""
    return (*_uploads(), *_bodies(many), *_forms(many), *_requests())
