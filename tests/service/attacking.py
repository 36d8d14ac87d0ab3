"""Sending what does harm, over a socket of its own, as those that attack do."""

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

PATIENCE = 60.0
"""Seconds after which no attack goes on."""

FORM = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="../../../climbed"\r\n\r\n'


@dataclass(frozen=True)
class Outcome:
    """What came of an attack.

    Parameters
    ----------
    sent
        Bytes that were sent, without those that the system kept to itself.
    status, word
        Status of the answer and the last part of its type; 0 and empty if there was no answer.
    text
        The answer.
    """

    sent: int
    status: int
    word: str
    text: str

    @property
    def answer(self) -> str:
        """Status and word."""
        return f"{self.status} {self.word}".strip() if self.status else "closed"


@dataclass(frozen=True)
class Attack:
    """Something that is sent.

    Parameters
    ----------
    kind, name
        What it is.
    send
        Sends it to a port of this machine.
    answers
        What may come back.
    """

    kind: str
    name: str
    send: Callable[[int], Outcome]
    answers: tuple[str, ...]


def exchange(port: int, head: str, pieces: Iterable[bytes] = (), pause: float = 0.0) -> Outcome:
    """Send a request piece by piece, until it is answered or all is sent; read the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        answered = threading.Event()
        first = f"{head}\r\n\r\n".encode("latin-1") if head else b""
        sent = 0

        def speak() -> None:
            nonlocal sent
            with suppress(OSError):  # the server has had enough
                for piece in chain((first,), pieces):
                    if answered.wait(pause) if pause else answered.is_set():
                        return
                    connection.sendall(piece)
                    sent += len(piece)

        speaker = threading.Thread(target=speak)
        speaker.start()
        try:
            status, word, text = read_answer(connection)
        finally:
            answered.set()
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            speaker.join()
    return Outcome(sent, status, word, text)


def read_answer(connection: socket.socket) -> tuple[int, str, str]:
    """Read status, word and text of an answer; zero and nothing if there is none."""
    answer = http.client.HTTPResponse(connection)
    try:
        answer.begin()
        text = answer.read().decode("latin-1")
    except (http.client.HTTPException, ConnectionError):
        return 0, "", ""
    with suppress(ValueError, KeyError, TypeError):
        kind = json.loads(text)["type"]
        return answer.status, "" if kind == "about:blank" else kind.rpartition(":")[2], text
    return answer.status, "", text


def upload(content: Callable[[], bytes], *, form: bool = False) -> Callable[[int], Outcome]:
    """Send a volume to be labelled."""

    def send(port: int) -> Outcome:
        body = content()
        if form:
            body = PART + body + b"\r\n--x--\r\n"
        kind = FORM if form else "application/octet-stream"
        head = "POST /v1/label HTTP/1.1\r\nHost: localhost"
        said = f"Content-Length: {len(body)}\r\nContent-Type: {kind}"
        return exchange(port, f"{head}\r\n{said}", [body])

    return send
