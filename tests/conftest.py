"""What all tests share: how Hypothesis searches, and where the real CTs are."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

SHARED = Path(os.environ.get("GMMLABEL_SHARED", Path(__file__).parents[2] / "shared"))

# A job in the background of a shell ignores Ctrl-C, and so would all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Kernels are compiled on the first call, so no single example may have a deadline.
settings.register_profile(
    "gmmlabel",
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("gmmlabel")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real CTs and golden results; a test that asks for it skips without it."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is missing; set GMMLABEL_SHARED to the folder of real CTs")
    return SHARED


@pytest.fixture(autouse=True, scope="session")
def _no_models_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees, or changes, the models of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GMMLABEL_MODELS", str(tmp_path_factory.mktemp("models")))
        yield
