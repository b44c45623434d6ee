"""A dataset in each destination under test, compared with the portal."""

import secrets
from collections.abc import Callable
from itertools import count

import pytest
from adapters import Adapter
from dataset import Dataset

from sources.hubspot.config import HubSpotConfig

NUMBERS = count(1)
RUN = secrets.token_hex(3)
"""Keeps datasets of this process apart from others in the same account."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on each destination that `--on` names."""
    if "on" in metafunc.fixturenames:
        metafunc.parametrize("on", metafunc.config.getoption("on").split(","))


@pytest.fixture
def adapter(
    on: str, adapters: Callable[[str], Adapter], monkeypatch: pytest.MonkeyPatch
) -> Adapter:
    """The destination under test, started, and its credentials in the environment."""
    started = adapters(on)
    for name, value in started.credentials().items():
        monkeypatch.setenv(name, value)
    return started


@pytest.fixture
def dataset(adapter: Adapter, config: HubSpotConfig) -> Dataset:
    """A dataset that does not exist yet."""
    return Dataset(adapter, f"suite_{RUN}_{next(NUMBERS)}", config)
