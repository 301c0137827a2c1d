/// What a journal is the history of. Its first command's first byte tells: a ledger's commands
/// start with 0xA1 to 0xA3, a house's with less.
public enum JournaledKind: String, CaseIterable, Hashable, Sendable {
    /// Nothing yet: a journal without batches.
    case empty
    /// A clearing house: replays to a `ClearingHouse`.
    case house
    /// A ledger by itself: replays to a `LedgerMachine`.
    case ledger

    /// Looks at the first batch only, and does not verify it.
    ///
    /// Throws what the journal's reader throws, and `damaged` if the first batch holds no command.
    public init(of journal: any Journal) throws(JournalError) {
        let reader = try journal.reader()
        defer { reader.close() }
        guard let first = try reader.batches(after: 0).first else {
            self = .empty
            return
        }
        // An entry is its time (8 bytes), its length (4) and its bytes.
        guard first.body.count > JournalLimits.entryOverhead else {
            throw .damaged(1, .malformedBody)
        }
        self = first.body[JournalLimits.entryOverhead] >= 0xA0 ? .ledger : .house
    }
}
