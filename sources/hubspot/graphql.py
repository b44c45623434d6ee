"""A GraphQL query as a dlt resource: for a question that REST answers with many calls."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import dlt
from dlt.common.typing import TSecretStrValue
from dlt.extract import DltResource

from .api.graphql import CollectionQuery, Row, read_collection
from .catalog.endpoints import TABLES
from .catalog.object_types import STANDARD
from .config import policy_of, resolve_config
from .errors import ConfigError
from .http.client import Client
from .privacy import Policy
from .run.resources import make_resource

_NESTING = 1_000  # levels: dlt's default, whatever the schema around says
_TABLES = {kind.table for kind in STANDARD} | TABLES.keys()


def hubspot_graphql(
    name: str,
    query: str,
    variables: Mapping[str, Any] | None = None,
    *,
    primary_key: str | Sequence[str] | None = None,
    write_disposition: Any = None,  # noqa: ANN401 - dlt's hint
    access_token: TSecretStrValue | None = None,
) -> DltResource:
    """Make a resource of the rows of one collection query; nested lists become child tables.

    It is a query and no feed: each run reads all rows, at most 10,000, and sees no deletions.
    Nothing is asked, nor a token needed, before the resource is read. Rows reach dlt only when the
    last page is there. A query of properties that the settings leave out or hash is not sent.

    Args:
        name: of the table; no name of the CRM source's tables.
        query: GraphQL with the variables `$limit` and `$offset`, passed to one collection that
            asks for `items`, and for `hasMore` or `total`; both is best.
        variables: of the query; `limit` (1 to 500, by default 100) is the rows of a page.
        primary_key: members of an item; `_metadata__id` is the `id` within `_metadata`.
        write_disposition: dlt's; where None, `merge` with a primary key and `replace` without.
        access_token: of the portal; the setting `sources.hubspot.access_token` where None.

    Raises:
        ConfigError: the name is taken, or the query cannot be paged.
    """
    _check_name(name)
    keys = (primary_key,) if isinstance(primary_key, str) else tuple(primary_key or ())
    asked = CollectionQuery(name, query, dict(variables or {}), keys)

    def rows() -> Iterator[list[Row]]:
        config = resolve_config(access_token=access_token)
        _check_policy(asked, policy_of(config))
        with closing(Client(config)) as client:
            yield read_collection(client, asked) or dlt.mark.materialize_table_schema()

    resource = make_resource(
        name,
        rows,
        primary_key=list(keys) or None,
        write_disposition=write_disposition or ("merge" if keys else "replace"),
    )
    resource.max_table_nesting = _NESTING
    return resource


def _check_name(name: str) -> None:
    """Refuse the names of tables that the CRM source writes, or may write."""
    ends = name.casefold().split("_to_")
    if name.startswith("_") or all(one in _TABLES or one.startswith("custom_") for one in ends):
        raise ConfigError(
            f"{name} is the name of a table that the CRM source writes.",
            remedy=f"Choose another one, such as graphql_{name.strip('_')}.",
        )


def _check_policy(asked: CollectionQuery, policy: Policy) -> None:
    """Refuse a query that names what may not leave HubSpot, for an alias may give it any name.

    Raises:
        ConfigError: it asks for, or filters by, a property that the settings leave out or hash.
    """
    words = dict.fromkeys(
        re.findall(r"\w+?(?=__|\b)", asked.query) + re.findall(r"\w+", asked.query)
    )
    for table in dict.fromkeys(_asked_tables(asked.query)):
        limited = any(one.table.fullmatch(table) for one in policy.include)
        hidden = [word for word in words if policy.rule(table, word) != "plain"]
        if limited or hidden:
            what = "other properties than those included" if limited else f"{table}.{hidden[0]}"
            raise ConfigError(
                f"GraphQL query {asked.name} reads {table}, and the settings keep {what} in"
                " HubSpot; nothing was asked.",
                remedy="Leave it out of the query, or read the table through REST, which applies"
                " include_properties, exclude_properties and hash_properties.",
            )


def _asked_tables(query: str) -> Iterator[str]:
    """Yield the tables whose records a query asks for, one by one or in collections."""
    nouns = re.findall(r"\b(\w+?)_collection", query)
    for noun in nouns + re.findall(r"\b(\w+)\s*\(\s*uniqueIdentifier", query):
        if noun.startswith("p_"):
            yield f"custom_{noun[2:]}"
        else:
            plurals = {f"{noun}s", f"{noun}es", f"{noun[:-1]}ies"}
            yield next(iter(sorted(plurals & _TABLES)), noun)
