public import Clearing
import Cryptography
public import Primitives

/// Rebuilds a house from its journal. Every command that was accepted once must be accepted again
/// with the same outcome, and every recorded state hash must be reached: recovery, audit and a
/// standby all go through here.
public struct HouseReplay: Sendable {
    /// The house after the batches so far.
    public private(set) var house = ClearingHouse()
    /// Commands applied so far.
    public private(set) var commands: UInt64 = 0
    /// Recorded state hashes that were reached so far.
    public private(set) var checkpointsReached = 0
    /// The recorded state hashes that are still ahead, last one first.
    private var checkpoints: [StateCheckpoint]

    /// Starts with an empty house. `checkpoints` are compared when their batch comes by; each
    /// costs one pass over the whole state.
    public init(checkpoints: [StateCheckpoint] = []) {
        self.checkpoints = checkpoints.sorted { $0.sequence > $1.sequence }
    }

    /// Applies one verified batch.
    ///
    /// Throws `undecodable`, `doesNotReplay` or `stateDiverged`.
    public mutating func apply(
        _ batch: JournalBatch, _ entries: [JournalEntry]
    ) throws(JournalError) {
        try apply(batch, entries) { (_, _) in }
    }

    /// As `apply`, and shows each command and its place in the batch to `observer`.
    public mutating func apply(
        _ batch: JournalBatch, _ entries: [JournalEntry], observer: (Command, Int) -> Void
    ) throws(JournalError) {
        for (place, entry) in entries.enumerated() {
            let command: Command
            do throws(CodecError) {
                command = try Command(canonicalBytes: entry.command)
            } catch {
                throw .undecodable(batch.sequence, command: place, error)
            }
            observer(command, place)
            if case .failure(let rejection) = house.apply(command, at: entry.time) {
                throw .doesNotReplay(
                    batch.sequence, command: place, rejection: rejection.rawValue)
            }
            commands += 1
        }
        while let next = checkpoints.last, next.sequence <= batch.sequence {
            checkpoints.removeLast()
            guard next.sequence == batch.sequence else { continue }
            guard house.stateHash == next.stateHash else {
                throw .stateDiverged(batch.sequence)
            }
            checkpointsReached += 1
        }
    }
}

extension ClearingHouse {
    /// SHA-256 of the whole state's canonical bytes. O(state).
    public var stateHash: Digest { SHA256.hash(canonicalBytes()) }
}
