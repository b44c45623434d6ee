"""Delta and Iceberg tables: in a folder, and in a bucket that moto serves."""

import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar
from urllib.request import Request, urlopen

import fsspec
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from pyiceberg.table import StaticTable

from . import Adapter

BUCKET = "hubspot-tables"


class Lake(Adapter):
    """A folder of tables."""

    destination = "filesystem"
    keeps_nul = True
    between_machines = False
    alters = False
    holds_tables = False
    format: ClassVar[str]
    url: str

    def start(self, folder: Path) -> None:
        """Make the folder."""
        self.folder = folder / "tables"
        self.folder.mkdir(exist_ok=True)
        self.url = self.folder.as_uri()

    def credentials(self, role: str = "") -> Mapping[str, str]:
        """Return the settings of the folder."""
        assert not role
        return {
            "DESTINATION__FILESYSTEM__BUCKET_URL": self.url,
            "DESTINATION__FILESYSTEM__TABLE_FORMAT": self.format,
        }

    def reached(self) -> dict[str, str]:
        """Return how the drivers reach the storage."""
        return {}

    def stop(self) -> None:
        """Leave it."""


class Delta(Lake):
    """Delta tables in a folder."""

    format = "delta"

    def read(self, dataset: str, table: str) -> list[dict[str, Any]]:
        """Read a table by deltalake."""
        try:
            found = DeltaTable(f"{self.url}/{dataset}/{table}", storage_options=self.reached())
        except TableNotFoundError:
            return []
        return found.to_pyarrow_table().to_pylist()  # type: ignore[no-any-return]


class Iceberg(Lake):
    """Iceberg tables in a folder."""

    format = "iceberg"

    def read(self, dataset: str, table: str) -> list[dict[str, Any]]:
        """Read a table by pyiceberg, from the newest of its metadata."""
        files, root = fsspec.core.url_to_fs(self.url, **self.storage())
        files.invalidate_cache()
        found = sorted(files.glob(f"{root}/{dataset}/{table}/metadata/*.metadata.json"))
        if not found:
            return []
        newest = StaticTable.from_metadata(files.unstrip_protocol(found[-1]), self.reached())
        return newest.scan().to_arrow().to_pylist()  # type: ignore[no-any-return]

    def storage(self) -> dict[str, Any]:
        """Return how fsspec reaches the storage."""
        return {}


class Bucket(Lake):
    """A bucket of tables, which moto serves; it is empty when moto starts."""

    roles: ClassVar = {"missing": 2, "nowhere": 6}
    killable = True

    def start(self, folder: Path) -> None:  # noqa: ARG002 - moto keeps all in memory
        """Start moto, and make the bucket."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        self.url = f"s3://{BUCKET}"
        server = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1"]
        self._server = subprocess.Popen(
            [*server, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(200):
            with suppress(OSError):
                urlopen(Request(f"{self.endpoint}/{BUCKET}", method="PUT")).close()  # noqa: S310
                break
            time.sleep(0.1)
        else:
            raise TimeoutError("moto does not answer")

    def credentials(self, role: str = "") -> Mapping[str, str]:
        """Return the settings of the bucket, or of one that is not there."""
        keys = {
            "aws_access_key_id": "key",
            "aws_secret_access_key": "secret",
            "region_name": "us-east-1",
            "endpoint_url": "http://127.0.0.1:1" if role == "nowhere" else self.endpoint,
        }
        url = "s3://hubspot-not-there" if role == "missing" else self.url
        return {
            "DESTINATION__FILESYSTEM__BUCKET_URL": url,
            "DESTINATION__FILESYSTEM__TABLE_FORMAT": self.format,
            **{f"DESTINATION__FILESYSTEM__CREDENTIALS__{k.upper()}": v for k, v in keys.items()},
        }

    def stop(self) -> None:
        """End moto."""
        self._server.kill()
        self._server.wait()


class DeltaS3(Bucket, Delta):
    """Delta tables in a bucket."""

    def reached(self) -> dict[str, str]:
        """Return deltalake's settings."""
        return {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
        }


class IcebergS3(Bucket, Iceberg):
    """Iceberg tables in a bucket."""

    def reached(self) -> dict[str, str]:
        """Return pyiceberg's settings."""
        return {
            "s3.endpoint": self.endpoint,
            "s3.access-key-id": "key",
            "s3.secret-access-key": "secret",
            "s3.region": "us-east-1",
        }

    def storage(self) -> dict[str, Any]:
        """Return s3fs' settings."""
        return {"key": "key", "secret": "secret", "endpoint_url": self.endpoint}
