"""Made-up property values: ordinary ones from a generator, odd ones from a list."""

from random import Random
from typing import Any, Protocol

from ...clock import DAY_MS, iso

_WORDS = (
    "Ada", "Grace", "Zoë", "Łukasz", "李雷", "Ольга", "Nguyễn", "O'Brien", "مريم", "Müller & Söhne",
    "north", "quarter", "renewal", "invoice", "follow up", "résumé", "naïve", "plan B", "🚀 launch",
    "line one\nline two", "tab\there", 'quoted "text"', "back\\slash", "comma, semicolon; end",
    "São Paulo", "Zürich", "Kraków", "Reykjavík", "東京", "Berlin", "Austin", "Nairobi",
)  # fmt: skip

# property type and a value that real portals hold in it
ODD_VALUES: tuple[tuple[str, str], ...] = (
    ("number", "N/A"),
    ("string", "x" * 60_000),
    ("number", "3092727991;3881228353"),
    ("date", "1572480000000"),
    ("datetime", "1726061259356"),
    ("datetime", "1726061259356.0"),
    ("number", "9007199254740993"),
    ("bool", "Yes"),
    ("bool", "No"),
    ("bool", "TRUE"),
    ("enumeration", ";first;second"),
    ("string", "emoji 👩‍👩‍👧‍👦 and \u202eright to left\u202c"),
    ("string", "windows\r\nline ends and a \u2028 separator"),
    ("string", "control \u0001 character and nul-like \u0000 end"),
    ("date", "not a date"),
    ("datetime", "2024-13-45T99:00:00Z"),
    ("number", "1e400"),
    ("number", " 42 "),
    ("number", "1,234.50"),
    ("number", "0.1000000000000000055511151231257827"),
    ("enumeration", "an_option_that_was_removed"),
    ("bool", "maybe"),
    ("date", "0000-00-00"),
    ("date", "9999-12-31"),
    ("datetime", "1900-01-01T00:00:00Z"),
    ("string", "NULL"),
    ("string", "   "),
    ("json", '{"a": [1, 2, {"b": null}], "text": "né"}'),
    ("number", "-0"),
    ("string", '<p class="x">html & entities</p>'),
)


LEADING_SEPARATOR, FRACTION = 0.1, 0.3  # shares of multi-checkbox values, of numbers


class Options(Protocol):
    """The part of the seed's options that values depend on."""

    @property
    def odd(self) -> bool:
        """Return whether values may be malformed."""

    @property
    def owner_ids(self) -> tuple[str, ...]:
        """Return the owners that records may have."""


def value_for(definition: dict[str, Any], random: Random, options: Options) -> str:
    """Return an ordinary value for a property, always text as HubSpot gives it."""
    if definition.get("referencedObjectType") == "OWNER":
        return random.choice(options.owner_ids) if options.owner_ids else ""
    if definition.get("referencedObjectType"):
        return str(random.randint(10**9, 10**11))
    choices = [option["value"] for option in definition["options"]]
    if definition["fieldType"] == "checkbox" and choices:
        picked = random.sample(choices, random.randint(1, len(choices)))
        return (";" if options.odd and random.random() < LEADING_SEPARATOR else "") + ";".join(
            picked
        )
    if choices:
        return str(random.choice(choices))
    return _BY_TYPE.get(definition["type"], _text)(random)


def _text(random: Random) -> str:
    return " ".join(random.choices(_WORDS, k=random.randint(1, 3)))


def _number(random: Random) -> str:
    if random.random() < FRACTION:
        return f"{random.uniform(0, 1e5):.2f}"
    return str(random.randint(0, 10 ** random.randint(1, 12)))


def _instant(random: Random) -> str:
    return iso(1_552_000_000_000 + random.randrange(200_000_000_000))


def _date(random: Random) -> str:
    return iso(DAY_MS * random.randrange(10_000, 20_000))[:10]


def _flag(random: Random) -> str:
    return random.choice(("true", "false"))


def _json(random: Random) -> str:
    return f'{{"score": {random.randrange(100)}, "tags": ["a", "b"]}}'


def _phone(random: Random) -> str:
    return f"+49 30 {random.randrange(10**6, 10**7)}"


def _coordinates(random: Random) -> str:
    return f"{random.uniform(-90, 90):.5f},{random.uniform(-180, 180):.5f}"


_BY_TYPE = {
    "number": _number,
    "datetime": _instant,
    "date": _date,
    "bool": _flag,
    "json": _json,
    "phone_number": _phone,
    "object_coordinates": _coordinates,
}
