"""What leaves HubSpot is the user's decision: what is left out or hashed is nowhere in plain."""

import hmac
from typing import Any

import pytest

from sources.hubspot.config import policy_of, resolve_config
from sources.hubspot.errors import ConfigError
from sources.hubspot.privacy import Policy, Rule

KEY = "a key for tests, with 32 letters or more"
TOKEN = "pat-na1-0000"  # noqa: S105 - of no portal


def hashed(text: str) -> str:
    """Return the hash that stands for a text."""
    return hmac.new(KEY.encode(), text.encode(), "sha256").hexdigest()


def policy(**settings: Any) -> Policy:
    """Return the policy of some settings."""
    return policy_of(resolve_config(access_token=TOKEN, hash_key=KEY, **settings))


@pytest.mark.parametrize(
    ("table", "name", "rule"),
    [
        ("contacts", "email", "hashed"),
        ("contacts", "Email", "hashed"),
        ("deals", "email", "plain"),
        ("contacts", "phone", "excluded"),
        ("deals", "phone", "excluded"),
        ("deals", "phone2", "plain"),
        ("contacts", "hs_ip_1", "excluded"),
        ("companies", "name", "plain"),
        ("companies", "domain", "excluded"),
        ("companies", "hs_object_id", "plain"),
        ("tickets", "subject", "excluded"),
        ("tickets", "hs_lastmodifieddate", "plain"),
        ("properties", "phone", "plain"),
        ("_hs_columns", "phone", "plain"),
    ],
)
def test_rules(table: str, name: str, rule: Rule) -> None:
    """Exclusion outweighs the others, a list limits its tables only, and keys stay plain."""
    found = policy(
        include_properties=["companies.name"],
        exclude_properties=["*.phone", "contacts.hs_ip_?", "tickets.*"],
        hash_properties=["Contacts.email", "contacts.phone"],
    )
    assert found.rule(table, name) == rule


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hash_properties": ["contacts.email"]}, r"there is no key.*HASH_KEY.*token_hex"),
        ({"hash_properties": ["contacts.email"], "hash_key": "short"}, "has 5 characters"),
        ({"exclude_properties": ["contacts.createdate"]}, "contacts.createdate"),
        ({"hash_properties": ["*.hs_object_id"], "hash_key": KEY}, r"\*.hs_object_id"),
        ({"include_properties": ["contacts"]}, "INCLUDE_PROPERTIES.*not 'contacts'"),
        ({"exclude_properties": ["contacts. phone"]}, "EXCLUDE_PROPERTIES.*table.property"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], message: str) -> None:
    """What cannot be meant is refused before anything is asked, with the setting's name."""
    with pytest.raises(ConfigError, match=message):
        resolve_config(access_token=TOKEN, **settings)


def test_hashes() -> None:
    """A hash is the HMAC of the exact text; null and empty texts have none; no key is shown."""
    config = resolve_config(access_token=TOKEN, hash_key=KEY, hash_properties=["*.email"])
    hasher = policy_of(config).hasher
    assert hasher is not None
    texts = ["Ada", "ada", " ada", "Zoë", "", None]
    wanted = [*map(hashed, ["Ada", "ada", " ada", "Zoë"]), "", None]
    assert hasher.texts(texts) == wanted
    assert KEY not in repr(config) + repr(hasher) + repr(policy_of(config))
