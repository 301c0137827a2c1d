import Cryptography
import Primitives
import Testing

/// A snapshot file taken apart by docs/internals/journal.md, and put together again with right
/// lengths and hashes, whatever was changed.
struct SnapshotImage {
    struct Section {
        let tag: UInt32
        var bytes: [UInt8]
    }

    /// The fields before the table of sections.
    var fields: [UInt8]
    var sections: [Section]

    init(_ file: [UInt8]) throws {
        fields = Array(file[..<112])
        sections = []
        var start = 4_096
        for place in 0..<SnapshotImage.number(file[112..<116]) {
            let entry = file[(128 + 48 * place)...].prefix(48)
            let length = SnapshotImage.number(entry.dropFirst(8).prefix(8))
            let bytes = Array(file[start..<start + length])
            try #require(SHA256.hash(bytes).bytes == Array(entry.suffix(32)))
            sections.append(
                Section(tag: UInt32(SnapshotImage.number(entry.prefix(4))), bytes: bytes))
            start += length
        }
    }

    /// The file. `lengths` says that the sections are longer or shorter than they are.
    func file(lengths: [Int: UInt64] = [:]) -> [UInt8] {
        var head = fields + SnapshotImage.bytes(UInt64(sections.count), 4)
        head += [UInt8](repeating: 0, count: 12)
        var rest: [UInt8] = []
        for (place, section) in sections.enumerated() {
            head += SnapshotImage.bytes(UInt64(section.tag), 8)
            head += SnapshotImage.bytes(lengths[place] ?? UInt64(section.bytes.count), 8)
            head += SHA256.hash(section.bytes).bytes
            rest += section.bytes
        }
        head += [UInt8](repeating: 0, count: max(4_064 - head.count, 0))
        head = Array(head[..<4_064])
        head += SHA256.hash(head).bytes
        return head + rest + [UInt8](repeating: 0, count: (4_096 - rest.count % 4_096) % 4_096)
    }

    /// Sets an integer of the fields or of a section.
    static func set(_ value: UInt64, in bytes: inout [UInt8], at place: Int) {
        bytes.replaceSubrange(place..<place + 8, with: SnapshotImage.bytes(value, 8))
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> Int {
        bytes.reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    private static func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }
}
