"""How a server holds a process on another machine: by a file on the disk that they share.

The server writes something else into it from time to time. If it is gone, or stays the same for the
time of a lease, nobody wants the process any more. So a process ends soon whatever happens to its
server, or to the network between them.
"""

import time
from contextlib import suppress
from itertools import count
from pathlib import Path

_WANTED = "wanted"
_BEGUN = "begun"


class Leash:
    """The end that the server holds.

    Parameters
    ----------
    folder
        That of the temporary files of an attempt; is made.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / _WANTED
        self._times = count()
        folder.mkdir(parents=True)
        self._file.touch()
        self.renew()

    def renew(self) -> None:
        """Let the process go on for the time of another lease."""
        with suppress(OSError), self._file.open("r+") as file:  # w would make it anew
            file.write(f"{next(self._times):020}")

    def drop(self) -> None:
        """Let the process end."""
        with suppress(OSError):
            self._file.unlink()


class Collar:
    """The other end of a `Leash`.

    Parameters
    ----------
    folder
        That of the temporary files of an attempt.
    lease
        Seconds after which it ends if the server is silent.
    """

    def __init__(self, folder: Path, lease: float) -> None:
        self._folder = folder
        self._lease = lease
        self._seen = ""
        self._until = time.monotonic() + lease

    def begin(self) -> bool:
        """Begin the attempt; False if it has been begun before, or is not wanted any more."""
        try:
            (self._folder / _BEGUN).touch(exist_ok=False)
        except OSError:
            return False
        return self.held()

    def held(self) -> bool:
        """Tell whether the attempt is still wanted."""
        try:
            said = (self._folder / _WANTED).read_text()
        except FileNotFoundError:
            return False
        except OSError:  # the disk may be back before the lease has run out
            said = self._seen
        now = time.monotonic()
        if said != self._seen:
            self._seen, self._until = said, now + self._lease
        return now < self._until
