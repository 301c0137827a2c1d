"""check_docs.py on real folders of pages, run as the program that `make docs` runs."""

import subprocess
import sys
from pathlib import Path

import check_docs
import pytest

SCRIPT = Path(check_docs.__file__)


def run(root: Path):
    done = subprocess.run(
        [sys.executable, SCRIPT, root], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout.splitlines()


def write(root: Path, pages: dict[str, str]):
    for name, text in pages.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


GOOD = {
    "README.md": "# Top\n[a](docs/a.md), [folder](docs/), [out](https://example.org/x.md#y)\n",
    "docs/a.md": "# A page\n## The `two` words, said\n[up](../README.md#top) [here](#a-page)\n",
    "docs/deep/b.md": "# B\n[a](../a.md#the-two-words-said)\n[x]: ../a.md\n",
}


def test_pages_without_broken_links_pass(tmp_path):
    write(tmp_path, GOOD)
    assert run(tmp_path) == (0, [])


@pytest.mark.parametrize(
    "link, wrong",
    [
        ("[x](docs/none.md)", "docs/none.md does not exist"),
        ("[x](docs/a.md#none)", "docs/a.md#none has no such heading"),
        ("[x](#none)", "#none has no such heading"),
        ("[x](docs/A.md)", "docs/A.md does not exist"),
        ("[x](../outside.md)", "../outside.md leaves the project"),
        ("[x](/docs/a.md)", "/docs/a.md is not relative"),
        ("[x](script.sh#top)", "script.sh#top has an anchor, but is no page"),
        ("[x]()", "() is empty"),
        ("![x](docs/picture.png)", "docs/picture.png does not exist"),
        ('[x](docs/none.md "a title")', "docs/none.md does not exist"),
        ("[two\nlines](docs/none.md)", "docs/none.md does not exist"),
        ("[x]: docs/none.md", "docs/none.md does not exist"),
        ("| a | [`code`](docs/none.md) |", "docs/none.md does not exist"),
    ],
)
def test_each_kind_of_broken_link_is_named(tmp_path, link, wrong):
    write(tmp_path, GOOD | {"script.sh": "", "README.md": f"# Top\n\n{link}\n"})
    (tmp_path.parent / "outside.md").write_text("# Out\n")
    line = 4 if "\n" in link else 3
    assert run(tmp_path) == (1, [f"README.md:{line}: {wrong}"])


@pytest.mark.parametrize(
    "text",
    [
        "`[x](docs/none.md)`",
        "``a ` [x](docs/none.md)``",
        "```sh\n[x](docs/none.md)\n```",
        "~~~\n```\n[x](docs/none.md)\n~~~",
        "`one\ntwo [x](docs/none.md)`",
        "[x](mailto:someone@example.org)",
    ],
)
def test_code_and_other_places_are_left_alone(tmp_path, text):
    write(tmp_path, GOOD | {"README.md": f"# Top\n\n{text}\n"})
    assert run(tmp_path) == (0, [])


def test_headings_in_code_are_no_headings(tmp_path):
    write(tmp_path, {"README.md": "# Top\n```\n# Not one\n```\n[x](#not-one)\n"})
    assert run(tmp_path) == (1, ["README.md:5: #not-one has no such heading"])


def test_repeated_headings_are_numbered(tmp_path):
    write(tmp_path, {"README.md": "# A\n## B\n## B\n[x](#b) [y](#b-1)\n[z](#b-2)\n"})
    assert run(tmp_path) == (1, ["README.md:5: #b-2 has no such heading"])


def test_every_page_is_looked_at(tmp_path):
    names = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/a.md", "docs/x/y/z.md"]
    write(tmp_path, {name: "[x](none.md)\n" for name in names})
    code, lines = run(tmp_path)
    assert (code, sorted(lines)) == (1, sorted(f"{n}:1: none.md does not exist" for n in names))


def test_a_folder_without_pages_is_an_error(tmp_path):
    assert run(tmp_path) == (2, [])


def test_the_projects_own_links_hold():
    assert check_docs.check(SCRIPT.parents[2])[0] == []
