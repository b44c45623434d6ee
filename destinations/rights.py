"""The rights that a sync needs, as each database grants them: data for messages and documents."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from dlt.common.destination.client import JobClientBase

GRANTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "postgres": {
            "dataset": 'GRANT CREATE ON DATABASE "{database}" TO "{username}";',
            "held": 'ALTER SCHEMA "{dataset}" OWNER TO "{username}"; and so for its tables:'
            ' REASSIGN OWNED BY former_owner TO "{username}";',
        },
        "redshift": {
            "dataset": 'GRANT CREATE ON DATABASE "{database}" TO "{username}";',
            "held": 'ALTER SCHEMA "{dataset}" OWNER TO "{username}"; and so for each table of it.',
        },
        "mysql": {
            "dataset": "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX,"
            " REFERENCES ON `{dataset}%`.* TO '{username}'@'%';",
        },
        "snowflake": {
            "connect": "GRANT USAGE ON WAREHOUSE {warehouse} TO ROLE {role};",
            "dataset": "GRANT USAGE, CREATE SCHEMA ON DATABASE {database} TO ROLE {role};",
            "held": "GRANT OWNERSHIP ON SCHEMA {database}.{dataset} TO ROLE {role} COPY CURRENT"
            " GRANTS; and so ON ALL TABLES IN SCHEMA {database}.{dataset}.",
        },
        "bigquery": {
            "dataset": "gcloud projects add-iam-policy-binding {project_id}"
            " --member=serviceAccount:{client_email} --role=roles/bigquery.user"
            " (and --role=roles/bigquery.dataEditor, --role=roles/bigquery.readSessionUser)",
        },
        "databricks": {
            "dataset": "GRANT USE CATALOG, CREATE SCHEMA ON CATALOG `{catalog}` TO `principal`;",
            "held": "GRANT ALL PRIVILEGES ON SCHEMA `{catalog}`.`{dataset}` TO `principal`;",
        },
        "mssql": {
            "dataset": "GRANT CREATE SCHEMA, CREATE TABLE TO [{username}];",
            "held": "GRANT CONTROL ON SCHEMA::[{dataset}] TO [{username}];",
        },
        "clickhouse": {
            "dataset": "GRANT SELECT, INSERT, ALTER, CREATE TABLE, DROP TABLE, TRUNCATE,"
            " SHOW ON {database}.* TO {username};",
        },
        "motherduck": {"dataset": "Take a read/write token of an owner of {database}."},
        "ducklake": {
            "dataset": "The user of the catalogue has to own its tables, and the storage has to"
            " take, list and delete files.",
        },
        "filesystem": {
            "dataset": "The storage has to take, list, read and delete files below {bucket_url}:"
            " on S3, s3:ListBucket of the bucket, and s3:GetObject, s3:PutObject and"
            " s3:DeleteObject of what is in it.",
        },
    }
)
"""By kind of destination and by right: `connect` to it, make a `dataset`, change the one `held`
already. A right that is not listed is granted as `dataset` is."""


def kind_of(client: JobClientBase) -> str:
    """Return what `GRANTS` calls a destination; behind SQLAlchemy, the database that it reaches."""
    kind = str(client.config.destination_type)
    dialect = str(client.capabilities.sqlglot_dialect or "")
    return dialect if kind == "sqlalchemy" else kind.rpartition(".")[2]


def grant(client: JobClientBase, right: str, dataset: str) -> str:
    """Return the statement that gives a right to the user of a client.

    Args:
        client: of the destination.
        right: as `GRANTS` calls it.
        dataset: that is to be written.
    """
    texts = GRANTS.get(kind_of(client), {})
    text = texts.get(right) or texts.get("dataset", "")
    return text.format_map(_Known(_named(client), dataset=dataset))


class _Known(dict[str, Any]):
    """What a template may name; what the settings do not say stays as it is named."""

    def __missing__(self, key: str) -> str:
        return f"<{key}>"


def _named(client: JobClientBase) -> dict[str, Any]:
    """Return the parts of a configuration that are no secrets and may stand in a template."""
    found: dict[str, Any] = {}
    credentials = getattr(client.config, "credentials", None)
    for one in (client.config, credentials):
        for name in ("database", "username", "role", "warehouse", "catalog", "project_id"):
            found[name] = getattr(one, name, None) or found.get(name)
        for name in ("client_email", "bucket_url"):
            found[name] = getattr(one, name, None) or found.get(name)
    return {name: value for name, value in found.items() if value}
