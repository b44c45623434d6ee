"""The text language of columns: `id, created_at timestamp = createdAt, user_id = ^id`.

A column is `name [kind[:form]] [= path]`; columns are divided by commas. Kinds: `text` (where none
is named; `timestamp` where the name ends in `_at`), `integer`, `double`, `bool`, `timestamp`,
`date`, `json` (the text of any JSON). Forms
of a timestamp: `ms` and `iso` say how HubSpot writes it (both are read), `nonzero` that its epoch
means that there is none. The form `won` of a bool makes a stage's metadata into whether it is won:
closed, with probability 1. Forms of a text say whom it names, for `forget`: `contact` a contact by
its id, `visitor` one as conversations do (`V-501`), `email` one by its address, `record` a record
of the type that the row names in `object_type`, `object_type_id` or `kind`, `user` a user of the
portal by the address; `body` that it is a text in which people write addresses. Paths:

- `roleIds`, `from.replyTo`: a member of the object, or of an object within it; without a path the
  name in camel case.
- `^id`: a member of the row that a child table's objects lie in; `^hash`: its digest.
- `.`: the item itself; `#`: its place in its list, from 0, `#1` that of the outermost list around
  it; `.key`: its name, where the items are the members of an object, or the label of its list.
- `./_`: the text of the item up to the first `_`.
- `?primaryTeamId`: whether the item comes from this of several lists; also `?include` for all
  lists whose last member is so called.
- `@form_id`: what the call was made for: a column of its parent, `object_type`, a parameter of its
  variant.
- `hash`: a digest of the item and of what the call was made for, for rows without an id.
- `conversionId|hash`: the first of several paths that has a value; `type|=UNBOUNCE` where the
  last one is a text of its own.
"""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast, get_args

from ...model import Kind

ColumnKind = Literal["text", "integer", "double", "bool", "timestamp", "date", "json"]
Origin = Literal[
    "member", "parent", "constant", "item", "ordinal", "key", "list", "hash", "head", "literal"
]
"""Where the value of a column comes from."""
Person = Literal["contact", "visitor", "email", "record", "user", "body"]
FORMS = {"text": get_args(Person), "timestamp": ("ms", "iso", "nonzero"), "bool": ("won",)}
_COLUMN = re.compile(
    r"(?P<name>[a-z_][a-z0-9_]*)(?:\s+(?P<kind>[a-z]+)(?::(?P<form>[a-z]+))?)?(?:\s*=\s*(?P<path>\S+))?"
)
_TEXT = re.compile(r"(?P<sign>=|\./)(?P<text>.+)")
_PATH = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*")


class Source(NamedTuple):
    """Where one value comes from."""

    origin: Origin
    path: tuple[str, ...]
    """Members from the outside to the inside; of an ordinal the number of its list, if any."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table of an endpoint."""

    name: str
    kind: ColumnKind
    form: str
    sources: tuple[Source, ...]
    """The first that has a value counts."""

    @property
    def cast(self) -> Kind:
        """What its values are cast to."""
        return "text" if self.kind == "json" else self.kind


def columns(text: str) -> tuple[Column, ...]:
    """Read the columns of a declaration.

    >>> [one.sources[0].path for one in columns("id, is_open bool = state.open")]
    [('id',), ('state', 'open')]

    Raises:
        ValueError: the text is not of this language.
    """
    parts = [part.strip() for part in text.split(",")]
    found = tuple(_column(part) for part in parts if part)
    names = [one.name for one in found]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"columns that come twice: {', '.join(sorted(doubled))}")
    return found


def _column(text: str) -> Column:
    parts = _COLUMN.fullmatch(text)
    if not parts:
        raise ValueError(f"not a column: {text!r}")
    usual = "timestamp" if parts["name"].endswith("_at") else "text"
    kind, form = parts["kind"] or usual, parts["form"] or ""
    if kind not in get_args(ColumnKind):
        raise ValueError(f"{text!r}: there is no kind {kind!r}")
    if form and form not in FORMS.get(kind, ()):
        raise ValueError(f"{text!r}: {kind} has no form {form!r}")
    paths = (parts["path"] or camel(parts["name"])).split("|")
    sources = tuple(_source(path, text) for path in paths)
    return Column(parts["name"], cast("ColumnKind", kind), form, sources)


def _source(path: str, text: str) -> Source:
    fixed: dict[str, Origin] = {".": "item", "hash": "hash", ".key": "key"}
    if path in fixed:
        return Source(fixed[path], ())
    if path.startswith("#") and (path == "#" or path[1:].isdecimal()):
        return Source("ordinal", (path[1:],) if path[1:] else ())
    if text_of := _TEXT.fullmatch(path):
        return Source("literal" if text_of["sign"] == "=" else "head", (text_of["text"],))
    prefixes: dict[str, Origin] = {"^": "parent", "@": "constant", "?": "list"}
    origin = prefixes.get(path[:1], "member")
    bare = path if origin == "member" else path[1:]
    if not _PATH.fullmatch(bare):
        raise ValueError(f"{text!r}: not a path: {path!r}")
    return Source(origin, (bare,) if origin in {"constant", "list"} else tuple(bare.split(".")))


def camel(name: str) -> str:
    """Write a column's name as HubSpot writes its member.

    >>> camel("super_admin")
    'superAdmin'
    """
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
