"""How the pages of a list follow each other."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Paging:
    """How an answer leads to the next one; see `one_answer`, `after` and their like."""

    kind: Literal["none", "after", "body_offset", "text_offset", "either"]
    size: int = 0
    """Rows that a call asks for; 0 where it cannot say."""
    size_param: str = "limit"
    bound: str = ""
    """The parameter for the least id, where a list ends after some rows and is begun again behind
    them; rows have to come in the order of their ids, which are numbers."""
    depth: int = 0
    """Rows of a list before it is begun again, or read from its end."""
    order: str = ""
    """The member of the body with the order, where a list ends after some rows: the others come in
    the reverse order."""


def one_answer() -> Paging:
    """All rows in one answer."""
    return Paging("none")


def after(size: int, param: str = "limit", *, bound: str = "", depth: int = 9_000) -> Paging:
    """`paging.next.after` of an answer is the `after` of the next call, in query or body.

    With a bound, such as `idGte`, a list is begun again behind the last id after `depth` rows.
    """
    return Paging("after", size, param, bound, depth if bound else 0)


def body_offset(size: int, param: str = "count", *, order: str = "", depth: int = 10_000) -> Paging:
    """While `hasMore`, the `offset` of an answer is that of the next call's body.

    With an order, such as `sort`, a list is read from its end after `depth` rows.
    """
    return Paging("body_offset", size, param, depth=depth if order else 0, order=order)


def text_offset(size: int, param: str = "limit") -> Paging:
    """While `hasMore`, the `offset` of an answer is that of the next call's query."""
    return Paging("text_offset", size, param)


def either(size: int, param: str = "limit") -> Paging:
    """`paging.next` of an answer has `after` or `offset`, as the next call's query does."""
    return Paging("either", size, param)
