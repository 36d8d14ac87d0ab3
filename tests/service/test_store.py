"""The job store: each job is one owner's at a time, and ends once."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from service.postgresql import shared_server

from gmmlabel.api.jobs import Job, LabelWanted, RefitWanted, State
from gmmlabel.api.storage.database import Database, DatabaseError
from gmmlabel.api.storage.store import KeyReusedError, QueueFullError, Store
from gmmlabel.api.views import Summary, view_job

WANTED = LabelWanted("a" * 64, ".nrrd", "zaffino2021", "b" * 64, "default", "nrrd")
PROBLEM = {"title": "a problem"}
REFIT = RefitWanted("a" * 64, 1, "mine", "none", "", 10.0, "voxels", 0, None, force=False)

Answer = TypeVar("Answer")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.db'}"
    server = shared_server()
    return server.url(server.new())


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.close()


@pytest.fixture
def store(database: Database, clock: Clock) -> Store:
    return Store(database, clock)


def add(store: Store, number: int = 0, **options: object) -> Job:
    wanted = replace(WANTED, sha256=f"{number:064x}")
    return store.add(f"{number:032x}", wanted, **{"client": "", "queue_limit": 100, **options})[0]


def at_once(
    url: str, what: Callable[[Store, int], Answer], many: int = 6
) -> list[Answer | Exception]:
    """Let hosts, each with connections of its own, do something at the same moment."""
    ready = threading.Barrier(many)

    def host(number: int) -> Answer | Exception:
        store = Store(databases[number])
        store.count(State.QUEUED)
        ready.wait(30)
        try:
            return what(store, number)
        except Exception as error:  # noqa: BLE001 - the test says which may be
            return error

    with ExitStack() as closing, ThreadPoolExecutor(many) as pool:
        databases = [Database(url) for _ in range(many)]
        for database in databases:
            closing.callback(database.close)
        return list(pool.map(host, range(many)))


def test_a_job_goes_from_queued_over_running_to_succeeded(store: Store, clock: Clock) -> None:
    added = add(store)
    assert (added.state, added.progress, added.created) == (State.QUEUED, 0.0, 1000.0)
    clock.now = 1001.0
    job = store.claim("me", 30)
    assert job is not None
    assert (job.state, job.attempt, job.started, job.wanted) == (
        State.RUNNING, 1, 1001.0, added.wanted,
    )  # fmt: skip
    assert store.advance(job, "me", "label", 0.5)
    clock.now = 1002.0
    assert store.succeed(job, "me", {"lungs": 1})
    done = store.look(job.id)
    assert done is not None
    assert (done.state, done.stage, done.progress, done.ended, done.result) == (
        State.SUCCEEDED, "label", 1.0, 1002.0, {"lungs": 1},
    )  # fmt: skip
    assert done.version == 3


def test_jobs_are_taken_in_the_order_in_which_they_came(store: Store, clock: Clock) -> None:
    for number in (3, 1, 2):
        add(store, number)
        clock.now += 1
    taken = [store.claim("me", 30) for _ in range(3)]
    assert [int(job.id, 16) for job in taken if job] == [3, 1, 2]
    assert store.claim("me", 30) is None


def test_a_job_that_was_lost_cannot_be_changed_by_its_earlier_owner(
    store: Store, clock: Clock
) -> None:
    add(store)
    first = store.claim("me", 30)
    assert first is not None
    clock.now += 31
    store.expire(2, PROBLEM)
    second = store.claim("me", 30)  # the same owner: the attempt tells them apart
    assert second is not None
    assert second.attempt == 2
    assert not store.succeed(first, "me", {})
    assert not store.fail(first, "me", PROBLEM)
    assert not store.advance(first, "me", "read", 0.1)
    assert not store.give_back(first, "me")
    assert not store.crashed(first, "me", 2, PROBLEM)
    assert store.succeed(second, "me", {"second": True})
    assert not store.fail(second, "me", PROBLEM)
    done = store.look(first.id)
    assert done is not None
    assert (done.state, done.result) == (State.SUCCEEDED, {"second": True})


def test_a_lease_that_is_renewed_does_not_run_out(store: Store, clock: Clock) -> None:
    job = add(store)
    claimed = store.claim("me", 30)
    assert claimed is not None
    for _ in range(5):
        clock.now += 20
        assert store.renew("me", [claimed], 30) == {(job.id, 1)}
        assert store.renew("another", [claimed], 30) == set()
        store.expire(1, PROBLEM)
    found = store.look(job.id)
    assert found is not None
    assert found.state is State.RUNNING


@pytest.mark.parametrize("how", ["crashed", "expire"])
def test_a_job_fails_at_the_last_of_its_attempts(store: Store, clock: Clock, how: str) -> None:
    add(store)
    states = []
    for _ in range(3):
        job = store.claim("me", 30)
        assert job is not None
        if how == "crashed":
            assert store.crashed(job, "me", 3, PROBLEM)
        else:
            clock.now += 31
            store.expire(3, PROBLEM)
        found = store.look(job.id)
        assert found is not None
        states.append(found.state)
    assert states == [State.QUEUED, State.QUEUED, State.FAILED]
    assert found.problem == PROBLEM
    assert store.claim("me", 30) is None


def test_a_job_that_was_given_back_has_not_used_up_an_attempt(store: Store) -> None:
    add(store)
    for _ in range(5):
        job = store.claim("me", 30)
        assert job is not None
        assert store.give_back(job, "me")
    assert store.claim("me", 30) is not None


def test_the_same_work_is_one_job_unless_it_failed(store: Store) -> None:
    first = add(store)
    again, made = store.add("f" * 32, first.wanted, client="", queue_limit=100)
    assert (again, made) == (first, False)
    job = store.claim("me", 30)
    assert job is not None
    store.succeed(job, "me", {})
    assert store.add("f" * 32, first.wanted, client="", queue_limit=100)[0].id == first.id
    other = replace(first.wanted, method="published")
    assert store.add("e" * 32, other, client="", queue_limit=100)[1]
    job = store.claim("me", 30)
    assert job is not None
    store.fail(job, "me", PROBLEM)
    assert store.add("d" * 32, other, client="", queue_limit=100)[1]


def test_clients_do_not_see_or_share_jobs(store: Store) -> None:
    mine = add(store, client="me")
    theirs, made = store.add("f" * 32, mine.wanted, client="them", queue_limit=100)
    assert made
    assert store.get(mine.id, "them") is None
    assert not store.cancel(mine.id, "them")
    assert [job.id for job in store.find("them")] == [theirs.id]


def test_a_key_that_is_sent_again_gives_the_same_job_whatever_became_of_it(store: Store) -> None:
    first = add(store, idempotency_key="once")
    store.cancel(first.id, "")
    again, made = store.add(
        "f" * 32, first.wanted, client="", queue_limit=100, idempotency_key="once"
    )
    assert (again.id, again.state, made) == (first.id, State.CANCELLED, False)
    with pytest.raises(KeyReusedError):
        add(store, 2, idempotency_key="once")
    assert store.remove(first.id)
    assert store.add("e" * 32, first.wanted, client="", queue_limit=100, idempotency_key="once")[1]


def test_a_full_queue_takes_no_new_work_but_answers_with_what_is_there(store: Store) -> None:
    first = add(store, 1, queue_limit=2)
    add(store, 2, queue_limit=2)
    with pytest.raises(QueueFullError):
        add(store, 3, queue_limit=2)
    assert add(store, 1, queue_limit=2) == first
    assert store.claim("me", 30)
    add(store, 3, queue_limit=2)


def test_jobs_are_cancelled_until_they_end_and_removed_after(store: Store) -> None:
    job = add(store)
    assert not store.remove(job.id)
    claimed = store.claim("me", 30)
    assert claimed is not None
    assert store.cancel(job.id, "")
    assert not store.cancel(job.id, "")
    assert not store.succeed(claimed, "me", {})
    assert store.renew("me", [claimed], 30) == set()
    assert store.remove(job.id)
    assert store.look(job.id) is None


def test_lists_are_newest_first_without_results(store: Store, clock: Clock) -> None:
    for number in range(3):
        add(store, number)
        clock.now += 1
    job = store.claim("me", 30)
    assert job is not None
    store.succeed(job, "me", {"large": True})
    assert [int(found.id, 16) for found in store.find("")] == [2, 1, 0]
    assert [found.result for found in store.find("", state=State.SUCCEEDED)] == [None]
    assert len(store.find("", limit=2)) == 2
    assert store.count(State.QUEUED) == 2
    assert store.ended_for(1) == []
    clock.now += 2
    assert store.ended_for(1) == [job.id]
    assert store.versions([job.id, "f" * 32]) == {job.id: 2}


LABELLED = {
    "lungs": {"voxels": 3, "volume_ml": 6357.4943362450995},
    "involvement": {"percent": 0.1, "score": 1},
    "opacity": {"percent": 2.0, "volume_ml": 1.0},
    "quality": [{"flag": "thick_slices", "message": "\N{MULTIPLICATION SIGN} '\"\\"}],
    "regions": {"large": [True] * 1000},
}


def succeeded(store: Store, number: int, result: dict[str, object]) -> Job:
    add(store, number)
    job = store.claim("me", 30)
    assert job is not None
    assert store.succeed(job, "me", result)
    return job


def test_lists_sum_up_results_to_the_last_digit(store: Store) -> None:
    job = succeeded(store, 1, LABELLED)
    queued = add(store, 2)
    found = {one.id: one for one in store.find("")}
    assert found[job.id].result is None
    for one in (found[job.id], store.look(job.id)):
        assert one is not None
        assert view_job(one).summary == Summary(
            lungs_ml=6357.4943362450995, involvement_percent=0.1, involvement_score=1,
            opacity_percent=2.0, flags=["thick_slices"],
        )  # fmt: skip
    assert view_job(found[queued.id]).summary is None


def test_a_result_of_the_published_method_is_summed_up_without_opacity(store: Store) -> None:
    succeeded(store, 1, {**LABELLED, "opacity": None, "quality": []})
    (found,) = store.find("")
    summary = view_job(found).summary
    assert summary is not None
    assert (summary.opacity_percent, summary.flags) == (None, [])


@pytest.mark.parametrize(
    "result",
    [
        {"model": "ours"},
        {**LABELLED, "lungs": "7"},
        {**LABELLED, "lungs": {"volume_ml": "much"}},
        {**LABELLED, "involvement": [1, 2]},
        {**LABELLED, "involvement": {"percent": 1, "score": {}}},
        {**LABELLED, "opacity": 3},
        {**LABELLED, "quality": {"flag": 1}},
        {**LABELLED, "quality": [None]},
        {},
    ],
)
def test_what_is_the_result_of_no_labelled_ct_has_no_summary(
    store: Store, result: dict[str, object]
) -> None:
    succeeded(store, 1, result)
    (found,) = store.find("")
    assert view_job(found).summary is None


def test_a_store_that_is_opened_again_has_what_it_was_told(url: str) -> None:
    database = Database(url)
    job = add(Store(database))
    database.close()
    again = Database(url)
    assert Store(again).get(job.id, "") == job
    again.close()


def test_no_job_is_claimed_twice_by_many_at_once(url: str, store: Store) -> None:
    for number in range(40):
        add(store, number)

    def take(host: Store, number: int) -> list[str]:
        taken = []
        while job := host.claim(f"owner {number}", 30):
            taken.append(job.id)
        return taken

    claimed = [job_id for taken in at_once(url, take) for job_id in taken]
    assert len(claimed) == len(set(claimed)) == 40


@pytest.mark.usefixtures("store")
def test_the_same_work_that_many_accept_at_once_is_one_job(url: str) -> None:
    def accept(host: Store, number: int) -> list[tuple[str, bool]]:
        answers = []
        for work in range(10):
            wanted = replace(WANTED, sha256=f"{work:064x}")
            job_id = f"{100 * number + work:032x}"
            job, made = host.add(
                job_id, wanted, client="", queue_limit=100, idempotency_key=f"key {work}"
            )
            answers.append((job.id, made))
        return answers

    hosts = at_once(url, accept)
    for answers in zip(*hosts, strict=True):
        assert len({job_id for job_id, _ in answers}) == 1
        assert sum(made for _, made in answers) == 1


def test_a_queue_takes_what_it_may_and_no_more_from_many_at_once(url: str, store: Store) -> None:
    def fill(host: Store, number: int) -> int:
        accepted = 0
        for work in range(10):
            try:
                add(host, 100 * number + work, queue_limit=7)
                accepted += 1
            except QueueFullError:
                pass
        return accepted

    assert sum(at_once(url, fill)) == store.count(State.QUEUED) == 7


def test_of_many_that_want_a_name_at_once_one_gets_it(url: str, store: Store) -> None:
    def ask(host: Store, number: int) -> Job:
        return host.add(f"{number:032x}", REFIT, client=f"{number}", queue_limit=100)[0]

    answers = at_once(url, ask)
    assert sorted(type(answer).__name__ for answer in answers) == ["Job"] + ["NameTakenError"] * 5
    assert store.count(State.QUEUED) == 1


def test_a_key_names_no_job_that_was_removed_when_it_came(url: str, store: Store) -> None:
    for work in range(20):
        job = add(store, work)
        claimed = store.claim("me", 30)
        assert claimed is not None
        store.succeed(claimed, "me", {})
        wanted = replace(WANTED, sha256=f"{work:064x}")

        def send(
            host: Store, number: int, job: Job = job, wanted: LabelWanted = wanted
        ) -> str | None:
            if number == 0:
                host.remove(job.id)
                return None
            new, key = f"{1000 * number + int(job.id, 16):032x}", f"key {number} {job.id}"
            return host.add(new, wanted, client="", queue_limit=100, idempotency_key=key)[0].id

        at_once(url, send, 3)
        for number in (1, 2):
            again = send(store, number)
            assert again is not None
            assert store.look(again) is not None
            store.cancel(again, "")


def test_a_lost_job_is_counted_once_by_many_that_find_it(url: str, store: Store) -> None:
    for number in range(20):
        add(store, number)
        store.claim("killed", -1)
    at_once(url, lambda host, _: host.expire(2, PROBLEM))
    assert store.count(State.QUEUED) == 20
    for _ in range(20):
        store.claim("killed", -1)
    at_once(url, lambda host, _: host.expire(2, PROBLEM))
    assert store.count(State.FAILED) == 20


def test_a_job_that_is_cancelled_and_ended_at_once_is_one_of_both(url: str, store: Store) -> None:
    for number in range(20):
        added = add(store, number)
        job = store.claim("me", 30)
        assert job is not None
        assert job.id == added.id

        def end(host: Store, number: int, job: Job = job) -> bool:
            return host.cancel(job.id, "") if number else host.succeed(job, "me", {})

        succeeded, cancelled = at_once(url, end, 2)
        assert succeeded is not cancelled
        found = store.look(job.id)
        assert found is not None
        assert found.state is (State.SUCCEEDED if succeeded else State.CANCELLED)


def test_a_claim_of_which_the_owner_was_not_told_is_given_back(store: Store) -> None:
    known, lost = add(store, 1), add(store, 2)
    claimed = store.claim("me", 30)
    assert store.claim("me", 30)
    assert claimed is not None
    assert store.renew("me", [claimed], 30) == {(known.id, 1)}
    again = store.claim("me", 30)
    assert again is not None
    assert (again.id, again.attempt) == (lost.id, 2)
    assert store.renew("me", [], 30) == set()
    assert store.count(State.QUEUED) == 2


def test_tables_are_made_once_by_many_that_start_at_the_same_time(url: str) -> None:
    ready = threading.Barrier(6)

    def start(_: int) -> int:
        ready.wait(30)
        database = Database(url)
        try:
            return Store(database).count(State.QUEUED)
        finally:
            database.close()

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(start, range(6))) == [0] * 6


@pytest.mark.parametrize(
    "change", ["UPDATE schema_version SET version = 99", "DROP TABLE schema_version"]
)
def test_tables_of_another_version_are_refused(url: str, change: str) -> None:
    database = Database(url)
    with database.writing() as connection:
        connection.exec_driver_sql(change)
    database.close()
    with pytest.raises(DatabaseError, match=r"version (99|0)") as caught:
        Database(url)
    assert len(str(caught.value).splitlines()) == 1
