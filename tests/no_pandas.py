"""DuckDB looks for pandas some 300 times a sync: where it is not there, the first look says so."""

import sys
from importlib.abc import MetaPathFinder
from importlib.util import find_spec


class NoPandas(MetaPathFinder):
    """Refuses pandas at once; a tenth of a small sync's CPU is looking through every folder."""

    def find_spec(self, fullname: str, _path: object = None, _target: object = None) -> None:
        """Leave all others to the next finder."""
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname, name=fullname)


def install() -> None:
    """Put the finder before all others, where pandas is not installed; once a process."""
    is_there = any(isinstance(finder, NoPandas) for finder in sys.meta_path)
    if not is_there and find_spec("pandas") is None:
        sys.meta_path.insert(0, NoPandas())
