public import Primitives

/// What goes wrong by chance on a `SimulatedDisk`; probabilities from 0 to 1, all 0 at first.
public struct DiskFaults: Sendable {
    /// A read gives fewer bytes than were asked for, which it may.
    public var shortReads = 0.0
    /// A read fails.
    public var readErrors = 0.0
    /// A write fails; any of its sectors may be written.
    public var writeErrors = 0.0
    /// A sync fails. The pages are dropped: the disk has any of the sectors, reads show all of
    /// them until the next crash, and the next sync succeeds without them.
    public var syncErrors = 0.0
    /// A write, or a reservation of room, finds the disk full.
    public var full = 0.0
    /// A write says that all is well, and went to another place of the same file.
    public var misdirectedWrites = 0.0
    /// A crash tears a sector that it catches: the first part is new, the rest is old. Disks
    /// promise not to; a journal on one that does may halt but must not lie.
    public var tornSectors = 0.0
    /// A crash also flips one bit of some file, at rest.
    public var bitFlips = 0.0

    /// A disk that only loses, in a crash, what was not synced.
    public init() {}
}

/// What went wrong on a `SimulatedDisk`, by chance, for counting.
public enum DiskFault: String, CaseIterable, Sendable {
    case shortRead = "short reads"
    case readError = "read errors"
    case writeError = "write errors"
    case syncError = "sync errors"
    case full = "disk full"
    case misdirectedWrite = "misdirected writes"
    case tornSector = "torn sectors"
    case bitFlip = "bit flips"
}

/// What happens at a chosen call of a `SimulatedDisk`.
public enum DiskFailure: String, CaseIterable, Sendable {
    /// It fails and nothing was done.
    case error
    /// It fails although everything was done.
    case errorAfterwards
    /// It fails half-way: a write has written any of its sectors.
    case errorMeanwhile
    /// The disk is full.
    case full
    /// The power fails before.
    case crashBefore
    /// The power fails afterwards, before the caller is told.
    case crashAfterwards
    /// The power fails half-way: a write has written any of its sectors.
    case crashMeanwhile
}

/// One thing that was done to a `SimulatedDisk`.
public struct DiskOperation: Hashable, Sendable {
    /// What can be done.
    public enum Kind: String, Sendable {
        case list, create, open, rename, remove, syncFolder
        case size, allocate, read, write, writeDurably, sync
        /// Something that a test noted.
        case note
    }

    /// What was done.
    public let kind: Kind
    /// To which file; for a note, its words.
    public let name: String
    /// From which byte on, if it has a place.
    public let offset: Int
    /// How many bytes, if it has a size.
    public let count: Int
    /// Whether the caller was told of success.
    public var succeeded: Bool
}

extension SplitMix64 {
    /// True with a probability.
    public mutating func happens(_ probability: Double) -> Bool {
        probability > 0 && Double.random(in: 0..<1, using: &self) < probability
    }
}
