#!/usr/bin/env python3
"""Checks the links of the documentation, for `make docs`.

    python3 Tests/Harness/check_docs.py [ROOT]

Every relative link in README.md, CONTRIBUTING.md, CHANGELOG.md and docs/**/*.md has to point to a
file or folder inside ROOT (the project, if left out), and its anchor, if it has one, to a heading
of that page. Links elsewhere (with a scheme) are not followed. Code is not looked into.

Prints one line for each broken link. Exit code: 0 none is broken, 1 some are, 2 no page was found.
"""

import re
import sys
from pathlib import Path
from urllib.parse import unquote

PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
INLINE = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*)>?[^)]*\)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?(\S+?)>?(?:\s|$)", re.MULTILINE)
HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)(?:\s+#+)?\s*$")
SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:|^//")


def prose(text: str) -> list[str]:
    """The lines of a page, those of fenced blocks empty, so that line numbers stay."""
    lines, fence = [], None
    for line in text.splitlines():
        mark = FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = None
            lines.append("")
        elif mark:
            fence = mark[1]
            lines.append("")
        else:
            lines.append(line)
    return lines


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them: repeated ones are numbered."""
    found: set[str] = set()
    for line in prose(text):
        heading = HEADING.match(line)
        if not heading:
            continue
        title = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading[2])
        title = re.sub(r"[^\w\- ]", "", title.replace("`", "")).strip().lower()
        name = base = title.replace(" ", "-")
        number = 0
        while name in found:
            number += 1
            name = f"{base}-{number}"
        found.add(name)
    return found


def links(text: str) -> list[tuple[int, str]]:
    """Every link of a page with its line; code is left out."""
    body = "\n".join(prose(text))
    body = CODE.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), body)
    found = []
    for pattern in (INLINE, REFERENCE):
        for match in pattern.finditer(body):
            found.append((body.count("\n", 0, match.start(1)) + 1, match[1]))
    return sorted(found)


def problem(root: Path, page: Path, target: str) -> str | None:
    """What is wrong with a link of a page; None if nothing is."""
    if SCHEME.match(target):
        return None
    path, _, anchor = target.partition("#")
    path = unquote(path)
    if path.startswith("/"):
        return "is not relative"
    file = (page.parent / path).resolve() if path else page.resolve()
    if not file.is_relative_to(root.resolve()):
        return "leaves the project"
    if not file.exists():
        return "does not exist"
    if not anchor:
        return None if path else "is empty"
    if file.suffix != ".md":
        return "has an anchor, but is no page"
    if unquote(anchor) not in anchors(file.read_text(encoding="utf-8")):
        return "has no such heading"
    return None


def pages(root: Path) -> list[Path]:
    named = [root / name for name in PAGES if (root / name).is_file()]
    return named + sorted((root / "docs").rglob("*.md"))


def check(root: Path) -> tuple[list[str], int, int]:
    """The broken links as text, and how many pages and links were looked at."""
    broken, count = [], 0
    found = pages(root)
    for page in found:
        for line, target in links(page.read_text(encoding="utf-8")):
            count += 1
            wrong = problem(root, page, target)
            if wrong:
                broken.append(f"{page.relative_to(root)}:{line}: {target or '()'} {wrong}")
    return broken, len(found), count


def main(arguments: list[str]) -> int:
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        print(__doc__, file=sys.stderr)
        return 2
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[2]
    broken, page_count, link_count = check(root)
    if page_count == 0:
        print(f"check_docs: there are no pages in {root}", file=sys.stderr)
        return 2
    for line in broken:
        print(line)
    print(f"{link_count} links in {page_count} pages, {len(broken)} broken", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
