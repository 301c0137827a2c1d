"""Writes Sources/Inference/Tokenizer/CharacterClassTable.swift from the Unicode 15.1 database.

    pip install unicodedata2==15.1.0
    python3 Tests/Harness/make_character_classes.py

Version 15.1 is the one llama.cpp's tokenizers use; a character that a later version classifies
anew would be cut differently.
"""

from pathlib import Path

import unicodedata2

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "Sources/Inference/Tokenizer/CharacterClassTable.swift"
CLASSES = {"L": 1, "N": 2, "M": 3, "P": 4, "S": 5}
SPACE = 6
SPACES = [
    *range(0x9, 0xE), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F,
    0x205F, 0x3000,
]


def classes():
    """The class of every code point; 0 is none of those that pre-tokenizers know."""
    for point in range(0x110000):
        yield SPACE if point in SPACES else CLASSES.get(unicodedata2.category(chr(point))[0], 0)


def runs():
    """Where the class changes: the first code point times eight plus the class."""
    last = -1
    for point, value in enumerate(classes()):
        if value != last:
            yield point << 3 | value
        last = value


def main():
    assert unicodedata2.unidata_version == "15.1.0", unicodedata2.unidata_version
    lines = [
        "/// Where the class of characters changes in Unicode 15.1: the first code point times eight plus",
        "/// the class (`CharacterClass`). Made by Tests/Harness/make_character_classes.py.",
        "enum CharacterClassTable {",
        "    static let runs: [UInt32] = [",
    ]
    line = ""
    for run in runs():
        word = f"{run:#x},"
        if len(line) + 1 + len(word) > 92:
            lines.append("        " + line)
            line = ""
        line = f"{line} {word}" if line else word
    lines += ["        " + line, "    ]", "}", ""]
    TARGET.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
