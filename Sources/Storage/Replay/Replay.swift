public import Clearing
import Primitives

/// Rebuilds a machine from its journal. Every command that was accepted once must be accepted again
/// with the same outcome, and every recorded state hash must be reached: recovery, audit, snapshots
/// and a standby all go through here.
public struct Replay<Machine: JournaledMachine>: Sendable {
    /// The machine after the batches so far.
    public private(set) var machine: Machine
    /// Commands applied so far.
    public private(set) var commands: UInt64 = 0
    /// Recorded state hashes that were reached so far.
    public private(set) var checkpointsReached = 0
    /// The recorded state hashes that are still ahead, last one first.
    private var checkpoints: [StateCheckpoint]

    /// Starts with an empty machine, or with one that a snapshot held. `checkpoints` are compared
    /// when their batch comes by; each costs one pass over the whole state.
    public init(_ machine: Machine = Machine(), checkpoints: [StateCheckpoint] = []) {
        self.machine = machine
        self.checkpoints = checkpoints.sorted { $0.sequence > $1.sequence }
    }

    /// Applies one verified batch.
    ///
    /// Throws `undecodable`, `doesNotReplay` or `stateDiverged`.
    public mutating func apply(
        _ batch: JournalBatch, _ entries: JournalEntries
    ) throws(JournalError) {
        try apply(batch, entries) { (_, _) in }
    }

    /// As `apply`, and shows each command and its place in the batch to `observer` before it is
    /// carried out, and the machine to `decided` after it was.
    public mutating func apply(
        _ batch: JournalBatch, _ entries: JournalEntries, observer: (Machine.Input, Int) -> Void,
        decided: (borrowing Machine) -> Void = { _ in }
    ) throws(JournalError) {
        var stored = entries.stored
        var place = 0
        while var next = stored.next() {
            let input: Machine.Input
            do throws(CodecError) {
                input = try Machine.Input(from: &next.command)
                try next.command.finish()
            } catch {
                throw .undecodable(batch.sequence, command: place, error)
            }
            observer(input, place)
            if let number = Machine.rejection(in: machine.apply(input, at: next.time)) {
                throw .doesNotReplay(batch.sequence, command: place, rejection: number)
            }
            commands += 1
            place += 1
            decided(machine)
        }
        while let next = checkpoints.last, next.sequence <= batch.sequence {
            checkpoints.removeLast()
            guard next.sequence == batch.sequence else { continue }
            guard machine.stateHash == next.stateHash else {
                throw .stateDiverged(batch.sequence)
            }
            checkpointsReached += 1
        }
    }
}

/// Rebuilds a house.
public typealias HouseReplay = Replay<ClearingHouse>
