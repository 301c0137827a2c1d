import Foundation
import Logging
import Primitives
import Storage

/// The journal of a house, which may be anywhere, and the one folder that belongs to it.
///
/// The folder remembers in `journal.first` the hash of the journal's first batch. So a house that
/// is started with another place, or without the one it was begun with, does not begin empty books
/// beside its old keys, evidence and deposits.
struct HouseJournal: Sendable {
    let place: JournalPlace
    private let folder: String
    private let log: Logger

    init(_ configuration: HouseConfiguration, log: Logger) {
        folder = configuration.folder
        place = configuration.journal ?? House.journal(in: folder)
        self.log = log
    }

    /// The folder with snapshots: beside the journal, or in the house's folder if the journal is in
    /// a database.
    private var snapshots: String { place.snapshotFolder ?? folder + "/snapshots" }

    private var memory: String { folder + "/journal.first" }

    /// Opens and recovers the journal, and starts its writer.
    func open() throws(HouseError) -> Sequencer {
        do throws(JournalError) {
            try checkIsOurs()
            let journal = try place.openForWriting(onFenced: Sequencer.endFencedProcess)
            do throws(JournalError) {
                var options = SnapshotOptions(try SnapshotStore(folder: snapshots))
                options.notice = { [log] notice in
                    log.log(level: notice.isWarning ? .error : .info, "\(notice)")
                }
                return try Sequencer(
                    journal: journal, snapshots: options, clock: { .systemNow })
            } catch {
                try? journal.close()
                throw error
            }
        } catch {
            throw HouseError(HouseJournal.kind(of: error), "the books cannot be opened: \(error)")
        }
    }

    private static func kind(of error: JournalError) -> HouseError.Kind {
        switch error {
        case .cannotOpen: .configuration
        case .connectionLost, .unreachable: .network
        default: .storage
        }
    }

    /// Notes which journal the folder belongs to, once that has a first batch.
    func remember() throws(HouseError) {
        do {
            if FileManager.default.fileExists(atPath: memory) { return }
            let journal = try place.openForReading()
            defer { try? journal.close() }
            guard let first = try firstHash(of: journal) else { return }
            try Data("\(first.hex)\n".utf8).write(to: URL(filePath: memory), options: .atomic)
        } catch {
            throw HouseError(.storage, "\(memory) cannot be written: \(error)")
        }
    }

    private func checkIsOurs() throws(JournalError) {
        guard let text = try? String(contentsOfFile: memory, encoding: .utf8) else { return }
        let words = text.trimmingCharacters(in: .whitespacesAndNewlines)
        var reason = "it begins with another batch"
        do throws(JournalError) {
            let journal = try place.openForReading()
            defer { try? journal.close() }
            let first = try firstHash(of: journal)
            if let first, first == Digest(hex: words) { return }
            if first == nil { reason = "it is empty" }
        } catch {
            guard case .cannotOpen(_, let words) = error else { throw error }
            reason = words
        }
        throw .cannotOpen(
            "\(place)",
            "\(reason); the folder \(folder) belongs to the journal whose first batch has hash "
                + "\(words): give its place, or move \(memory) away to begin another house")
    }

    private func firstHash(of journal: any Journal) throws(JournalError) -> Digest? {
        let reader = try journal.reader()
        defer { reader.close() }
        return try reader.batches(after: 0).first?.hash
    }
}
