import Primitives

/// The first block of a snapshot file: what it is of, and the length and hash of each section that
/// follows. The format is docs/internals/journal.md, byte by byte.
struct SnapshotHeader: Equatable {
    /// A stretch of the file with a meaning of its own.
    struct Section: Equatable {
        /// `state` or `history`; a reader skips what it does not know.
        let tag: UInt32
        let length: UInt64
        /// SHA-256 of its bytes.
        let hash: Digest

        static let state: UInt32 = 1
        static let history: UInt32 = 2
        static let known = [state, history]
    }

    static let bytes = 4_096
    static let version: UInt32 = 1
    /// The most sections that fit.
    static let sectionLimit = 64
    private static let magic: UInt64 = 0x5041_4E53_5251_5845  // "EXQRSNAP"
    private static let hashed = bytes - 32
    private static let table = 128
    private static let entry = 48

    let machine: UInt32
    let head: JournalHead
    /// The hash of the journal's first batch.
    let first: Digest
    let commands: UInt64
    let sections: [Section]

    /// Bytes of the file: the sections lie one after the other, zeros fill the last block.
    var fileBytes: Int { (end + Self.bytes - 1) / Self.bytes * Self.bytes }

    /// Where the last section ends.
    var end: Int { sections.reduce(Self.bytes) { $0 + Int($1.length) } }

    /// The section with this tag and where it begins.
    func section(_ tag: UInt32) -> (start: Int, Section)? {
        var start = Self.bytes
        for section in sections {
            if section.tag == tag { return (start, section) }
            start += Int(section.length)
        }
        return nil
    }

    /// What the file is of; `nil` without a state.
    var info: SnapshotInfo? {
        section(Section.state).map { _, state in
            SnapshotInfo(
                head: head, first: first, commands: commands, stateHash: state.hash,
                stateBytes: state.length)
        }
    }

    func encode(into block: DiskBuffer) {
        block.clear(0..<Self.bytes)
        block.store(Self.magic, at: 0)
        block.store(Self.version, at: 8)
        block.store(machine, at: 12)
        block.store(head.sequence, at: 16)
        block.store(head.term, at: 24)
        block.store(head.time.nanoseconds, at: 32)
        block.store(commands, at: 40)
        block.store(head.hash, at: 48)
        block.store(first, at: 80)
        block.store(UInt32(sections.count), at: 112)
        for (place, section) in sections.enumerated() {
            let offset = Self.table + place * Self.entry
            block.store(section.tag, at: offset)
            block.store(section.length, at: offset + 8)
            block.store(section.hash, at: offset + 16)
        }
        block.store(block.hash(0..<Self.hashed), at: Self.hashed)
    }

    init(
        machine: UInt32, head: JournalHead, first: Digest, commands: UInt64, sections: [Section]
    ) {
        self.machine = machine
        self.head = head
        self.first = first
        self.commands = commands
        self.sections = sections
    }

    /// Reads the block. Version 1 ends with its hash; of another version nothing else is known.
    init(in block: DiskBuffer) throws(SnapshotProblem) {
        guard block.load(UInt64.self, at: 0) == Self.magic else {
            throw .damaged("it does not begin as a snapshot")
        }
        let version = block.load(UInt32.self, at: 8)
        guard version == Self.version else { throw .unsupportedVersion(version) }
        guard block.digest(at: Self.hashed) == block.hash(0..<Self.hashed) else {
            throw .damaged("the hash of its first block differs")
        }
        let count = Int(block.load(UInt32.self, at: 112))
        guard count <= Self.sectionLimit else { throw .damaged("it has too many sections") }
        let sequence = block.load(UInt64.self, at: 16)
        guard sequence > 0 else { throw .damaged("it is of no batch") }
        var sections: [Section] = []
        for place in 0..<count {
            let offset = Self.table + place * Self.entry
            let length = block.load(UInt64.self, at: offset + 8)
            guard length < 1 << 48 else { throw .damaged("a section is too long") }
            let tag = block.load(UInt32.self, at: offset)
            guard !sections.contains(where: { $0.tag == tag }) else {
                throw .damaged("section \(tag) is there twice")
            }
            sections.append(
                Section(tag: tag, length: length, hash: block.digest(at: offset + 16)))
        }
        self.init(
            machine: block.load(UInt32.self, at: 12),
            head: JournalHead(
                sequence: sequence, hash: block.digest(at: 48),
                time: Timestamp(nanoseconds: block.load(UInt64.self, at: 32)),
                term: block.load(UInt64.self, at: 24)),
            first: block.digest(at: 80), commands: block.load(UInt64.self, at: 40),
            sections: sections)
    }
}

extension JournaledKind {
    /// Its number in a snapshot.
    var number: UInt32 {
        switch self {
        case .empty: 0
        case .house: 1
        case .ledger: 2
        }
    }
}

/// A snapshot's file name: `snapshot-JOURNAL-SEQUENCE`, the first 16 hexadecimal digits of the hash
/// of the journal's first batch and 20 decimal digits.
struct SnapshotName: Equatable {
    let text: String
    /// The first 16 digits of the hash of the journal's first batch.
    let journal: String
    let sequence: UInt64

    /// What a snapshot is called while it is written.
    static let unfinished = "snapshot.new"
    static let lock = "lock"

    init(first: Digest, sequence: UInt64) {
        journal = SnapshotName.journal(first)
        self.sequence = sequence
        let digits = String(sequence)
        text =
            "snapshot-\(journal)-" + String(repeating: "0", count: 20 - digits.count) + digits
    }

    /// Reads a name; `nil` if it is none of a snapshot.
    init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "snapshot", parts[1].utf8.count == 16,
            parts[1].utf8.allSatisfy({
                UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0
                    || UInt8(ascii: "a")...UInt8(ascii: "f") ~= $0
            }),
            parts[2].utf8.count == 20, parts[2].utf8.first != UInt8(ascii: "+"),
            let sequence = UInt64(parts[2])
        else { return nil }
        self.text = text
        journal = String(parts[1])
        self.sequence = sequence
    }

    static func journal(_ first: Digest) -> String { String(first.hex.prefix(16)) }
}
