import Primitives
import SimulatedDisk
import Storage
import Synchronization
import Testing

/// What is acknowledged, and what readers see, is on the disk.
@Suite struct FileDurabilityTests {
    /// After each acknowledgement a disk that loses everything it may lose holds the batch; and
    /// the log has a durable write of it before each.
    @Test(arguments: [false, true]) func everyAcknowledgementFollowsItsSync(buffered: Bool) throws {
        var house = SimulatedHouse(SimulatedDisk(seed: 11))
        house.disk.buffersWrites = buffered
        try house.open("new")
        var numbers = Numbers(state: 12)
        for _ in 0..<120 {
            try house.append(Int.random(in: 0...9_000, using: &numbers), 1)
            if Int.random(in: 0..<8, using: &numbers) == 0 {
                try house.record()
                let copy = try FileJournal(
                    disk: house.disk.afterTotalLoss().mount(), options: SimulatedHouse.options)
                #expect(try copy.checkpoints().last == house.recorded)
            }
            let found = try SimulatedHouse.contents(house.disk.afterTotalLoss()).get()
            #expect(found == house.acknowledged)
        }
        var durable = 0
        for operation in house.disk.log {
            switch operation.kind {
            case .note:
                #expect(durable > 0, "batch \(operation.name)")
                durable = 0
            case .writeDurably where operation.succeeded && operation.name.hasSuffix(".segment"):
                durable += 1
            default: break
            }
        }
        // One write a batch, and two more for each new segment.
        let writes = house.disk.log.count { $0.kind == .writeDurably }
        let segments = house.disk.names.count { $0.hasSuffix(".segment") }
        #expect(writes == 120 + 2 * segments - 1)
    }

    /// What another process wrote and did not sync yet can be read. Who shows it syncs it first,
    /// and shows nothing if that fails.
    @Test func whatReadersOfAnotherProcessSeeIsDurable() throws {
        let name = "00000000000000000001.segment"
        let written = try SimulatedHouse.written([100, 3_000], closing: false)
        let whole = written.disk.contents(of: name)
        let second = 8_192..<12_288
        /// A disk whose second batch is not there yet, and then only in the page cache.
        func prepared() throws -> (disk: SimulatedDisk, write: () throws -> Void) {
            let disk = written.disk.copy()
            var bytes = whole
            bytes.replaceSubrange(second, with: repeatElement(0, count: second.count))
            disk.replace(name, with: bytes)
            let block = DiskBuffer(second.count)
            block.copy(second, of: whole, to: 0)
            return (
                disk,
                {
                    let file = try disk.mount().open(name)
                    try file.write(block, count: block.count, at: second.lowerBound)
                    #expect(
                        try SimulatedHouse.contents(disk.afterTotalLoss()).get().count == 1)
                }
            )
        }
        func isDurable(on disk: SimulatedDisk) throws -> Bool {
            try SimulatedHouse.contents(disk.afterTotalLoss()).get() == written.acknowledged
        }

        let followed = try prepared()
        let reader = try FileJournal(readingOnly: followed.disk.mount()).reader()
        #expect(try reader.batches(after: 0).map(\.sequence) == [1])
        #expect(try reader.batches(after: 1).isEmpty)
        try followed.write()
        #expect(try reader.batches(after: 1).map(\.sequence) == [2])
        #expect(try isDurable(on: followed.disk))

        let opened = try prepared()
        try opened.write()
        #expect(try FileJournal(readingOnly: opened.disk.mount()).verify().sequence == 2)
        #expect(try isDurable(on: opened.disk))

        let failing = try prepared()
        let last = try FileJournal(readingOnly: failing.disk.mount()).reader()
        try failing.write()
        failing.disk.faults.syncErrors = 1
        #expect(throws: JournalError.self) { try last.batches(after: 1) }
    }

    /// What recovery gave may be shown to the world, so it is durable too: a killed writer can
    /// leave a batch that is readable and not yet on the disk.
    @Test func whatRecoveryGivesIsDurable() throws {
        var readable = 0
        for seed: UInt64 in 1...40 {
            var house = SimulatedHouse(SimulatedDisk(seed: seed))
            house.disk.buffersWrites = true
            try house.open("new")
            try house.append(100, 1)
            // Every fourth at the change to another segment.
            if seed % 4 == 0 { try house.append(20_000, 1) }
            let distance = seed % 4 == 0 ? Int(seed) / 4 % 9 + 1 : 1
            house.disk.fail(at: distance, .errorMeanwhile)
            _ = FileJournal.error { () throws(JournalError) in try house.append(9_000, 2) }
            house.disk.cancelFailures()
            house.kill()
            try house.open("seed \(seed)")
            if house.acknowledged.count == (seed % 4 == 0 ? 3 : 2) { readable += 1 }
            let left = try SimulatedHouse.contents(house.disk.afterTotalLoss()).get()
            #expect(left == house.acknowledged, "seed \(seed)")
            house.kill()
        }
        #expect(readable > 10)
    }

    /// A torn write is zeros again before anything is written behind it.
    @Test func nothingIsLeftOfATornWrite() throws {
        var torn = 0
        for seed: UInt64 in 1...30 {
            var house = SimulatedHouse(SimulatedDisk(seed: seed))
            try house.open("new")
            try house.append(100, 1)
            house.disk.fail(at: 1, .crashMeanwhile)
            _ = FileJournal.error { () throws(JournalError) in try house.append(20_000, 2) }
            house.kill()
            try house.open("seed \(seed)")
            if house.acknowledged.count == 1 { torn += 1 }
            try house.append(100, 3)
            let name = "00000000000000000001.segment"
            let end = 4_096 * (house.acknowledged.count == 3 ? 8 : 3)
            #expect(house.disk.contents(of: name)[end...].allSatisfy { $0 == 0 }, "seed \(seed)")
            house.kill()
            #expect(
                try SimulatedHouse.contents(house.disk.afterTotalLoss()).get()
                    == house.acknowledged)
        }
        #expect(torn > 20)
    }

    /// While a batch is written, and even when it is on the disk already, readers do not see it.
    @Test func readersDoNotSeeWhatIsNotAcknowledged() throws {
        let watch = Mutex<(@Sendable () -> Void)?>(nil)
        let disk = WatchedDisk(SimulatedDisk(seed: 2).mount()) { watch.withLock { $0 }?() }
        let journal = try FileJournal(disk: disk, options: SimulatedHouse.options)
        _ = try journal.verify()
        let reader = try journal.reader()
        try journal.fill(3)
        let seen = Mutex<[Int]>([])
        watch.withLock {
            $0 = {
                let count = (try? reader.batches(after: 0).count) ?? -1
                seen.withLock { $0.append(count) }
            }
        }
        try journal.fill(3)
        watch.withLock { $0 = nil }
        #expect(seen.withLock { $0 } == [3, 4, 5])
        #expect(try reader.batches(after: 0).count == 6)
    }
}

/// A disk that says when a durable write is done, before the writer is told.
private final class WatchedDisk: Disk {
    private let inner: any Disk
    private let written: @Sendable () -> Void

    init(_ inner: any Disk, written: @escaping @Sendable () -> Void) {
        self.inner = inner
        self.written = written
    }

    func list() throws(DiskError) -> [String] { try inner.list() }
    func rename(_ name: String, to newName: String) throws(DiskError) {
        try inner.rename(name, to: newName)
    }
    func remove(_ name: String) throws(DiskError) { try inner.remove(name) }
    func syncFolder() throws(DiskError) { try inner.syncFolder() }
    func create(_ name: String) throws(DiskError) -> any DiskFile {
        WatchedFile(try inner.create(name), written)
    }
    func open(_ name: String) throws(DiskError) -> any DiskFile {
        WatchedFile(try inner.open(name), written)
    }
}

private final class WatchedFile: DiskFile {
    private let inner: any DiskFile
    private let written: @Sendable () -> Void

    init(_ inner: any DiskFile, _ written: @escaping @Sendable () -> Void) {
        self.inner = inner
        self.written = written
    }

    func size() throws(DiskError) -> Int { try inner.size() }
    func allocate(_ bytes: Int) throws(DiskError) { try inner.allocate(bytes) }
    func read(
        into buffer: DiskBuffer, at place: Int, count: Int, from offset: Int
    ) throws(DiskError) -> Int {
        try inner.read(into: buffer, at: place, count: count, from: offset)
    }
    func write(_ buffer: DiskBuffer, count: Int, at offset: Int) throws(DiskError) {
        try inner.write(buffer, count: count, at: offset)
    }
    func writeDurably(_ buffer: DiskBuffer, count: Int, at offset: Int) throws(DiskError) {
        try inner.writeDurably(buffer, count: count, at: offset)
        written()
    }
    func sync() throws(DiskError) { try inner.sync() }
}
