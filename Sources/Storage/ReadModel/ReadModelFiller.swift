import Clearing
import Ledger
import Primitives

/// How far a filling is.
public struct ReadModelProgress: Sendable {
    /// What the journal is the history of.
    public internal(set) var kind = JournaledKind.empty
    /// The last batch that is in the model.
    public internal(set) var sequence: UInt64 = 0
    /// Commands replayed, also those that were in the model before.
    public internal(set) var commands: UInt64 = 0
    /// Transfers replayed, also those that were in the model before.
    public internal(set) var transfers = 0
    /// Rows written by this filling.
    public internal(set) var rows = 0
}

/// Fills a read model from a journal, in SQLite or PostgreSQL, also while the journal is written.
///
/// Replays the journal, verifying its chain, and writes what the model does not have yet: rows and
/// cursor move in one transaction, so that a filling that is killed goes on where it was. With
/// `rebuilding` what is there is dropped first. `caughtUp` is called whenever everything is in the
/// model: true to look for more (it does the waiting), false to end.
///
/// Throws `notAReadModel` for a database that holds anything else, `otherHistory`,
/// `filledByAnother`, `store`, or `journal` with what is wrong with the journal. Time is O(batches
/// from the first on), rows are only written for new ones.
@discardableResult
public func fillReadModel(
    from journal: any Journal, into place: JournalPlace, rebuilding: Bool = false,
    progress: (ReadModelProgress) -> Void = { _ in },
    caughtUp: (ReadModelProgress) -> Bool = { _ in false }
) throws(ReadModelError) -> ReadModelProgress {
    let store = try openStore(place, rebuilding: rebuilding)
    defer { store.close() }
    var kind = try journaledKind(journal)
    while kind == .empty {
        guard store.cursor.sequence == 0 else {
            throw .otherHistory("\(place)", store.cursor.sequence)
        }
        if !caughtUp(ReadModelProgress()) {
            try store.makeIndexes()
            return ReadModelProgress()
        }
        kind = try journaledKind(journal)
    }
    switch kind {
    case .empty, .house:
        return try Filling<ClearingHouse>(store, place, kind, { $0.ledger }, house: { $0 })
            .run(journal, progress, caughtUp)
    case .ledger:
        return try Filling<LedgerMachine>(store, place, kind, { $0.ledger }, house: nil)
            .run(journal, progress, caughtUp)
    }
}

private func journaledKind(_ journal: any Journal) throws(ReadModelError) -> JournaledKind {
    do throws(JournalError) { return try JournaledKind(of: journal) } catch {
        throw .journal(error)
    }
}

private func openStore(
    _ place: JournalPlace, rebuilding: Bool
) throws(ReadModelError) -> any ReadModelStore {
    switch place {
    case .sqlite(let path): return try SQLiteReadModel(path: path, rebuilding: rebuilding)
    case .postgres(let conninfo, let schema):
        return try PostgresReadModel(conninfo: conninfo, schema: schema, rebuilding: rebuilding)
    case .file:
        throw .notAReadModel("\(place)", "a read model is in a SQLite file or in PostgreSQL")
    }
}

/// One filling, of a machine of either kind.
private final class Filling<Machine: JournaledMachine> {
    /// A transaction is committed after about so many rows.
    private static var rowsPerTransaction: Int { 100_000 }

    private let store: any ReadModelStore
    private let place: JournalPlace
    private let ledger: (borrowing Machine) -> LedgerState
    private let house: ((borrowing Machine) -> ClearingHouse)?
    private let already: ReadModelCursor
    private var replay = Replay<Machine>()
    private var ledgerRows: LedgerProjection
    private var houseRows: HouseProjection
    private var verifier = ChainVerifier()
    private var progress = ReadModelProgress()
    private var hasIndexes = false

    init(
        _ store: any ReadModelStore, _ place: JournalPlace, _ kind: JournaledKind,
        _ ledger: @escaping (borrowing Machine) -> LedgerState,
        house: ((borrowing Machine) -> ClearingHouse)?
    ) {
        self.store = store
        self.place = place
        self.ledger = ledger
        self.house = house
        already = store.cursor
        ledgerRows = LedgerProjection(keepsAllHistory: house != nil)
        houseRows = HouseProjection(isResuming: already.sequence > 0)
        progress.kind = kind
    }

    func run(
        _ journal: any Journal, _ report: (ReadModelProgress) -> Void,
        _ caughtUp: (ReadModelProgress) -> Bool
    ) throws(ReadModelError) -> ReadModelProgress {
        let reader: any JournalReader
        do throws(JournalError) { reader = try journal.reader() } catch { throw .journal(error) }
        defer { reader.close() }
        repeat {
            try catchUp(reader, report)
            guard verifier.head.sequence >= already.sequence else {
                throw .otherHistory("\(place)", already.sequence)
            }
            try flush()
            if !hasIndexes { try store.makeIndexes() }
            hasIndexes = true
            report(progress)
        } while caughtUp(progress)
        return progress
    }

    /// Replays everything that is there now.
    private func catchUp(
        _ reader: any JournalReader, _ report: (ReadModelProgress) -> Void
    ) throws(ReadModelError) {
        var failure: ReadModelError?
        let start = verifier
        do throws(JournalError) {
            verifier = try ReadAhead.run { (hand) throws(JournalError) in
                var verifier = start
                while true {
                    let page = try reader.batches(after: verifier.head.sequence)
                    if page.isEmpty { return verifier }
                    for batch in page { try hand(batch, try verifier.accept(batch)) }
                }
            } consume: { (batch, entries) throws(JournalError) in
                do throws(ReadModelError) {
                    try take(batch, entries, report)
                } catch {
                    failure = error
                    throw .closed
                }
            }
        } catch {
            throw failure ?? .journal(error)
        }
    }

    private func take(
        _ batch: JournalBatch, _ entries: JournalEntries, _ report: (ReadModelProgress) -> Void
    ) throws(ReadModelError) {
        do throws(JournalError) {
            try replay.apply(batch, entries) { (_, _) in
            } decided: { machine in
                ledgerRows.note(ledger(machine), at: machine.now, in: batch.sequence)
            }
        } catch {
            throw .journal(error)
        }
        progress.commands = replay.commands
        progress.sequence = batch.sequence
        if batch.sequence <= already.sequence {
            // These rows are in the model.
            if batch.sequence == already.sequence {
                guard batch.hash.hex == already.hash else {
                    throw .otherHistory("\(place)", already.sequence)
                }
            }
            ledgerRows.forget()
        } else {
            pending = batch
            if ledgerRows.waiting >= Filling.rowsPerTransaction {
                try flush()
                report(progress)
            }
        }
    }

    /// The last batch whose rows are not in the model yet.
    private var pending: JournalBatch?

    private func flush() throws(ReadModelError) {
        let books = ledger(replay.machine)
        progress.transfers = books.transferCount
        guard let batch = pending else { return }
        var rows = ledgerRows.takeRows(books)
        if let house { rows += houseRows.takeRows(house(replay.machine)) }
        try store.write(
            rows,
            moving: ReadModelCursor(
                kind: progress.kind, sequence: batch.sequence, hash: batch.hash.hex,
                time: batch.time.nanoseconds))
        progress.rows += rows.reduce(0) { $0 + $1.count }
        pending = nil
    }
}
