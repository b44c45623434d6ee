"""The exact pins of pyproject.toml: write them anew, or check that they are what it resolves to.

    python .ci/pins.py           write `constraint-dependencies` from a fresh resolution
    python .ci/pins.py --check   fail where they differ from what uv resolves with them

Pins stand in pyproject.toml without any registry's name; uv obeys them in `uv run` and `uv sync`.
"""

import re
import subprocess
import sys
from pathlib import Path

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"
BLOCK = re.compile(r"constraint-dependencies = \[\n(.*?)\]\n", re.DOTALL)
EXPORT = ["uv", "export", "--no-hashes", "--no-header", "--no-annotate", "--no-emit-project"]
ALL = ["--all-extras", "--all-groups", "--quiet"]


def resolved() -> list[str]:
    """Return what uv resolves pyproject.toml to, one requirement a line."""
    done = subprocess.run([*EXPORT, *ALL], check=True, capture_output=True, text=True)  # noqa: S603
    return [line.strip() for line in done.stdout.splitlines() if "==" in line]


def pinned(text: str) -> list[str]:
    """Return the pins that stand in the file."""
    block = BLOCK.search(text)
    return re.findall(r'^\s*"(.*)",$', block.group(1), re.MULTILINE) if block else []


def main() -> int:
    """Write the pins, or check them."""
    text = PYPROJECT.read_text(encoding="utf-8")
    if "--check" in sys.argv:
        missing = sorted(set(resolved()) ^ set(pinned(text)))
        for line in missing:
            print(f"not pinned, or pinned and not needed: {line}", file=sys.stderr)
        print("pins differ: run python .ci/pins.py" if missing else "pins are fresh")
        return 1 if missing else 0
    PYPROJECT.write_text(BLOCK.sub("constraint-dependencies = [\n]\n", text), encoding="utf-8")
    (PYPROJECT.parent / "uv.lock").unlink(missing_ok=True)
    lines = "".join(f'    "{line}",\n' for line in resolved())
    block = f"constraint-dependencies = [\n{lines}]\n"
    PYPROJECT.write_text(BLOCK.sub(lambda _: block, text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
