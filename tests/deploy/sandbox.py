"""A folder as the root of the file system, by bubblewrap."""

from collections.abc import Mapping
from pathlib import Path


def sandbox(
    root: Path, python: Path, env: Mapping[str, str], workdir: str, *, writable: bool = False
) -> list[str]:
    """Begin a command of ``bwrap``, which takes more options and then the command to run.

    Parameters
    ----------
    root
        Folder that is seen as ``/``, read-only unless `writable`.
    python
        Prefix of the Python that is seen as ``/usr/local``, read-only as ``/usr`` of this machine.
    env
        The whole environment.
    workdir
        Where the command begins.
    """
    seen = ["--bind" if writable else "--ro-bind", str(root), "/"]
    base = ["--ro-bind", "/usr", "/usr", "--ro-bind", str(python), "/usr/local"]
    kernel = ["--proc", "/proc", "--dev", "/dev"]
    for shared in ("/tmp", "/dev/shm"):  # noqa: S108 - those of the container
        kernel += ["--perms", "1777", "--tmpfs", shared]
    told = [word for name, value in env.items() for word in ("--setenv", name, value)]
    alone = ["--unshare-pid", "--unshare-ipc", "--die-with-parent", "--clearenv"]
    return ["bwrap", *seen, *base, *kernel, *alone, *told, "--chdir", workdir]
