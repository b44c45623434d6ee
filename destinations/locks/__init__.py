"""One writer at a time: a lock on what a run writes, held from its start to its end.

claiming   the dataset, opened for the only one who writes it, when the others are done
locks      what excludes the other runs of a dataset, by the kind of its destination
files      the operating system's lock on a file, for the runs of one machine
sessions   locks of a server, PostgreSQL's and MySQL's, for the runs of all machines
lease      a row that is taken for a while, where a server has no such locks
guard      locks that are looked at again before a load counts
"""

from .claiming import IMPATIENT, Patience, claimed
from .locks import exclusive, is_held, lock_kind, place_of

__all__ = ["IMPATIENT", "Patience", "claimed", "exclusive", "is_held", "lock_kind", "place_of"]
