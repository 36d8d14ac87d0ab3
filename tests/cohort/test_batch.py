"""A cohort is labelled to its end, whatever happens to single cases and processes."""

import csv
import json
import os
import pickle
import signal
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cohort.phantoms import misbehave, numbers, write_cohort

from gmmlabel.case import write_case
from gmmlabel.cohort.batch import Plan, Tally, only_batch, plan_batch, run_batch
from gmmlabel.cohort.labelling import CaseTask, Settings
from gmmlabel.cohort.memory import case_bytes
from gmmlabel.cohort.running import _fits
from gmmlabel.cohort.workers import LocalWorkers
from gmmlabel.errors import InputError, OutputError
from gmmlabel.method import METHODS
from gmmlabel.model_files import load_model
from gmmlabel.pipeline import label_volume
from gmmlabel.readers import read_volume

GMMLABEL = str(Path(sysconfig.get_path("scripts")) / "gmmlabel")
SETTINGS = Settings("zaffino2021", load_model().sha256, METHODS["default"])
GIB = 1 << 30


def _plan(source: Path, out: Path, settings: Settings = SETTINGS, **options: bool) -> Plan:
    out.mkdir(exist_ok=True)
    return plan_batch([source], out, settings, **options)


def _run(plan: Plan, count: int = 2) -> Tally:
    with LocalWorkers(count, 2, 8 * GIB, misbehave) as workers:
        return run_batch(plan, workers)


def _failures(out: Path) -> dict[str, dict[str, str]]:
    with (out / "failures.csv").open(newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


def _summary(out: Path) -> list[str]:
    with (out / "summary.csv").open(newline="") as file:
        return [row["case"] for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort") / "cts", ["one", "two", "three"])


@pytest.fixture(scope="module")
def finished(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a batch that ran to its end; tests copy what they change."""
    out = tmp_path_factory.mktemp("finished") / "out"
    assert _run(_plan(source, out)).labelled == 3
    return out


def test_each_case_is_that_of_the_command_for_one(
    source: Path, finished: Path, tmp_path: Path
) -> None:
    for name in ("one", "two", "three"):
        write_case(label_volume(read_volume(source / f"{name}.nrrd")), tmp_path / name)
        assert numbers(finished / name) == numbers(tmp_path / name)
    assert _summary(finished) == ["one", "three", "two"]
    assert (finished / "cohort.html").exists()
    assert _failures(finished) == {}


def test_cases_that_crash_starve_or_are_broken_fail_alone(tmp_path: Path) -> None:
    names = ["a", "b", "broken", "c", "crash", "crash-once", "d", "hungry"]
    source = write_cohort(tmp_path / "cts", names)
    (source / "zero.nrrd").write_bytes(b"NRRD0004\n")
    tally = _run(_plan(source, tmp_path / "out"))
    assert sorted(_summary(tmp_path / "out")) == ["a", "b", "c", "crash-once", "d"]
    failures = _failures(tmp_path / "out")
    assert sorted(failures) == ["broken", "crash", "hungry", "zero"]
    for name in ("crash", "hungry"):
        assert "ran out of memory or crashed, twice" in failures[name]["message"]
        assert failures[name]["attempts"] == "2"
    assert "a bug" in failures["broken"]["message"]
    assert str(source / "zero.nrrd") in failures["zero"]["message"]
    assert (tally.found, tally.labelled, len(tally.failures)) == (9, 5, 4)


def test_a_second_run_does_nothing(source: Path, finished: Path) -> None:
    plan = _plan(source, finished)
    assert (plan.tasks, plan.finished) == ((), 3)
    before = (finished / "one" / "result.json").stat().st_mtime_ns
    assert _run(plan) == Tally(3, 0, 3, ())
    assert (finished / "one" / "result.json").stat().st_mtime_ns == before


def test_only_what_is_missing_failed_or_changed_is_done_again(tmp_path: Path) -> None:
    source, out = write_cohort(tmp_path / "cts", ["one", "two", "three"]), tmp_path / "out"
    _run(_plan(source, out))

    def left() -> list[str]:
        return [task.ct.name for task in _plan(source, out).tasks]

    (out / "one" / "labels.nrrd").unlink()
    assert left() == ["one"]
    assert _run(_plan(source, out)).labelled == 1
    assert left() == []
    other = write_cohort(tmp_path / "others", ["x", "y", "z", "new"])
    (source / "two.nrrd").write_bytes((other / "new.nrrd").read_bytes())
    assert left() == ["two"]
    assert _run(_plan(source, out)).labelled == 1
    new = read_volume(source / "two.nrrd").sha256
    assert json.loads((out / "two" / "result.json").read_text())["input"]["sha256"] == new
    published = Settings("zaffino2021", SETTINGS.model_sha256, METHODS["published"])
    later = Settings("zaffino2021", SETTINGS.model_sha256, METHODS["default"], software="9.9")
    other_model = Settings("zaffino2021", "0" * 64, METHODS["default"])
    other_form = Settings("zaffino2021", SETTINGS.model_sha256, METHODS["default"], "mha")
    for settings in (published, later, other_model, other_form):
        assert len(_plan(source, out, settings).tasks) == 3
    assert len(_plan(source, out, overwrite=True).tasks) == 3


def test_an_input_that_was_only_touched_is_not_labelled_again(tmp_path: Path) -> None:
    source, out = write_cohort(tmp_path / "cts", ["one"]), tmp_path / "out"
    _run(_plan(source, out))
    before = (out / "one" / "result.json").stat().st_mtime_ns
    os.utime(source / "one.nrrd", ns=(1, 1))
    assert _run(_plan(source, out)) == Tally(1, 0, 1, ())
    assert (out / "one" / "result.json").stat().st_mtime_ns == before
    assert _plan(source, out).tasks == ()


def test_a_lost_or_torn_journal_costs_no_labelling(tmp_path: Path) -> None:
    source, out = write_cohort(tmp_path / "cts", ["one", "two"]), tmp_path / "out"
    _run(_plan(source, out))
    journal = out / "batch.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    assert _run(_plan(source, out)) == Tally(2, 0, 2, ())
    assert _plan(source, out).tasks == ()
    journal.unlink()
    assert _run(_plan(source, out)) == Tally(2, 0, 2, ())


def test_a_case_too_large_for_the_memory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    source = write_cohort(tmp_path / "cts", ["one"])
    head = (
        b"NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\n"
        b"sizes: 512 512 1250\nspace directions: (0.7,0,0) (0,0.7,0) (0,0,1)\n"
        b"space origin: (0,0,0)\nendian: little\nencoding: gzip\n\n"
    )
    (source / "huge.nrrd").write_bytes(head)
    plan = _plan(source, tmp_path / "out")
    with LocalWorkers(1, 2, 4 * 10**9 // 2) as workers:
        tally = run_batch(plan, workers)
    (refused,) = tally.failures
    assert (refused.case, refused.stage, tally.labelled) == ("huge", "memory", 1)
    assert "512 x 512 x 1250 voxels take about" in refused.message
    assert "GB" in refused.message


def test_no_more_cases_are_under_way_than_there_is_memory_for(source: Path, tmp_path: Path) -> None:
    one, two, _ = _plan(source, tmp_path / "out").tasks
    both = case_bytes(one.ct) + case_bytes(two.ct)
    with LocalWorkers(2, 2, both) as enough, LocalWorkers(2, 2, both - 1) as little:
        assert _fits(two, [one], enough)
        assert not _fits(two, [one], little)
        assert _fits(two, [], little)


def test_two_batches_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        only_batch(tmp_path),
        pytest.raises(OutputError, match="another batch is at work"),
        only_batch(tmp_path),
    ):
        pass
    with only_batch(tmp_path):
        pass


def test_inputs_without_any_ct_are_told(tmp_path: Path) -> None:
    (tmp_path / "cts").mkdir()
    (tmp_path / "cts" / "x.dcm").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"no CT in the inputs; .*x\.dcm: "):
        _plan(tmp_path / "cts", tmp_path / "out")


# The command, as a user runs it


@pytest.fixture
def many(tmp_path: Path) -> Path:
    return write_cohort(tmp_path / "cts", [f"ct{i}" for i in range(8)])


def _start(source: Path, out: Path, *options: object) -> subprocess.Popen[str]:
    command = [GMMLABEL, "batch", source, "--out", out, "--workers", 2, *options]
    return subprocess.Popen(
        [*map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finished(out: Path) -> set[str]:
    return {path.parent.name for path in out.glob("*/result.json")}


def _descendants(pid: int) -> Iterator[int]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            yield int(stat.parent.name)
            yield from _descendants(int(stat.parent.name))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_batch_that_is_stopped_goes_on_where_it_was(
    many: Path, tmp_path: Path, number: int
) -> None:
    out = tmp_path / "out"
    process = _start(many, out)
    while process.poll() is None and len(_finished(out)) < 2:
        time.sleep(0.01)
    children = list(_descendants(process.pid))
    os.kill(process.pid, number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode
    if number != signal.SIGKILL:
        assert "run the same command again" in stderr.splitlines()[-1]
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in children):
        assert time.monotonic() < deadline, "workers outlive the batch"
        time.sleep(0.05)
    whole = {name: (out / name / "result.json").stat().st_mtime_ns for name in _finished(out)}
    assert len(whole) < 8
    again = _start(many, out)
    assert again.communicate(timeout=300)[0]
    assert again.returncode == 0
    assert len(_summary(out)) == 8
    for name, when in whole.items():  # nothing was done twice
        assert (out / name / "result.json").stat().st_mtime_ns == when
    assert not list(out.glob("*/.gmmlabel-*"))
    write_case(label_volume(read_volume(many / "ct7.nrrd")), tmp_path / "ct7")
    assert numbers(out / "ct7") == numbers(tmp_path / "ct7")


def test_lines_json_and_exit_status(many: Path, tmp_path: Path) -> None:
    (many / "bad.nrrd").write_bytes(b"NRRD0004\n")
    done = _start(many, tmp_path / "out", "--json")
    stdout, stderr = done.communicate(timeout=300)
    assert done.returncode == 1
    told = json.loads(stdout)
    assert (told["found"], told["labelled"], told["kept"], told["failed"]) == (9, 8, 0, 1)
    assert any("of 9: bad: failed, " in line for line in stderr.splitlines())
    assert "failures.csv says why" in stderr.splitlines()[-1]
    quiet = _start(many, tmp_path / "out", "--quiet")
    assert quiet.communicate(timeout=300)[1].count("\n") == 1


def test_a_fit_uses_the_histograms_that_a_batch_left(finished: Path, tmp_path: Path) -> None:
    command = [GMMLABEL, "fit", str(finished), "--out", str(tmp_path / "m.json"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["training"]["cases"] == 3


def test_a_task_can_be_sent_to_any_process(source: Path, tmp_path: Path) -> None:
    task = _plan(source, tmp_path / "out").tasks[0]
    again = pickle.loads(pickle.dumps(task))  # noqa: S301 - our own
    assert isinstance(again, CaseTask)
    assert again == task
    assert len(pickle.dumps(task)) < 10_000
