"""One writer at a time: a lock on what a run writes, held from its start to its end.

claiming   the dataset, opened for the only one who writes it, when the others are done
locks      what excludes the other runs of a dataset, by the kind of its destination
files      the operating system's lock on a file, for the runs of one machine
server     an advisory lock of PostgreSQL's, for the runs of all machines
"""

from .claiming import IMPATIENT, Patience, claimed
from .locks import exclusive, is_held, place_of

__all__ = ["IMPATIENT", "Patience", "claimed", "exclusive", "is_held", "place_of"]
