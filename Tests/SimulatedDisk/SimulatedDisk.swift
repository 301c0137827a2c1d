import Primitives
public import Storage
import Synchronization

/// A folder in memory that behaves as a disk may at its worst, the same way for the same seed.
///
/// It keeps what was synced apart from what was not. `crash` cuts the power: each 512-byte sector,
/// size and name that was not synced is kept or lost. `kill` ends only the process: what was
/// written can still be read. After either, what was opened before fails, and `mount` gives a new
/// way in. Calls can be made to fail by chance (`faults`) or at a chosen one (`fail(at:)`).
public final class SimulatedDisk: Sendable {
    struct State {
        var image = DiskImage()
        var numbers: SplitMix64
        var faults = DiskFaults()
        var failures: [Int: DiskFailure] = [:]
        var calls = 0
        /// Mounts of an earlier number are dead.
        var mount = 0
        var injected = 0
        var capacity: Int?
        var buffersWrites = false
        var log: [DiskOperation] = []
    }

    let state: Mutex<State>

    /// An empty folder.
    public init(seed: UInt64) {
        state = Mutex(State(numbers: SplitMix64(seed: seed)))
    }

    private init(_ state: State) {
        self.state = Mutex(state)
    }

    /// The folder for one process.
    public func mount() -> any Disk {
        MountedDisk(self, state.withLock { $0.mount })
    }

    /// What goes wrong by chance.
    public var faults: DiskFaults {
        get { state.withLock { $0.faults } }
        set { state.withLock { $0.faults = newValue } }
    }

    /// The most bytes that all files may have together, or `nil` for no limit.
    public var capacity: Int? {
        get { state.withLock { $0.capacity } }
        set { state.withLock { $0.capacity = newValue } }
    }

    /// Whether a durable write is a write and a sync, as on a file system without direct writes.
    public var buffersWrites: Bool {
        get { state.withLock { $0.buffersWrites } }
        set { state.withLock { $0.buffersWrites = newValue } }
    }

    /// Calls so far.
    public var calls: Int { state.withLock { $0.calls } }

    /// Faults and failures so far, crashes by `crash` not among them.
    public var injected: Int { state.withLock { $0.injected } }

    /// How often what went wrong by chance so far; failures at a chosen call are not among them.
    public func count(of fault: DiskFault) -> Int {
        state.withLock { $0.image.faults[fault] ?? 0 }
    }

    /// What was done so far, and noted.
    public var log: [DiskOperation] { state.withLock { $0.log } }

    /// Makes the call fail that comes `distance` calls from now; the next has distance 1.
    public func fail(at distance: Int, _ failure: DiskFailure) {
        state.withLock { $0.failures[$0.calls + distance] = failure }
    }

    /// Cancels the failures that have not come yet; gives how many.
    @discardableResult
    public func cancelFailures() -> Int {
        state.withLock { state in
            defer { state.failures = [:] }
            return state.failures.keys.count { $0 > state.calls }
        }
    }

    /// Writes a line to the log: for what was acknowledged.
    public func note(_ words: String) {
        state.withLock { state in
            state.log.append(
                DiskOperation(kind: .note, name: words, offset: 0, count: 0, succeeded: true))
        }
    }

    /// Cuts the power and turns it on again.
    public func crash() {
        state.withLock { $0.crash() }
    }

    /// Ends the process that has the disk: what it opened fails, what it wrote stays readable.
    public func kill() {
        state.withLock { $0.mount += 1 }
    }

    /// Another disk that will do the same in the same circumstances.
    public func copy() -> SimulatedDisk {
        state.withLock { SimulatedDisk($0) }
    }

    /// A disk without faults with what this one would have after a crash that lost everything it
    /// could lose.
    public func afterTotalLoss() -> SimulatedDisk {
        state.withLock { state in
            var copy = State(numbers: SplitMix64(seed: 0))
            copy.image = state.image
            copy.image.loseEverything()
            return SimulatedDisk(copy)
        }
    }
}

extension SimulatedDisk {
    /// The names of all files.
    public var names: [String] { state.withLock { $0.image.names.keys.sorted() } }

    /// What a file holds; empty if there is none.
    public func contents(of name: String) -> [UInt8] {
        state.withLock { state in
            state.image.names[name].flatMap { state.image.files[$0]?.current } ?? []
        }
    }

    /// Puts a file there, durably, behind everybody's back; `nil` removes it.
    public func replace(_ name: String, with bytes: [UInt8]?) {
        state.withLock { state in
            state.image.change(.drop(name))
            if let bytes {
                let file = state.image.make(name)
                state.image.files[file] = .init(current: bytes, durable: bytes)
            }
            state.image.syncNames()
        }
    }

    /// Changes one byte of a file, durably, behind everybody's back.
    public func flip(_ mask: UInt8, in name: String, at place: Int) {
        state.withLock { state in
            guard let file = state.image.names[name], let found = state.image.files[file] else {
                return
            }
            if place < found.current.count { state.image.files[file]?.current[place] ^= mask }
            if place < found.durable.count { state.image.files[file]?.durable[place] ^= mask }
        }
    }
}

extension SimulatedDisk.State {
    mutating func crash() {
        image.crash(faults, &numbers)
        mount += 1
    }

    /// What is to happen to the next call, by choice or by chance.
    mutating func failure(of kind: DiskOperation.Kind) -> DiskFailure? {
        calls += 1
        if let chosen = failures.removeValue(forKey: calls) {
            injected += 1
            return chosen
        }
        var found: (DiskFailure, DiskFault)?
        switch kind {
        case .read, .list, .open, .size:
            if numbers.happens(faults.readErrors) { found = (.error, .readError) }
        case .write, .writeDurably:
            if numbers.happens(faults.writeErrors) { found = (.errorMeanwhile, .writeError) }
            if numbers.happens(faults.full) { found = (.full, .full) }
        case .allocate, .create:
            if numbers.happens(faults.full) { found = (.full, .full) }
        case .sync, .syncFolder:
            if numbers.happens(faults.syncErrors) { found = (.error, .syncError) }
        case .rename, .remove, .note: break
        }
        if let found { inject(found.1) }
        return found?.0
    }

    mutating func inject(_ fault: DiskFault) {
        injected += 1
        image.faults[fault, default: 0] += 1
    }
}
