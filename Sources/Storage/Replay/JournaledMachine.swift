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

    /// The whole state in its one encoding.
    func canonicalBytes() -> [UInt8]
}

extension JournaledMachine {
    /// SHA-256 of the whole state's canonical bytes. O(state).
    public var stateHash: Digest { SHA256.hash(canonicalBytes()) }
}

extension ClearingHouse: JournaledMachine {
    /// Every command of a house is one event.
    public static func ticks(of input: Command) -> UInt64 { 1 }

    /// The rejection's number.
    public static func rejection(in output: Result<[Event], Rejection>) -> UInt16? {
        if case .failure(let rejection) = output { rejection.rawValue } else { nil }
    }
}

extension LedgerMachine: JournaledMachine {
    /// Nothing is refused as a whole: what is wrong with an event is in its result.
    public static func rejection(in output: LedgerAnswer) -> UInt16? { nil }
}
