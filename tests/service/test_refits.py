"""Refits over HTTP: the model that `gmmlabel fit` would make, under a name that stays its own."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fitting.cohorts import patient
from pydantic import ByteSize
from service.conftest import Server
from service.refit_workers import carry_or_refit
from service.test_http import ended, is_problem

from gmmlabel.api.accepting import refits
from gmmlabel.api.jobs import RefitWanted
from gmmlabel.api.problems import ProblemError
from gmmlabel.api.working.order import Order
from gmmlabel.api.working.refitting import refit_upload
from gmmlabel.fitting.pool import Weighting, pool_histograms
from gmmlabel.fitting.prior import named_prior
from gmmlabel.fitting.refit import ANCHORED, refit
from gmmlabel.histogram import LungHistogram
from gmmlabel.model_files import load_model
from gmmlabel.model_schema import tissue_entries

MEANS = (-950.0, -829.0, -652.0, -337.0, -13.0)
DEVIATIONS = (44.0, 58.0, 94.0, 157.0, 194.0)


@pytest.fixture
def server(serve: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("GMMLABEL_MODELS", str(tmp_path / "models"))
    return serve(work=carry_or_refit)


def lungs(seed: int, shift: float = 0.0) -> LungHistogram:
    found = patient(seed, [mean + shift for mean in MEANS], DEVIATIONS)
    return replace(found, input_sha256=f"{seed:064x}")


def labelled(server: Server, histogram: LungHistogram) -> str:
    """Make a job that has labelled somebody; its id."""
    body = b"NRRD0004 " + json.dumps(histogram.document()).encode()
    job = server.client.post("/v1/jobs", content=body).json()
    assert ended(server, job)["state"] == "succeeded"
    return str(job["id"])


def ask(server: Server, name: str, **asked: Any) -> Any:
    return server.client.post("/v1/models", json={"name": name, **asked})


def fitted(server: Server, name: str, **asked: Any) -> dict[str, Any]:
    answer = ask(server, name, **asked)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    return ended(server, answer.json())


def test_a_refit_over_http_is_that_of_the_library(server: Server) -> None:
    cases = [lungs(1, 20), lungs(2, 25), lungs(3, 15)]
    job = fitted(
        server, "site", by="somebody", strength_patients=2.0, weights="patients", seed=3,
        jobs=[labelled(server, case) for case in cases[:2]], histograms=[cases[2].document()],
    )  # fmt: skip
    assert (job["kind"], job["state"], job["model"]) == ("refit", "succeeded", None)
    assert job["refit"]["prior"]["name"] == "zaffino2021"

    pool = pool_histograms([(str(n), case) for n, case in enumerate(cases)], Weighting.PATIENTS)
    method = replace(ANCHORED, seed=3)
    ours = refit(pool, "site", prior=named_prior("zaffino2021", pool, patients=2.0), method=method)
    assert job["result"]["model"]["tissues"] == tissue_entries(ours.model)
    assert job["result"]["cases"] == 3

    model = server.client.get("/v1/models/site").json()
    assert model["tissues"] == tissue_entries(ours.model)
    assert model["sha256"] == job["result"]["model"]["sha256"]
    training = load_model("site").training
    assert (training["by"], training["job"], training["cases"]) == ("somebody", job["id"], 3)
    names = [
        file["name"] for file in server.client.get(f"/v1/jobs/{job['id']}/files").json()["files"]
    ]
    assert names == ["result.json", "site.json", "site.md"]


def test_a_volume_can_be_labelled_with_a_model_that_was_made(server: Server) -> None:
    made = fitted(server, "site", histograms=[lungs(1).document()])
    body = b"NRRD0004 " + json.dumps(lungs(2).document()).encode()
    job = server.client.post("/v1/jobs?model=site", content=body).json()
    assert job["model"] == {"name": "site", "sha256": made["result"]["model"]["sha256"]}
    again = fitted(server, "site2", prior="site", histograms=[lungs(3).document()])
    assert again["refit"]["prior"] == job["model"]


def test_the_same_request_finds_its_job_in_whatever_order_the_histograms_come(
    server: Server,
) -> None:
    one, two = lungs(1).document(), lungs(2).document()
    first = fitted(server, "site", histograms=[one, two])
    again = ask(server, "site", histograms=[two, one])
    assert (again.status_code, again.json()["id"]) == (202, first["id"])


def test_a_name_stays_that_of_its_model(server: Server) -> None:
    first = fitted(server, "site", histograms=[lungs(1).document()])
    other = {"histograms": [lungs(2).document()]}
    assert is_problem(ask(server, "site", **other), 409, "model-exists")
    assert is_problem(ask(server, "zaffino2021", **other), 409, "model-exists")
    server.client.delete(f"/v1/jobs/{first['id']}")
    assert is_problem(ask(server, "site", **other), 409, "model-exists")
    model = server.client.get("/v1/models/site").json()
    assert model["sha256"] == first["result"]["model"]["sha256"]


def test_a_name_is_taken_while_its_model_is_made(server: Server) -> None:
    histograms = [lungs(number).document() for number in range(5)]
    statuses = [ask(server, "site", histograms=[one]).status_code for one in histograms]
    assert statuses[0] == 202
    assert set(statuses[1:]) == {409}


def test_a_fit_outlives_the_jobs_that_it_is_made_from(server: Server) -> None:
    ids = [labelled(server, lungs(number)) for number in range(3)]
    answer = ask(server, "site", jobs=ids)
    for job_id in ids:
        assert server.client.delete(f"/v1/jobs/{job_id}").status_code == 204
    assert ended(server, answer.json())["result"]["cases"] == 3


def test_an_implausible_model_is_kept_only_if_that_is_asked_for(server: Server) -> None:
    narrow = patient(1, (-500.0, -490.0, -480.0, -470.0, -460.0), (5.0,) * 5).document()
    job = fitted(server, "odd", prior="none", histograms=[narrow])
    assert job["refit"]["prior"] is None
    assert job["problem"]["type"].endswith(":implausible")
    assert "--" not in job["problem"]["detail"]
    assert "odd" not in {
        model["name"] for model in server.client.get("/v1/models").json()["models"]
    }
    kept = fitted(server, "odd", prior="none", force=True, histograms=[narrow])
    assert kept["result"]["model"]["doubts"]


def test_histograms_that_do_not_go_together_fail_the_job_in_one_line(server: Server) -> None:
    other = replace(lungs(2), method={**lungs(2).method, "name": "other"})
    job = fitted(server, "site", histograms=[lungs(1).document(), other.document()])
    assert job["problem"]["type"].endswith(":no-fit")
    broken = fitted(server, "site", histograms=[{"schema_version": 1}])
    assert broken["problem"]["type"].endswith(":no-fit")
    assert str(server.service.settings.data) not in json.dumps([job, broken])


def test_what_no_model_can_be_made_of_is_refused_and_leaves_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refits, "_LIMIT", ByteSize(20_000))
    good = {"histograms": [lungs(1).document()]}
    made = fitted(server, "made", **good)
    before = server.files
    for answer, status, word in (
        (ask(server, "a"), 422, "invalid-parameter"),
        (ask(server, "../a", **good), 422, "invalid-parameter"),
        (ask(server, "a", prior="/etc/passwd", **good), 422, "invalid-parameter"),
        (ask(server, "a", strength_patients=-1, **good), 422, "invalid-parameter"),
        (ask(server, "a", other=1, **good), 422, "invalid-parameter"),
        (ask(server, "a", jobs=["../../etc"]), 422, "invalid-parameter"),
        (ask(server, "a", jobs=["f" * 32]), 404, "no-such-job"),
        (ask(server, "a", jobs=[made["id"]]), 404, "no-such-job"),
        (server.client.post("/v1/models", content=b"{"), 422, "invalid-parameter"),
        (server.client.post("/v1/models", content=b" " * 30_000), 413, "upload-too-large"),
    ):
        assert is_problem(answer, status, word), answer.text
    assert server.files == before


def test_an_attempt_after_one_that_was_killed_too_late_keeps_the_model_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GMMLABEL_MODELS", str(tmp_path / "models"))
    uploads = tmp_path / "upload"
    uploads.mkdir()
    lungs(1).write(uploads / "1.json")
    sha256 = load_model().sha256 or ""
    wanted = RefitWanted(
        "0" * 64, 1, "site", "zaffino2021", sha256, 10.0, "voxels", 0, None, force=False
    )

    def attempt(number: int, job_id: str, wanted: RefitWanted = wanted) -> dict[str, Any]:
        case = tmp_path / str(number)
        order = Order(
            job_id, wanted, uploads, case, tmp_path / "tmp", tmp_path / "models", 1 << 30, 1
        )
        refit_upload(order, wanted, lambda _: None)
        return dict(json.loads((case / "result.json").read_bytes())["model"])

    first = attempt(1, "a" * 32)
    # What would come out otherwise now, as if it were another day.
    assert attempt(2, "a" * 32, replace(wanted, by="later")) == first
    with pytest.raises(ProblemError, match="choose a new name"):
        attempt(3, "b" * 32)
