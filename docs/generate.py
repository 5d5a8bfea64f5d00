"""Writes the generated parts of the pages in this folder: `python docs/generate.py`.

A page holds a generated part between `<!-- generated: NAME -->` and `<!-- end -->`; `PARTS` says
what makes it. `tests/test_docs.py` fails while a page and its source differ.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from callgate.providers.registry import VENDORS
from callgate.web.errorpages import errors

FOLDER = Path(__file__).parent
_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def vendors() -> str:
    """Every vendor that a provider's table can be named after."""
    lines = [
        "| provider | dialect | base_url | variable of the key |",
        "|---|---|---|---|",
    ]
    for name, vendor in sorted(VENDORS.items()):
        base_url = f"`{vendor.base_url}`" if vendor.base_url else "-"
        variable = f"`{vendor.env}`" if vendor.env else "-"
        lines.append(f"| `{name}` | {vendor.dialect} | {base_url} | {variable} |")
    return "\n".join([*lines, ""])


def schemas() -> str:
    """What becomes of each keyword of JSON Schema at each provider."""
    spec = spec_from_file_location("docs_schemas", FOLDER / "schemas.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.schemas())


PARTS: Mapping[str, Callable[[], str]] = {
    "errors": errors,
    "schemas": schemas,
    "vendors": vendors,
}


def refreshed(page: str) -> str:
    """The page with every generated part made anew."""
    return _PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]()}\n{part[3]}", page)


def main() -> int:
    """Bring the pages up to date; tells which have changed."""
    for path in sorted(FOLDER.glob("*.md")):
        old = path.read_text()
        new = refreshed(old)
        if new != old:
            path.write_text(new)
            print(f"{path.name} is up to date again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
