import Foundation
import Primitives
import Storage
import Testing

/// `kill -9` leaves the kernel's unwritten pages alive, so it cannot show a missing sync. This
/// does: from a recording of all that a house did to its files, it rebuilds what a power cut
/// could leave.
@Suite(.serialized) struct PowerCutTests {
    /// One thing that was done, in the order of its effect.
    private struct Record {
        enum Kind: UInt8 { case write = 1, sync, cut, remove, say, make, writeSynced, rename }

        let kind: Kind
        let name: String
        let offset: Int
        let data: Data

        /// Whether this is a recording's last record.
        func isIn(_ last: Record?) -> Bool {
            kind == last?.kind && name == last?.name && offset == last?.offset
        }
    }

    /// Reads the format of `Tests/DiskRecorder/recorder.c`, up to the record that a kill cut off.
    private func records(_ path: String) throws -> [Record] {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        func number(_ at: Int, _ count: Int) -> Int {
            (0..<count).reduce(0) { $0 | Int(bytes[at + $1]) << (8 * $1) }
        }
        var found: [Record] = []
        var at = 0
        while at + 14 <= bytes.count {
            let name = Int(bytes[at + 1])
            let size = number(at + 10, 4)
            let end = at + 14 + name + size
            guard end <= bytes.count, let kind = Record.Kind(rawValue: bytes[at]) else { break }
            found.append(
                Record(
                    kind: kind,
                    name: String(decoding: bytes[at + 14..<at + 14 + name], as: UTF8.self),
                    offset: number(at + 2, 8), data: bytes.subdata(in: at + 14 + name..<end)))
            at = end
        }
        return found
    }

    /// A file as the disk has it, and what was done to it since its last sync.
    private struct File {
        var durable: [UInt8] = []
        var unsynced: [Record] = []

        mutating func apply(_ record: Record, sectors: (Int) -> Bool = { _ in true }) {
            if record.kind == .cut {
                let missing = max(record.offset - durable.count, 0)
                durable = durable.prefix(record.offset) + Array(repeating: 0, count: missing)
                return
            }
            let end = record.offset + record.data.count
            if durable.count < end {
                durable += Array(repeating: 0, count: end - durable.count)
            }
            for start in stride(from: record.offset, to: end, by: 512) where sectors(start) {
                for place in start..<min(start + 512, end) {
                    durable[place] = record.data[place - record.offset]
                }
            }
        }
    }

    /// What becomes of writes that were not synced.
    private enum Loss: CaseIterable { case all, some, torn, none }

    /// A folder: its names now and as the disk has them.
    private struct Folder {
        var files: [Int: File] = [:]
        var names: [String: Int] = [:]
        var durableNames: [String: Int] = [:]
        /// Names made or changed since the folder's last sync, each with all names after it.
        var history: [[String: Int]] = []

        mutating func note(_ record: Record, isLast: Bool) {
            let file = names[record.name]
            switch record.kind {
            case .say: break
            case .make:
                names[record.name] = files.count
                files[files.count] = File()
                history.append(names)
            case .rename:
                names[record.name] = nil
                names[String(decoding: record.data, as: UTF8.self)] = file
                history.append(names)
            // A removal that is lost again leaves an old file; only what was made worthless and
            // synced before is removed, so the hard case is the removal that holds.
            case .remove:
                names[record.name] = nil
                durableNames[record.name] = nil
                for place in history.indices { history[place][record.name] = nil }
            case .sync where record.name == "/":
                durableNames = names
                history = []
            case .write, .cut: if let file { files[file]?.unsynced.append(record) }
            case .writeSynced:
                guard let file else { break }
                // The last one had not returned yet.
                if !isLast { files[file]?.apply(record) }
                files[file]?.unsynced.append(record)
            case .sync:
                guard let file else { break }
                for write in files[file]?.unsynced ?? [] { files[file]?.apply(write) }
                files[file]?.unsynced = []
            }
        }
    }

    /// The files that a cut after `records` leaves.
    private func image(
        _ records: ArraySlice<Record>, losing loss: Loss, _ numbers: inout Numbers
    ) -> [String: [UInt8]] {
        var folder = Folder()
        for (place, record) in records.enumerated() {
            folder.note(record, isLast: place == records.count - 1)
        }
        let names: [String: Int]
        switch loss {
        case .all: names = folder.durableNames
        case .none: names = folder.names
        case .some, .torn:
            names = ([folder.durableNames] + folder.history).randomElement(using: &numbers) ?? [:]
        }
        var left: [String: [UInt8]] = [:]
        for (name, id) in names.sorted(by: { $0.key < $1.key }) {
            guard var file = folder.files[id] else { continue }
            for (place, write) in file.unsynced.enumerated() {
                let isLast = place == file.unsynced.count - 1
                switch loss {
                // What was synced by itself comes after what was not synced before it.
                case _ where write.kind == .writeSynced && !(isLast && write.isIn(records.last)):
                    file.apply(write)
                case .all: break
                case .none: file.apply(write)
                case .some: if Bool.random(using: &numbers) { file.apply(write) }
                case .torn: file.apply(write) { _ in Bool.random(using: &numbers) }
                }
            }
            left[name] = file.durable
        }
        return left
    }

    @Test(arguments: JournalKind.allCases)
    func noAcknowledgedCommandIsLostByAPowerCut(_ kind: JournalKind) throws {
        let seed = UInt64.random(in: .min ... .max)
        print("seed of the power cuts, \(kind): \(seed)")
        var numbers = Numbers(state: seed)
        let scratch = try Scratch()
        let recording = "\(scratch.folder)/recording"
        let writer = try Writer(kind, [scratch.journal, "1", "4", "0", recording])
        var text = Data()
        writer.read(atLeast: 900, into: &text)
        kill(writer.process.processIdentifier, SIGKILL)
        _ = writer.finish(into: &text)
        let all = try records(recording)
        // At least one sync for every group of four; the log was copied and cut, or the segment
        // changed, many times.
        #expect(all.count { $0.kind == .sync || $0.kind == .writeSynced } > 900 / 4)
        #expect(all.count { $0.kind == .cut || $0.kind == .rename } > 3)

        var lossy = 0
        for round in 0..<200 {
            // The first moments, when the file is made, then anywhere.
            let end = Int.random(
                in: 0...(round < 60 ? min(80, all.count) : all.count), using: &numbers)
            let loss = Loss.allCases[round % 4]
            let said = all[..<end].filter { $0.kind == .say }.reduce(into: Data()) { $0 += $1.data }
            let known = Writer.acknowledged(said)
            let disk = try Scratch()
            if kind != .sqlite {
                try FileManager.default.createDirectory(
                    atPath: disk.journal, withIntermediateDirectories: false)
            }
            for (name, bytes) in image(all[..<end], losing: loss, &numbers) {
                let path = kind == .sqlite ? disk.journal + name : "\(disk.journal)/\(name)"
                try Data(bytes).write(to: URL(fileURLWithPath: path))
            }
            let place = "seed \(seed), record \(end) of \(all.count), losing \(loss)"
            do {
                let recovered = try Recovered(kind, disk.journal)
                let once = Set(recovered.addresses)
                #expect(once.count == recovered.addresses.count, "\(place): journaled twice")
                let isComplete = once.isSuperset(of: known)
                #expect(isComplete, "\(place): a command is lost")
                #expect(recovered.parties == once.count, "\(place)")
                if once.count < Writer.acknowledged(text).count { lossy += 1 }
            } catch {
                Issue.record("\(place): \(error)")
            }
        }
        #expect(lossy > 100)
    }
}
