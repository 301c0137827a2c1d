public import Clearing
import Cryptography
public import Ledger
public import Primitives

/// A deterministic state machine whose accepted commands a journal keeps: the same commands at the
/// same times give the same state, in the process that decided them, in recovery, on a standby and
/// in an audit.
public protocol JournaledMachine: Sendable {
    /// What it is told to do.
    associatedtype Input: CanonicalCodable & Equatable & Sendable
    /// What it answers.
    associatedtype Output: Sendable

    /// The state before the first command.
    init()

    /// The time of the last command that was accepted.
    var now: Timestamp { get }

    /// How many nanoseconds a command takes: it is given a time at least so much after the one
    /// before it, so that each of its events has one of its own.
    static func ticks(of input: Input) -> UInt64

    /// Decides one command at a time later than `now`.
    mutating func apply(_ input: Input, at time: Timestamp) -> Output

    /// Why a command was refused, as a number; `nil` if it was accepted. A refused command changes
    /// nothing and is not journaled.
    static func rejection(in output: Output) -> UInt16?

    /// The kind of journal that it replays.
    static var kind: JournaledKind { get }

    /// The whole state in its one encoding.
    func canonicalBytes() -> [UInt8]

    /// Appends the whole state in its one encoding.
    func encode(into writer: inout ByteWriter)

    /// Reads a state into a machine before its first command. Whatever the bytes are, it throws or
    /// gives a machine; that they are what `encode` wrote once, only their hash shows.
    mutating func restore(from reader: inout ByteReader) throws(CodecError)

    /// Appends what a snapshot keeps beside the state and no hash covers: balance history.
    func encodeHistory(into writer: inout ByteWriter)

    /// Reads that, after `restore`.
    mutating func restoreHistory(from reader: inout ByteReader) throws(CodecError)
}

extension JournaledMachine {
    /// SHA-256 of the whole state's canonical bytes, which are never in memory at once. O(state).
    public var stateHash: Digest { HashSink.hash { encode(into: &$0) } }

    /// SHA-256 of what a snapshot keeps beside the state. O(state).
    var historyHash: Digest { HashSink.hash { encodeHistory(into: &$0) } }
}

/// Hashes an encoding a part at a time. For one thread.
private final class HashSink: ByteSink, @unchecked Sendable {
    private var hasher = SHA256()

    static func hash(_ encode: (inout ByteWriter) -> Void) -> Digest {
        let sink = HashSink()
        var writer = ByteWriter(into: sink)
        encode(&writer)
        writer.finish()
        return sink.finish()
    }

    func take(_ bytes: [UInt8]) { hasher.update(bytes) }

    private func finish() -> Digest {
        var ended = SHA256()
        swap(&ended, &hasher)
        return ended.finish()
    }
}

extension ClearingHouse: JournaledMachine {
    /// A house.
    public static var kind: JournaledKind { .house }

    /// Every command of a house is one event.
    public static func ticks(of input: Command) -> UInt64 { 1 }

    /// The rejection's number.
    public static func rejection(in output: Result<[Event], Rejection>) -> UInt16? {
        if case .failure(let rejection) = output { rejection.rawValue } else { nil }
    }
}

extension LedgerMachine: JournaledMachine {
    /// A ledger.
    public static var kind: JournaledKind { .ledger }

    /// Nothing is refused as a whole: what is wrong with an event is in its result.
    public static func rejection(in output: LedgerAnswer) -> UInt16? { nil }
}
