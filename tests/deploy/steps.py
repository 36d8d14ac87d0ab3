"""Runs the steps of a Dockerfile where there is no container engine, and what they made.

Each stage is a folder that `bwrap` (bubblewrap) makes the root of the file system, so that every
step runs at its own paths. What cannot be had without an engine is the base image: ``/usr`` of
this machine and the Python that `python` names stand in for it, read-only, so that a step which
would change them fails. An instruction that is not known here raises; none is passed over.
"""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from deploy.sandbox import sandbox
from docker.utils.build import exclude_paths
from dockerfile_parse import DockerfileParser

# Of /etc, what a base image of Debian has and these steps need, and how to reach the network.
_ETC = ("group", "gshadow", "hosts", "ld.so.conf", "ld.so.conf.d", "login.defs", "nsswitch.conf",
        "passwd", "resolv.conf", "shadow", "ssl")  # fmt: skip
_MOUNTED = ("dev", "proc", "run", "sys", "tmp", "usr")
_BASE_PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
_FROM_OUTSIDE = ("PIP_CERT", "PIP_INDEX", "SSL_CERT", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_AS_ROOT = ("--cap-add", "ALL")


@dataclass
class Stage:
    """One stage of a build: its folder, and what is said of containers of it."""

    root: Path
    env: dict[str, str] = field(default_factory=lambda: {"PATH": _BASE_PATH})
    arguments: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    said: dict[str, str] = field(default_factory=dict)

    def words(self, instruction: str) -> list[str]:
        """Words of an instruction that is written as a list."""
        return list(json.loads(self.said[instruction]))


@dataclass
class Build:
    """The steps of a Dockerfile, run below a clean folder.

    Parameters
    ----------
    context
        Folder of the Dockerfile.
    folder
        Clean folder, which takes one folder a stage.
    python
        Prefix of the Python that stands in for that of the base image.
    given
        Values for ARG.
    """

    context: Path
    folder: Path
    python: Path
    given: Mapping[str, str] = field(default_factory=dict)
    stages: dict[str, Stage] = field(default_factory=dict)
    bases: list[str] = field(default_factory=list)

    def run(self) -> Stage:
        """Run all steps, and return the last stage."""
        common: dict[str, str] = {}  # ARG before the first FROM
        parser = DockerfileParser(path=str(self.context / "Dockerfile"), env_replace=False)
        for step in parser.structure:
            name, value = step["instruction"], step["value"]
            if name == "COMMENT":
                continue
            print(f"{name} {' '.join(value.split())}", flush=True)  # noqa: T201 - the log of the build
            if name == "FROM":
                self._begin(Template(value).safe_substitute(common))
            elif name == "ARG":
                key, _, default = value.partition("=")
                known = self._stage.arguments if self.stages else common
                known[key] = self.given.get(key, default)
            else:
                self._step(name, value)
        return self._stage

    @property
    def _stage(self) -> Stage:
        return list(self.stages.values())[-1]

    def _begin(self, value: str) -> None:
        base, *name = value.split(" AS ")
        if base in self.stages:
            raise NotImplementedError(f"FROM {base}: a stage on top of a stage")
        self.bases.append(base)
        stage = Stage(self.folder / (name[0] if name else str(len(self.stages))))
        self.stages[stage.root.name] = stage
        for folder in ("etc", *_MOUNTED):
            (stage.root / folder).mkdir(parents=True)
        for link in ("bin", "lib", "lib64", "sbin"):
            (stage.root / link).symlink_to(f"usr/{link}")
        for entry in (Path("/etc") / one for one in _ETC):
            if entry.is_dir():
                shutil.copytree(entry, stage.root / "etc" / entry.name, symlinks=True)
            elif entry.exists():
                shutil.copy2(entry, stage.root / "etc")
        self._inside(stage, ["ldconfig"])  # so that Python finds its own library

    def _step(self, name: str, value: str) -> None:
        stage = self._stage
        known = {**stage.arguments, **stage.env}
        match name:
            case "RUN":
                flags, command = _flags(value)
                self._inside(stage, ["/bin/sh", "-c", command], flags)
            case "COPY":
                self._copy(stage, Template(value).safe_substitute(known))
            case "ENV":
                for pair in shlex.split(value):
                    key, _, content = pair.partition("=")
                    stage.env[key] = Template(content).substitute(known)
            case "WORKDIR":
                stage.workdir = value
                (stage.root / value.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "USER":
                stage.user = value
            case "LABEL" | "VOLUME" | "EXPOSE" | "STOPSIGNAL" | "ENTRYPOINT" | "CMD":
                stage.said[name] = value
            case "HEALTHCHECK":
                stage.said[name] = value.partition("CMD ")[2]
            case _:
                raise NotImplementedError(f"{name} {value}")

    def _copy(self, stage: Stage, value: str) -> None:
        flags, rest = _flags(value)
        *sources, target = shlex.split(rest)
        source_root = self.stages[flags["from"]].root if "from" in flags else self.context
        sent = None if "from" in flags else sent_files(self.context)
        into = stage.root / Path("/", stage.workdir, target).relative_to("/")
        for name in sources:
            source = source_root / name.lstrip("/")
            if sent is not None and name not in sent:
                raise FileNotFoundError(f"COPY {name}: .dockerignore keeps it from the engine")
            if source.is_dir():
                hidden = _hidden(source_root, sent) if sent is not None else None
                shutil.copytree(source, into, symlinks=True, dirs_exist_ok=True, ignore=hidden)
            else:
                copied = into / source.name if target.endswith("/") or into.is_dir() else into
                copied.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, copied)
                copied.chmod(int(flags.get("chmod", "0644"), 8))
        if unknown := set(flags) - {"from", "chmod"}:
            raise NotImplementedError(f"COPY with {unknown}")

    def _inside(
        self, stage: Stage, command: Sequence[str], flags: Mapping[str, str] | None = None
    ) -> None:
        outside = {k: v for k, v in os.environ.items() if k.upper().startswith(_FROM_OUTSIDE)}
        binds = []
        if mount := (flags or {}).get("mount"):
            about = dict(part.split("=") for part in mount.split(","))
            cache = Path.home() / ".cache" / Path(about["target"]).name
            if about["type"] != "cache":
                raise NotImplementedError(f"RUN --mount={mount}")
            cache.mkdir(parents=True, exist_ok=True)
            binds = ["--bind", str(cache), about["target"]]
        env = {**outside, **stage.arguments, **stage.env, "HOME": "/root"}
        inside = sandbox(stage.root, self.python, env, stage.workdir, writable=True)
        subprocess.run([*inside, *_AS_ROOT, *binds, "--", *command], check=True)


def sent_files(context: Path) -> set[str]:
    """Paths that .dockerignore lets an engine see."""
    lines = (context / ".dockerignore").read_text().splitlines()
    return set(exclude_paths(str(context), [one for one in lines if one and one[0] != "#"]))


def _hidden(context: Path, sent: set[str]) -> Callable[[str, list[str]], list[str]]:
    def names(folder: str, entries: list[str]) -> list[str]:
        below = Path(folder).relative_to(context)
        return [name for name in entries if str(below / name) not in sent]

    return names


def _flags(value: str) -> tuple[dict[str, str], str]:
    """Take the options off a step."""
    flags = {}
    rest = value.strip()
    while rest.startswith("--"):
        flag, _, rest = rest.partition(" ")
        name, _, said = flag.removeprefix("--").partition("=")
        flags[name] = said
        rest = rest.strip()
    return flags, rest
