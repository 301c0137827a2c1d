import Clearing
import Dispatch
import Economics
import Foundation
import Primitives
import Service
import Storage
import Synchronization
import Testing

/// A journal that fails at one append, before or after the batch is durable, and refuses
/// everything afterwards, as one on a broken disk does.
final class FaultyJournal: Journal {
    enum Moment: CaseIterable { case before, after }

    let inner = MemoryJournal()
    private let failing: Int
    private let moment: Moment
    private let appends = Mutex(0)

    init(failingAt append: Int, _ moment: Moment) {
        failing = append
        self.moment = moment
    }

    static let error = JournalError.inputOutput(10, "injected")

    var term: UInt64 { inner.term }
    var head: JournalHead { inner.head }

    func recover(
        after start: JournalHead,
        _ body: (JournalBatch, JournalEntries) throws(JournalError) -> Void
    ) throws(JournalError) -> JournalHead {
        try inner.recover(after: start, body)
    }

    func append(_ batch: JournalBatch) throws(JournalError) {
        let number = appends.withLock { count in
            count += 1
            return count
        }
        if number > failing { throw .failedBefore }
        if number == failing, moment == .before { throw FaultyJournal.error }
        try inner.append(batch)
        if number == failing { throw FaultyJournal.error }
    }

    func checkpoints() throws(JournalError) -> [StateCheckpoint] { try inner.checkpoints() }
    func record(_ checkpoint: StateCheckpoint) throws(JournalError) { try inner.record(checkpoint) }
    func reader() throws(JournalError) -> any JournalReader { try inner.reader() }
    func close() throws(JournalError) { try inner.close() }
}

/// A journal whose appends wait until they are let through.
final class GatedJournal: Journal {
    let inner = MemoryJournal()
    private let gate = DispatchSemaphore(value: 0)
    private let isOpen = Mutex(false)
    private let failure = Mutex<JournalError?>(nil)
    private let arrivals: AsyncStream<Void>
    private let arrived: AsyncStream<Void>.Continuation

    init() {
        (arrivals, arrived) = AsyncStream.makeStream()
    }

    var term: UInt64 { inner.term }
    var head: JournalHead { inner.head }

    /// Returns once an append waits at the gate.
    func waitForAppend() async {
        for await _ in arrivals { return }
    }

    /// Lets one append through.
    func letOneThrough() { gate.signal() }

    /// Lets the append that waits fail, and all later ones.
    func fail() {
        failure.withLock { $0 = FaultyJournal.error }
        open()
    }

    /// Lets everything through from now on.
    func open() {
        isOpen.withLock { $0 = true }
        gate.signal()
    }

    func recover(
        after start: JournalHead,
        _ body: (JournalBatch, JournalEntries) throws(JournalError) -> Void
    ) throws(JournalError) -> JournalHead {
        try inner.recover(after: start, body)
    }

    func append(_ batch: JournalBatch) throws(JournalError) {
        if !isOpen.withLock({ $0 }) {
            arrived.yield()
            gate.wait()
        }
        if let failure = failure.withLock({ $0 }) { throw failure }
        try inner.append(batch)
    }

    func checkpoints() throws(JournalError) -> [StateCheckpoint] { try inner.checkpoints() }
    func record(_ checkpoint: StateCheckpoint) throws(JournalError) { try inner.record(checkpoint) }
    func reader() throws(JournalError) -> any JournalReader { try inner.reader() }
    func close() throws(JournalError) { try inner.close() }
}

/// What the sequencer's tests need.
enum Fixture {
    /// A clock that never moves.
    static let frozen: @Sendable () -> Timestamp = { Timestamp(seconds: 1_000) }

    static func address(_ number: UInt64) -> EVMAddress {
        var writer = ByteWriter()
        writer.write(number)
        writer.write(UInt64(0))
        writer.write(UInt32(7))
        return EVMAddress(writer.bytes) ?? .zero
    }

    static func register(_ number: UInt64) -> Command {
        .registerParty(address: address(number))
    }

    static let configure = Command.configure(Parameters(), chain: 31337)

    /// A sequencer whose failure is recorded and does not end the process.
    static func sequencer(
        _ journal: any Journal, options: CommitOptions = .init(),
        failures: Collected<JournalError> = Collected()
    ) throws(JournalError) -> Sequencer {
        try Sequencer(
            journal: journal, clock: frozen, options: options,
            onFailure: { failures.add($0) })
    }

    /// The house that the journal replays to.
    static func replayed(_ journal: any Journal) throws(JournalError) -> ClearingHouse {
        var replay = HouseReplay(checkpoints: try journal.checkpoints())
        _ = try journal.recover { (batch, entries) throws(JournalError) in
            try replay.apply(batch, entries)
        }
        return replay.machine
    }

    /// The addresses registered in a journal, once for each time.
    static func registered(_ journal: any Journal) throws(JournalError) -> [EVMAddress] {
        var found: [EVMAddress] = []
        _ = try journal.recover { (_, entries) throws(JournalError) in
            for entry in entries {
                if case .registerParty(let address)? = try? Command(canonicalBytes: entry.command) {
                    found.append(address)
                }
            }
        }
        return found
    }
}

/// Collects values from several threads.
final class Collected<Element: Sendable>: Sendable {
    private let values = Mutex<[Element]>([])

    func add(_ value: Element) { values.withLock { $0.append(value) } }
    var all: [Element] { values.withLock { $0 } }
}

/// A folder that is gone when the value is.
final class Scratch {
    let folder: String

    init() throws {
        folder = "\(FileManager.default.temporaryDirectory.path)/house-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    var journal: String { "\(folder)/house.journal" }
}
