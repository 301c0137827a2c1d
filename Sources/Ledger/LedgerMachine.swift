public import Primitives

/// A ledger that is driven by commands: what a ledger server decides with, and what its journal
/// replays to. Every command is accepted; what is wrong with an event is in its result.
public struct LedgerMachine: Equatable, Sendable {
    /// The books.
    public private(set) var ledger: LedgerState
    /// The time of the last command.
    public private(set) var now: Timestamp = .zero

    /// Empty books. For `tableSeed` see `LedgerState`.
    public init(tableSeed: UInt64) {
        ledger = LedgerState(tableSeed: tableSeed)
    }

    /// Empty books.
    public init() {
        ledger = LedgerState()
    }

    /// How many nanoseconds a command takes: one for each event, and one for a pulse.
    public static func ticks(of command: LedgerCommand) -> UInt64 {
        UInt64(max(command.count, 1))
    }

    /// Whether a pending transfer's time is over at `time`, so that a pulse would release it.
    public func isPulseDue(at time: Timestamp) -> Bool {
        ledger.nextExpiry.map { $0 <= time } ?? false
    }

    /// The moment of a command's first event, if `time` is that of its last. What is due by then is
    /// released before the command.
    public static func start(of command: LedgerCommand, at time: Timestamp) -> Timestamp {
        let ticks = ticks(of: command)
        return Timestamp(nanoseconds: max(time.nanoseconds, ticks) - ticks + 1)
    }

    /// Decides one command. The time must be at least `ticks` after the last command's. What is due
    /// at the moment of its first event is released first, all of it; what ends during the command
    /// is released by the next.
    public mutating func apply(_ command: LedgerCommand, at time: Timestamp) -> LedgerAnswer {
        now = time
        let released = ledger.expire(at: LedgerMachine.start(of: command, at: time))
        switch command {
        case .createAccounts(let accounts):
            return .accounts(ledger.createAccounts(accounts, at: time))
        case .createTransfers(let transfers):
            return .transfers(ledger.createTransfers(transfers, at: time))
        case .pulse: return .pulsed(released)
        }
    }
}

extension LedgerMachine: CanonicalCodable {
    /// Appends the one encoding of this value.
    public func encode(into writer: inout ByteWriter) {
        writer.write(now)
        writer.write(ledger)
    }

    /// Reads a state.
    public init(from reader: inout ByteReader) throws(CodecError) {
        now = try reader.read()
        ledger = try reader.read()
        if ledger.latest > now { throw .invalidValue("ledger time") }
    }
}

/// What a snapshot keeps.
extension LedgerMachine {
    /// Reads a state into empty books, as `LedgerState.restore` does.
    public mutating func restore(from reader: inout ByteReader) throws(CodecError) {
        now = try reader.read()
        try ledger.restore(from: &reader)
        if ledger.latest > now { throw .invalidValue("ledger time") }
    }

    /// Appends the balance history, which is not in the state's encoding.
    public func encodeHistory(into writer: inout ByteWriter) {
        ledger.encodeHistory(into: &writer)
    }

    /// Takes over the balance history of the same books.
    public mutating func restoreHistory(from reader: inout ByteReader) throws(CodecError) {
        try ledger.restoreHistory(from: &reader)
    }
}
