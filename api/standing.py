"""How the service stands at a moment: what ``/readyz`` answers, and what ``/metrics`` reads."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from .jobs import State
from .settings import Settings
from .storage.artefacts import Artefacts
from .storage.store import Store
from .working.runner import Runner


class Standing(Collector):
    """Looks at the parts of the service.

    Parameters
    ----------
    settings
        What must hold.
    store, artefacts, runner
        The parts.
    """

    def __init__(
        self, settings: Settings, store: Store, artefacts: Artefacts, runner: Runner
    ) -> None:
        self._settings, self._store = settings, store
        self._artefacts, self._runner = artefacts, runner

    def checks(self) -> dict[str, bool]:
        """Tell of each part whether it is well."""
        return self._checks(self._jobs())

    def _checks(self, jobs: dict[str, float] | None) -> dict[str, bool]:
        return {
            "store": jobs is not None,
            "disk": self._artefacts.free_bytes() >= self._settings.disk_floor,
            "workers": self._runner.well,
        }

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Give nothing: what there is shows when it is collected."""
        yield from ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give the figures of this moment; those of a store that does not answer are not there."""
        jobs = self._jobs()
        if jobs is not None:
            yield _by("gmmlabel_jobs", "Jobs in the store, of all servers.", "state", jobs)
        ready = {name: float(well) for name, well in self._checks(jobs).items()}
        yield _by("gmmlabel_ready", "Whether a part is well.", "part", ready)
        free = self._artefacts.free_bytes()
        for name, said, value in (
            ("gmmlabel_queue_limit", "Jobs that may wait.", self._settings.queue_limit),
            ("gmmlabel_workers", "Jobs that can be worked on at once.", self._runner.slots),
            ("gmmlabel_workers_busy", "Jobs that are worked on here.", self._runner.busy),
            ("gmmlabel_disk_free_bytes", "Disk that is free for uploads and results.", free),
            ("gmmlabel_disk_floor_bytes", "Disk that stays free.", self._settings.disk_floor),
        ):
            yield GaugeMetricFamily(name, said, value)

    def _jobs(self) -> dict[str, float] | None:
        try:
            return {state: float(self._store.count(state)) for state in State}
        except SQLAlchemyError:
            return None


def _by(name: str, said: str, label: str, values: dict[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, said, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
