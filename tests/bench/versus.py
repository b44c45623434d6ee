"""Ours against what a user would run instead: time, memory, calls, and what landed wrong.

    uv run python tests/bench/versus.py --contacts 15000 --properties 150

Each contender is installed into an environment of its own (`versus_contenders.py` tells which
versions, and how they are pointed here) and brings all contacts of one emulated portal into a new
DuckDB file; what landed is compared with what the portal holds, value by value. The emulator
is a process of its own that nobody pays for, and is reset between runs. A contender that fails
keeps its line, with the error; where it has a fallback it runs again on an easier portal, and so
does ours. Each is run as its own documentation says, so what they bring beside contacts differs:
ours reference tables and tombstones, ingestr and the tap the ids of associated records.

One JSON line a run goes to standard output, progress and at last a Markdown table to standard
error. Environments are kept in `--work` and found again by the next call. With `--changed 100` so
many contacts change after each run, and a second line tells what the next run costs and leaves.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import requests

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import EmulatedPortal, emulated
from versus_contenders import CONTENDERS, Contender, ContenderError, Setting, install, other
from versus_tree import run
from versus_truth import Truth, judge

Line = dict[str, Any]

OURS = "ours"
WORDS = {("odd_values", False): "no odd values", ("archived", 0.0): "none archived"}
RATIOS = {
    "cpu_seconds": "CPU x",
    "wall_seconds": "wall x",
    "peak_mib": "memory x",
    "calls": "calls x",
}
FIGURES = {
    "cpu_seconds": "CPU s",
    "wall_seconds": "wall s",
    "peak_mib": "peak MiB",
    "calls": "calls",
}
FAULTS = {
    "rows_missing": "rows missing",
    "rows_extra": "rows extra",
    "columns_missing": "columns missing",
    "cells_missing": "values missing",
    "cells_wrong": "values wrong",
    "cells_aside": "values aside",
}


def main() -> None:
    """Run all contenders and print the table."""
    options = _options()
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    chosen = [CONTENDERS[name] for name in options.only] + [other(one) for one in options.other]
    lines: list[Line] = []
    with emulated(
        contacts=options.contacts,
        properties=options.properties,
        latency_ms=options.latency_ms,
        limits=options.limits,
    ) as portal:
        arena = Arena(portal, work, options)
        for contender in chosen:
            lines += arena.lines_of(contender)
        lines += arena.ours_on_fallbacks(lines)
    say(table(lines))
    for note in notes(lines):
        say(f"- {note}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    place = Path(tempfile.gettempdir()) / "hubspot-elt-versus"
    parser.add_argument("--contacts", type=int, default=15_000)
    parser.add_argument("--properties", type=int, default=150)
    parser.add_argument("--only", type=_names, default=list(CONTENDERS), help=", ".join(CONTENDERS))
    parser.add_argument("--other", type=Path, action="append", default=[], help=other.__doc__)
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--limits", action="store_true", help="keep HubSpot's rate limits")
    parser.add_argument(
        "--runs", type=int, default=1, help="of which the one with least CPU counts"
    )
    parser.add_argument("--changed", type=int, default=0, help="contacts, before a second run")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for one run")
    parser.add_argument("--work", type=Path, default=place, help=f"default: {place}")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(CONTENDERS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}")
    return names


def say(text: str) -> None:
    """Return the person who waits."""
    print(text, file=sys.stderr, flush=True)


class Arena:
    """Runs contenders one after the other against one emulator."""

    def __init__(self, portal: EmulatedPortal, work: Path, options: argparse.Namespace) -> None:
        self._portal = portal
        self._work = work
        self._options = options

    def lines_of(self, contender: Contender) -> list[Line]:
        """Measure a contender, and again on its fallback portal where it failed."""
        lines = self._lines(contender, {})
        if "error" in lines[0] and lines[0].get("calls") and contender.fallback:
            lines += self._lines(contender, contender.fallback)
        return lines

    def ours_on_fallbacks(self, lines: Sequence[Line]) -> list[Line]:
        """Measure ours on every portal that another contender fell back to."""
        if OURS not in self._options.only:
            return []
        used = [one["portal"] for one in lines if one["portal"] and "error" not in one]
        portals = {str(one): one for one in used}.values()
        return [line for one in portals for line in self._lines(CONTENDERS[OURS], one)]

    def _lines(self, contender: Contender, changes: Mapping[str, Any]) -> list[Line]:
        asked = self._options
        known: Line = {
            "contender": contender.name,
            "versions": contender.versions,
            "portal": dict(changes),
            "contacts": asked.contacts,
            "properties": asked.properties,
            "latency_ms": asked.latency_ms,
            "limits": asked.limits,
            "why": contender.why if changes else "",
            "date": datetime.now(tz=UTC).date().isoformat(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores,"
            f" Python {platform.python_version()}",
        }
        say(f"{contender.name}: installing")
        try:
            environments = [install(group, self._work) for group in contender.requirements]
            say(f"{contender.name}: running{f' with {changes}' if changes else ''}")
            tries = [self._try(contender, environments, changes) for _ in range(asked.runs)]
        except ContenderError as error:
            lines = [known | {"changed": 0, "error": str(error)}]
        else:
            runs = zip(*tries, strict=False)
            lines = [
                known | min(one, key=lambda line: ("error" in line, line["cpu_seconds"]))
                for one in runs
            ]
        for line in lines:
            print(json.dumps(line), flush=True)
        return lines

    def _try(
        self, contender: Contender, environments: Sequence[Path], changes: Mapping[str, Any]
    ) -> list[Line]:
        """Run once into a new file, and once more after changes if that was asked for."""
        folder = self._work / "run"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        file = folder / "warehouse.duckdb"
        at = Setting(folder, file, self._portal.url, self._portal.token, environments)
        truth = self._reset(changes)
        lines = [self._run(contender, at, truth) | {"changed": 0}]
        if self._options.changed and "error" not in lines[0]:
            self._change(truth)
            lines.append(
                self._run(contender, at, self._truth()) | {"changed": self._options.changed}
            )
        return lines

    def _reset(self, changes: Mapping[str, Any]) -> Truth:
        """Seed the portal anew and have it build its search index; return what it holds."""
        seed = {"odd_values": True, "archived": 0.02} | dict(changes)
        self._portal.control("reset", **seed)
        self._api("POST", "objects/contacts/search", json={"limit": 1})
        return self._truth()

    def _truth(self) -> Truth:
        found = self._api("GET", "properties/contacts")["results"]
        address = f"{self._portal.url}/_emulator/truth"
        records = requests.get(address, params={"type": "contacts"}, timeout=600).json()
        return Truth(
            {one["name"]: one["type"] for one in found},
            {id_: one["properties"] for id_, one in records.items()},
        )

    def _api(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self._portal.token}"}
        address = f"{self._portal.url}/crm/v3/{path}"
        answer = requests.request(method, address, headers=headers, timeout=600, **options)
        answer.raise_for_status()
        return answer.json()

    def _change(self, truth: Truth) -> None:
        """Change so many contacts, spread over all."""
        step = max(1, len(truth.records) // self._options.changed)
        operations = [
            {"op": "update", "args": ["contacts", id_, {"jobtitle": "Chief of tests"}]}
            for id_ in list(truth.records)[::step][: self._options.changed]
        ]
        self._portal.control("perform", operations=operations)

    def _run(self, contender: Contender, at: Setting, truth: Truth) -> Line:
        command = contender.command(at)
        self._portal.control("journal", method="DELETE")
        cost = run(command, at.variables, at.folder, self._options.timeout)
        journal = self._portal.control("journal", method="GET")
        refused = sum(one["status"] == 429 for one in journal["requests"])
        line = asdict(cost) | {"calls": sum(journal["counts"].values()), "refused": refused}
        said = line.pop("said")
        if cost.exit_code:
            return line | {"error": said}
        try:
            verdict, beside = judge(truth, at.file, contender.key)
        except (duckdb.Error, ValueError) as error:
            return line | {"error": f"hubspot.contacts cannot be compared: {error}"}
        return line | asdict(verdict) | {"beside": beside}


def table(lines: Sequence[Line]) -> str:
    """Render Markdown: ratios to ours in the same place first, what landed, figures.

    Faults that nobody has are left out.
    """
    ours = {_place(one): one for one in lines if one["contender"] == OURS and "error" not in one}
    faults = {key: head for key, head in FAULTS.items() if any(one.get(key) for one in lines)}
    heads = [*RATIOS.values(), "rows", *faults.values(), *FIGURES.values()]
    body = [["contender", "portal", *heads], ["---", "---", *["---:"] * len(heads)]]
    for line in lines:
        cells = ["failed", *[""] * (len(heads) - 1)]
        if "error" not in line:
            base = ours.get(_place(line), {})
            cells = [_ratio(line[one], base.get(one)) for one in RATIOS]
            cells += [f"{line[one]:,}" for one in ("rows", *faults, *FIGURES)]
        body.append(
            [f"{line['contender']} ({line['versions'] or 'by path'})", _place(line), *cells]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in body)


def _place(line: Line) -> str:
    """Name the portal and what happened to it."""
    eased = [WORDS.get((name, value), f"{name}={value}") for name, value in line["portal"].items()]
    changed = [f"{line['changed']:,} changed"] if line["changed"] else []
    return ", ".join(eased + changed) or "whole"


def _ratio(value: float, ours: float | None) -> str:
    return f"{value / ours:.1f}" if ours else ""


def notes(lines: Sequence[Line]) -> list[str]:
    """Say what the table has no room for: errors, fallbacks, where values are wrong."""
    found = []
    if none := [head for key, head in FAULTS.items() if not any(one.get(key) for one in lines)]:
        found.append(f"nobody has {', '.join(none)}")
    for line in lines:
        name = line["contender"]
        if "error" in line:
            found.append(f"{name} failed: {line['error']}")
            continue
        if line["why"] and not line["changed"]:
            found.append(f"{name} on an easier portal ({_place(line)}): {line['why']}")
        if line["wrong_by_property"]:
            worst = sorted(line["wrong_by_property"].items(), key=lambda one: -one[1])[:5]
            where = ", ".join(f"{prop} {count:,}" for prop, count in worst)
            found.append(f"{name}, values wrong ({_place(line)}): {where}; {line['examples'][0]}")
    return found


if __name__ == "__main__":
    main()
