"""A dataset in each destination under test, compared with the portal."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from adapters import Adapter
from dataset import Dataset
from dialects import foreign, recorded

from sources.hubspot.config import HubSpotConfig

NUMBERS = count(1)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on each destination that `--on` names."""
    if "on" in metafunc.fixturenames:
        metafunc.parametrize("on", metafunc.config.getoption("on").split(","))


READ: set[str] = set()
"""Statements that were looked at."""


@pytest.fixture
def every_dialect(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What is asked of a dataset could be asked of destinations that have no server here."""
    with recorded() as asked:
        yield
    new = {sql: values for sql, values in asked.items() if sql not in READ}
    READ.update(new)
    caplog.clear()
    assert foreign(new) == []
    said = [one.getMessage() for one in caplog.records if one.name == "sqlglot"]
    assert said == []  # what a dialect lacks


@pytest.fixture
def adapter(
    on: str,
    adapters: Callable[[str], Adapter],
    monkeypatch: pytest.MonkeyPatch,
    every_dialect: None,
) -> Adapter:
    """The destination under test, started, and its credentials in the environment."""
    started = adapters(on)
    for name, value in started.credentials().items():
        monkeypatch.setenv(name, value)
    return started


@pytest.fixture
def dataset(adapter: Adapter, config: HubSpotConfig) -> Dataset:
    """A dataset that does not exist yet."""
    return Dataset(adapter, f"suite_{next(NUMBERS)}", config)
