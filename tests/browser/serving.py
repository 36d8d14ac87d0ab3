"""Services that browsers visit."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from service.test_serve import Process

from gmmlabel.api.settings import Settings
from gmmlabel.api.storage.tokens import tokens_of

# A lease that a machine busy with drawing keeps; the last of two options of a name is taken.
COMMON = ("--workers", "2", "--worker-memory", "1GiB", "--lease", "30")


@dataclass
class Service(Process):
    """`gmmlabel serve` with real workers, and the tokens of its users if they need any."""

    tokens: dict[str, str] = field(default_factory=dict)

    def add_users(self, names: Sequence[str]) -> None:
        """Make a token for each; the service does not begin without one if they are needed."""
        with tokens_of(Settings(data=self.folder / "data")) as made:
            self.tokens |= {name: made.create(name) for name in names}
