"""What all tests share: how Hypothesis searches, and where the real CTs are."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

SHARED = Path(os.environ.get("GMMLABEL_SHARED", Path(__file__).parents[2] / "shared"))

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
