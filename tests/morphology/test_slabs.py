"""Work is cut into even slabs, and the environment says how many threads there may be."""

import threading

import pytest

from gmmlabel.morphology.slabs import each_slab, thread_count


def test_the_environment_sets_the_number_of_threads(monkeypatch) -> None:
    monkeypatch.setenv("GMMLABEL_THREADS", "5")
    assert thread_count() == 5


@pytest.mark.parametrize("asked", ["", "0", "-2", "many", "1.5"])
def test_a_number_of_threads_that_is_none_is_left_out_of_account(monkeypatch, asked) -> None:
    monkeypatch.delenv("GMMLABEL_THREADS", raising=False)
    free = thread_count()
    monkeypatch.setenv("GMMLABEL_THREADS", asked)
    assert thread_count() == free > 0


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("length", [1, 2, 3, 7, 100])
def test_slabs_follow_each_other_and_are_even(monkeypatch, threads, length) -> None:
    monkeypatch.setenv("GMMLABEL_THREADS", str(threads))
    slabs = each_slab(lambda start, stop: (start, stop), length)
    assert [place for start, stop in slabs for place in range(start, stop)] == list(range(length))
    lengths = [stop - start for start, stop in slabs]
    assert len(lengths) == min(threads, length)
    assert max(lengths) - min(lengths) <= 1


def test_one_thread_is_the_one_that_calls(monkeypatch) -> None:
    monkeypatch.setenv("GMMLABEL_THREADS", "1")
    assert each_slab(lambda *_: threading.get_ident(), 9) == [threading.get_ident()]


def test_an_error_in_a_slab_comes_out(monkeypatch) -> None:
    monkeypatch.setenv("GMMLABEL_THREADS", "2")
    with pytest.raises(ZeroDivisionError):
        each_slab(lambda start, _: 1 // start, 4)
