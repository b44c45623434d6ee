"""dlt's log, and Python's warnings, shown by the progress display while a run lasts."""

import logging
from collections.abc import Callable

_LOGGERS = ("dlt", "py.warnings")


class LogHandler(logging.Handler):
    """Takes the place of dlt's own log handlers, which would write across a display."""

    def __init__(self, show: Callable[[str, str], None], level: int) -> None:
        """Keep what shows a record, given its level and its message on one line."""
        super().__init__(level)
        self._show = show
        self._replaced: dict[str, list[logging.Handler]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record to the display."""
        self._show(record.levelname, " ".join(record.getMessage().split()))

    def attach(self) -> None:
        """Replace the handlers, once; `detach` puts them back."""
        for name in _LOGGERS:
            logger = logging.getLogger(name)
            if name not in self._replaced:
                self._replaced[name] = logger.handlers[:]
                logger.handlers[:] = [self]
        logging.captureWarnings(capture=True)

    def detach(self) -> None:
        """Give the handlers back."""
        logging.captureWarnings(capture=False)
        for name, handlers in self._replaced.items():
            logging.getLogger(name).handlers[:] = handlers
        self._replaced.clear()
