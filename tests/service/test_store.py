"""The job store: each job is one owner's at a time, and ends once."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gmmlabel.api.database import Database
from gmmlabel.api.jobs import Job, LabelWanted, State
from gmmlabel.api.store import KeyReusedError, QueueFullError, Store

WANTED = LabelWanted("a" * 64, ".nrrd", "zaffino2021", "b" * 64, "default", "nrrd")
PROBLEM = {"title": "a problem"}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}")
    yield Store(database, clock)
    database.close()


def add(store: Store, number: int = 0, **options: object) -> Job:
    wanted = replace(WANTED, sha256=f"{number:064x}")
    return store.add(f"{number:032x}", wanted, **{"client": "", "queue_limit": 100, **options})[0]


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
    assert store.ended_before(clock.now + 1) == [job.id]
    assert store.versions([job.id, "f" * 32]) == {job.id: 2}


def test_a_store_that_is_opened_again_has_what_it_was_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    database = Database(url)
    job = add(Store(database))
    database.close()
    again = Database(url)
    assert Store(again).get(job.id, "") == job
    again.close()


def test_no_job_is_claimed_twice_by_many_at_once(store: Store) -> None:
    for number in range(40):
        add(store, number)
    claimed: list[str] = []

    def take(owner: str) -> None:
        while job := store.claim(owner, 30):
            claimed.append(job.id)

    threads = [threading.Thread(target=take, args=(f"owner {n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed)) == 40
