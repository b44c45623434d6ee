"""The GraphQL endpoint: who may ask, and an answer of 200 for queries that fail, too."""

from typing import Any

from ..call import Call, Reply, Route
from ..errors import invalid, not_found

SCOPE = "collector.graphql_query.execute"


def query(call: Call) -> Reply:
    """Answer a query; what is wrong with it stands in `errors`, beside the data there is."""
    call.need(SCOPE)
    variables = call.body.get("variables") or {}
    if not isinstance(call.body["query"], str) or not isinstance(variables, dict):
        raise invalid("Invalid input JSON: query must be a string, variables an object")
    try:
        from .execution import execute  # noqa: PLC0415 - the library comes with the tests alone
    except ModuleNotFoundError as error:
        message = f"This emulator answers GraphQL once {error.name} is installed: graphql-core"
        raise not_found(message) from error
    answer: dict[str, Any] = execute(call, call.body["query"], variables)
    return Reply(answer)


ROUTE = Route(
    name="graphql.query",
    method="POST",
    paths=("/collector/graphql",),
    handler=query,
    body=("query!", "variables", "operationName"),
)
