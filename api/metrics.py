"""What the service counts and measures, for Prometheus: no names, no ids.

The values of all labels are from lists in this package, so that no request and no upload makes
another series.
"""

from math import inf

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, ProcessCollector

from .jobs import Job, Kind, State
from .problems import problem

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500)
_LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 300)
_STAGES = {"read", "lungs", "label", "smooth", "opacity", "measure", "write", "total"}
_FAULTS = ("internal", "worker-died", "job-timeout", "disk-full")
_OTHER = "other"
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Metrics:
    """The figures of one application.

    Parameters
    ----------
    version
        Version of gmmlabel.
    """

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        Info("gmmlabel", "The software.", registry=self.registry).info({"version": version})
        self._ended = Counter(
            "gmmlabel_jobs_ended",
            "Jobs that ended here, by what they do and how they ended.",
            ["kind", "state"],
            registry=self.registry,
        )
        self._failures = Counter(
            "gmmlabel_job_failures",
            "Jobs that failed here, by the last word of the type of the problem.",
            ["problem"],
            registry=self.registry,
        )
        self._crashes = Counter(
            "gmmlabel_worker_crashes", "Workers that died.", registry=self.registry
        )
        self._waited = Histogram(
            "gmmlabel_job_wait_seconds",
            "Seconds between acceptance and the first attempt.",
            ["kind"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._stages = Histogram(
            "gmmlabel_stage_seconds",
            "Seconds of each stage of a job that succeeded, and in total.",
            ["kind", "stage"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._requests = Counter(
            "gmmlabel_http_requests",
            "Requests, by the template of the route.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._latencies = Histogram(
            "gmmlabel_http_request_seconds",
            "Seconds from the head of a request to the end of its answer.",
            ["route"],
            buckets=_LATENCIES,
            registry=self.registry,
        )
        self._received = Counter(
            "gmmlabel_http_received_bytes",
            "Bytes of bodies of requests.",
            ["route"],
            registry=self.registry,
        )

        # Prometheus sees a series grow only if it was there before.
        for kind in Kind:
            for state in (State.SUCCEEDED, State.FAILED):
                self._ended.labels(kind, state)
        for word in _FAULTS:
            self._failures.labels(word)

    def began(self, job: Job) -> None:
        """Note that an attempt at a job was begun."""
        if job.attempt == 1 and job.started is not None:
            waited = max(0.0, job.started - job.created)
            self._waited.labels(job.wanted.kind).observe(waited)

    def crashed(self) -> None:
        """Note that a worker died."""
        self._crashes.inc()

    def ended(self, job: Job) -> None:
        """Note that a job ended.

        Parameters
        ----------
        job
            As it is now. What its process says of itself is not trusted to be what it should be.
        """
        kind = job.wanted.kind
        self._ended.labels(kind, job.state).inc()
        if job.state is State.FAILED:
            self._failures.labels(_word(job)).inc()
        for stage, seconds in _seconds(job).items():
            self._stages.labels(kind, stage).observe(seconds)

    def answered(
        self, method: str, route: str | None, status: int, seconds: float, received: int
    ) -> None:
        """Note a request.

        Parameters
        ----------
        method
            Its method.
        route
            Template of its route; None if it has none.
        status
            Status of the answer.
        seconds
            How long it took.
        received
            Bytes of its body.
        """
        route = route or _OTHER
        method = method if method in _METHODS else _OTHER
        self._requests.labels(method, route, str(status)).inc()
        self._latencies.labels(route).observe(seconds)
        self._received.labels(route).inc(received)


def _word(job: Job) -> str:
    """Tell the last word of the type of a problem, if it is one of ours."""
    kind = str((job.problem or {}).get("type"))
    word = kind.rpartition(":")[2]
    try:
        ours = problem(word, "").type == kind
    except KeyError:
        ours = False
    return word if ours else _OTHER


def _seconds(job: Job) -> dict[str, float]:
    told = (job.result or {}).get("seconds")
    if not isinstance(told, dict):
        return {}
    return {
        stage: float(seconds)
        for stage, seconds in told.items()
        if stage in _STAGES and isinstance(seconds, int | float) and 0 <= seconds < inf
    }
