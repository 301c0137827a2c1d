"""Links one object of `clang --target=bpfel` into the ELF that Solana's loader takes (SBPF v0).

The loader wants a shared object whose file offsets are its addresses: code and read-only data,
and a dynamic section that names the entry and the calls of the machine. Rules for the source: one
code section, read-only data only, the entry is `entrypoint`, what is not defined is a call of the
machine. Anything else is refused here and not left for a validator to find.

Source of the format: `solana_sbpf::elf` of anza-xyz/sbpf.
"""

import struct
from dataclasses import dataclass

# Where the machine maps the program.
PROGRAM_BASE = 0x1_0000_0000
ELF_MAGIC = b"\x7fELF\2\1"
RELOCATABLE, SHARED, BPF = 1, 3, 247
# Section types and flags.
PROGBITS, SYMTAB, STRTAB, RELA, NOBITS, DYNAMIC, REL, DYNSYM = 1, 2, 3, 4, 8, 6, 9, 11
WRITE, ALLOC, EXECUTE = 1, 2, 4
# Relocations: a 64-bit address in two instructions, and a call.
R_BPF_64_64, R_BPF_64_32 = 1, 10
SECTION_SYMBOL = 3
HEADER_BYTES, SEGMENT_BYTES, SECTION_BYTES, SEGMENTS = 64, 56, 64, 3
PAGE = 4096
DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT = 5, 6, 10, 11
DT_REL, DT_RELSZ, DT_RELENT, DT_FLAGS = 0x11, 0x12, 0x13, 0x1E
ENTRY = "entrypoint"


class LinkError(Exception):
    """The object is not one that can be linked."""


@dataclass
class Section:
    name: str
    type: int
    flags: int
    content: bytes
    link: int
    info: int
    align: int


@dataclass
class Symbol:
    name: str
    kind: int
    section: int
    value: int


def align(number: int, to: int) -> int:
    return number + -number % max(1, to)


def text_at(table: bytes, offset: int) -> str:
    return table[offset : table.index(b"\0", offset)].decode()


class Object:
    """What is in a relocatable BPF object."""

    def __init__(self, data: bytes):
        kind = struct.unpack_from("<HH", data, 16) if len(data) >= HEADER_BYTES else ()
        if data[:6] != ELF_MAGIC or kind != (RELOCATABLE, BPF):
            raise LinkError("not a relocatable 64-bit little-endian BPF object")
        start = struct.unpack_from("<Q", data, 40)[0]
        size, count, names = struct.unpack_from("<HHH", data, 58)
        rows = [struct.unpack_from("<IIQQQQIIQQ", data, start + i * size) for i in range(count)]
        table = data[rows[names][4] :]
        self.sections = [
            Section(
                text_at(table, name), kind, flags,
                bytes(length) if kind == NOBITS else data[offset : offset + length],
                link, info, alignment)
            for name, kind, flags, _, offset, length, link, info, alignment, _ in rows
        ]
        self.symbols = self._symbols()
        self.text = self._text()

    def _symbols(self) -> list[Symbol]:
        table = next((s for s in self.sections if s.type == SYMTAB), None)
        if table is None:
            raise LinkError("no symbols")
        names = self.sections[table.link].content
        rows = struct.iter_unpack("<IBBHQQ", table.content)
        return [Symbol(text_at(names, n), i & 15, s, v) for n, i, _, s, v, _ in rows]

    def _text(self) -> int:
        code = [i for i, s in enumerate(self.sections) if s.flags & EXECUTE and s.content]
        if len(code) != 1:
            names = [self.sections[i].name for i in code]
            raise LinkError(f"one code section is wanted, there are {names}")
        written = [s.name for s in self.sections if s.flags & WRITE and s.content]
        if written:
            raise LinkError(f"a program has no variables, these are written: {written}")
        return code[0]

    def read_only(self) -> list[int]:
        return [
            i for i, s in enumerate(self.sections)
            if s.type == PROGBITS and s.flags & ALLOC and not s.flags & EXECUTE and s.content]

    def relocations(self):
        """(offset, type, symbol) of the code."""
        for section in self.sections:
            if section.type == RELA or (section.type == REL and section.info != self.text):
                target = self.sections[section.info]
                if target.flags & ALLOC:
                    raise LinkError(f"an address in the data of {target.name}")
            if section.type == REL and section.info == self.text:
                for offset, kind, symbol in struct.iter_unpack("<QII", section.content):
                    yield offset, kind, self.symbols[symbol]


def relocated(source: Object, places: dict[int, int]) -> tuple[bytes, dict[str, list[int]]]:
    """The code with its addresses filled in, and where it calls which of the machine's calls."""
    code = bytearray(source.sections[source.text].content)
    calls = {}
    for offset, kind, symbol in source.relocations():
        if kind == R_BPF_64_64:
            if symbol.section not in places:
                raise LinkError(f"the address of {symbol.name} is not known")
            low = struct.unpack_from("<I", code, offset + 4)[0]
            high = struct.unpack_from("<I", code, offset + 12)[0]
            address = PROGRAM_BASE + places[symbol.section] + symbol.value + (low | high << 32)
            struct.pack_into("<I", code, offset + 4, address & 0xFFFFFFFF)
            struct.pack_into("<I", code, offset + 12, address >> 32)
        elif kind == R_BPF_64_32 and symbol.section == 0:
            calls.setdefault(symbol.name, []).append(offset)
            struct.pack_into("<i", code, offset + 4, -1)
        elif kind == R_BPF_64_32 and symbol.section == source.text:
            there = struct.unpack_from("<i", code, offset + 4)[0]
            target = (there + 1) * 8 if symbol.kind == SECTION_SYMBOL else symbol.value
            struct.pack_into("<i", code, offset + 4, (target - offset - 8) // 8)
        else:
            raise LinkError(f"relocation of type {kind} for {symbol.name}")
    return bytes(code), calls


def link(data: bytes) -> bytes:
    """The loadable program of an object. The same bytes for the same object."""
    source = Object(data)
    text_start = HEADER_BYTES + SEGMENT_BYTES * SEGMENTS
    places = {source.text: text_start}
    data_start = align(text_start + len(source.sections[source.text].content), 16)
    constants = bytearray()
    for index in source.read_only():
        section = source.sections[index]
        constants += bytes(-len(constants) % max(1, section.align))
        places[index] = data_start + len(constants)
        constants += section.content
    code, calls = relocated(source, places)
    entry = [s.value for s in source.symbols if s.name == ENTRY and s.section == source.text]
    if len(entry) != 1:
        raise LinkError(f"no {ENTRY}")
    return write(code, constants, data_start, text_start + entry[0], calls)


def write(code, constants, data_start, entry, calls) -> bytes:
    """Lays the file out: header, segments, code, constants, dynamic tables, section headers."""
    text_start = HEADER_BYTES + SEGMENT_BYTES * SEGMENTS
    names, symbols, relocations = bytearray(b"\0"), bytearray(24), bytearray()

    def symbol(name, info, section, value):
        symbols.extend(struct.pack("<IBBHQQ", len(names), info, 0, section, value, 0))
        names.extend(name.encode() + b"\0")
        return len(symbols) // 24 - 1

    symbol(ENTRY, 0x12, 1, entry)
    for name, offsets in calls.items():
        index = symbol(name, 0x10, 0, 0)
        for offset in offsets:
            relocations += struct.pack("<QII", text_start + offset, R_BPF_64_32, index)
    dynamic_at = align(data_start + len(constants), 8)
    symbols_at = dynamic_at + 16 * 9
    names_at = symbols_at + len(symbols)
    relocations_at = align(names_at + len(names), 8)
    dynamic = b"".join(struct.pack("<QQ", *pair) for pair in [
        (DT_FLAGS, 4), (DT_REL, relocations_at), (DT_RELSZ, len(relocations)), (DT_RELENT, 16),
        (DT_SYMTAB, symbols_at), (DT_SYMENT, 24), (DT_STRTAB, names_at), (DT_STRSZ, len(names)),
        (0, 0)])

    section_names, headers = bytearray(b"\0"), [bytes(SECTION_BYTES)]

    def section(name, kind, flags, at, size, link=0, info=0, alignment=8, entry_size=0):
        headers.append(struct.pack(
            "<IIQQQQIIQQ", len(section_names), kind, flags, at if flags else 0, at, size, link,
            info, alignment, entry_size))
        section_names.extend(name.encode() + b"\0")

    section(".text", PROGBITS, ALLOC | EXECUTE, text_start, len(code))
    if constants:
        section(".rodata", PROGBITS, ALLOC, data_start, len(constants), alignment=16)
    first = len(headers)
    section(".dynamic", DYNAMIC, ALLOC | WRITE, dynamic_at, len(dynamic), first + 2, 0, 8, 16)
    section(".dynsym", DYNSYM, ALLOC, symbols_at, len(symbols), first + 2, 1, 8, 24)
    section(".dynstr", STRTAB, ALLOC, names_at, len(names), alignment=1)
    section(".rel.dyn", REL, ALLOC, relocations_at, len(relocations), first + 1, 0, 8, 16)
    end = relocations_at + len(relocations)
    own_names = len(section_names)
    section_names.extend(b".shstrtab\0")
    headers.append(struct.pack(
        "<IIQQQQIIQQ", own_names, STRTAB, 0, 0, end, len(section_names), 0, 0, 1, 0))
    headers_at = align(end + len(section_names), 8)

    def segment(kind, flags, at, size, alignment):
        return struct.pack("<IIQQQQQQ", kind, flags, at, at, at, size, size, alignment)

    segments = (
        segment(1, 5, text_start, len(code), PAGE)
        + segment(1, 4, data_start, end - data_start, PAGE)
        + segment(2, 6, dynamic_at, len(dynamic), 8))
    header = ELF_MAGIC + b"\1" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", SHARED, BPF, 1, entry, HEADER_BYTES, headers_at, 0, HEADER_BYTES,
        SEGMENT_BYTES, SEGMENTS, SECTION_BYTES, len(headers), len(headers) - 1)
    out = bytearray(headers_at)
    for at, content in [
        (0, header), (HEADER_BYTES, segments), (text_start, code), (data_start, constants),
        (dynamic_at, dynamic), (symbols_at, symbols), (names_at, names),
        (relocations_at, relocations), (end, section_names)
    ]:
        out[at : at + len(content)] = content
    return bytes(out) + b"".join(headers)
