import Clearing
import Dispatch
import Ledger
import Primitives
import Service
import Storage
import Synchronization
import Testing

/// A disk that begins no file before its gate is open.
final class GatedDisk: Disk {
    private let inner: SystemDisk
    private let gate = DispatchSemaphore(value: 0)
    private let arrivals: AsyncStream<Void>
    private let arrived: AsyncStream<Void>.Continuation

    init(_ folder: String) throws(DiskError) {
        inner = try SystemDisk(folder: folder, usingDirectWrites: false)
        (arrivals, arrived) = AsyncStream.makeStream()
    }

    /// Returns once a file is to be begun.
    func waitForArrival() async {
        for await _ in arrivals { return }
    }

    func open() { gate.signal() }

    func list() throws(DiskError) -> [String] { try inner.list() }
    func create(_ name: String) throws(DiskError) -> any DiskFile {
        arrived.yield()
        gate.wait()
        return try inner.create(name)
    }
    func open(_ name: String) throws(DiskError) -> any DiskFile { try inner.open(name) }
    func rename(_ name: String, to newName: String) throws(DiskError) {
        try inner.rename(name, to: newName)
    }
    func remove(_ name: String) throws(DiskError) { try inner.remove(name) }
    func syncFolder() throws(DiskError) { try inner.syncFolder() }
}

/// Snapshots are taken beside the commits, and a start uses them.
@Suite struct SnapshotterTests {
    private func options(
        _ store: SnapshotStore, events: UInt64, _ notices: Collected<SnapshotNotice>
    ) -> SnapshotOptions {
        var options = SnapshotOptions(store)
        options.events = events
        options.notice = { notices.add($0) }
        return options
    }

    private func wait(_ notices: Collected<SnapshotNotice>, _ count: Int) async {
        while notices.all.count < count { await Task.yield() }
    }

    @Test func commitsGoOnWhileASnapshotIsHeld() async throws {
        let scratch = try Scratch()
        let disk = try GatedDisk("\(scratch.folder)/snapshots")
        let notices = Collected<SnapshotNotice>()
        let journal = MemoryJournal()
        let sequencer = try Sequencer(
            journal: journal,
            snapshots: options(SnapshotStore(disk: disk), events: 10, notices),
            clock: Fixture.frozen, onFailure: { _ in })
        _ = try await sequencer.submit(Fixture.configure)
        for number in UInt64(1)...9 { _ = try await sequencer.submit(Fixture.register(number)) }
        await disk.waitForArrival()
        // It hangs in the middle, for as long as these take.
        for number in UInt64(10)...200 { _ = try await sequencer.submit(Fixture.register(number)) }
        #expect(try await sequencer.read { $0.parties.count } == 200)
        #expect(notices.all.isEmpty)
        disk.open()
        await wait(notices, 1)
        guard case .written(let info)? = notices.all.first else {
            Issue.record("\(notices.all)")
            return
        }
        #expect(info.head.sequence == 10)
        disk.open()
        try await sequencer.stop()
        let hash = try Fixture.replayed(journal).stateHash
        // The next start begins there.
        journal.reopen()
        let again = Collected<SnapshotNotice>()
        let restarted = try Sequencer(
            journal: journal,
            snapshots: options(SnapshotStore(disk: disk), events: .max, again),
            clock: Fixture.frozen, onFailure: { _ in })
        guard case .used(let used)? = again.all.first else {
            Issue.record("\(again.all)")
            return
        }
        #expect(used.head.sequence >= 10)
        #expect(try await restarted.stateHash().hash == hash)
        #expect(try await restarted.submit(Fixture.register(7)) == .failure(.addressTaken))
        try await restarted.stop()
    }

    @Test func aLedgerIsServedFromItsSnapshot() async throws {
        let scratch = try Scratch()
        let journal = MemoryJournal()
        let ids: [UInt128] = [1, 2]
        let open = LedgerCommand.createAccounts(
            ids.map { Account(id: AccountID($0), ledger: 1, code: 1, flags: .history) })
        func transfer(_ number: Int) -> LedgerCommand {
            .createTransfers([
                Transfer(
                    id: TransferID(UInt128(number)), debitAccount: AccountID(1),
                    creditAccount: AccountID(2), amount: Amount(1), ledger: 1, code: 1)
            ])
        }
        func submit(
            _ service: LedgerService, _ command: LedgerCommand
        ) async throws -> LedgerAnswer {
            try await withCheckedContinuation { waiting in
                var batch = LedgerBatch()
                batch.submit(command, encoded: command.canonicalBytes()) {
                    waiting.resume(returning: $0)
                }
                service.submit(batch)
            }.get()
        }
        for run in 0..<4 {
            let notices = Collected<SnapshotNotice>()
            let store = try SnapshotStore(folder: "\(scratch.folder)/snapshots")
            let service = try LedgerService(
                journal: journal, snapshots: options(store, events: 50, notices),
                clock: Fixture.frozen, onFailure: { _ in })
            if run == 0 { _ = try await submit(service, open) }
            if run > 0 {
                guard case .used? = notices.all.first else {
                    Issue.record("\(notices.all)")
                    return
                }
                // What the snapshot holds is known: the id is used, in all its particulars.
                guard case .transfers(let results) = try await submit(service, transfer(1)) else {
                    Issue.record("another answer")
                    return
                }
                #expect(results.map(\.status) == [.exists])
            }
            let known = notices.all.count
            for number in run * 60 + 1...run * 60 + 60 {
                _ = try await submit(service, transfer(number))
            }
            await wait(notices, known + 1)
            try await service.stop()
            #expect(notices.all.allSatisfy { !$0.isWarning }, "\(notices.all)")
            journal.reopen()
        }
        let whole = try Recovery<LedgerMachine>(of: journal)
        let quick = try Recovery<LedgerMachine>(
            of: journal, snapshots: try SnapshotStore(folder: "\(scratch.folder)/snapshots"))
        #expect(quick.start != nil)
        #expect(quick.machine == whole.machine)
        #expect(whole.machine.ledger.transferCount == 240)
    }

    /// A failing disk costs a snapshot and nothing else.
    @Test func aFailureIsSaidAndNothingElse() async throws {
        let scratch = try Scratch()
        let folder = "\(scratch.folder)/snapshots"
        let store = try SnapshotStore(folder: folder)
        // A folder is in the place of the file.
        _ = try SystemDisk(folder: folder + "/snapshot.new")
        let notices = Collected<SnapshotNotice>()
        let sequencer = try Sequencer(
            journal: MemoryJournal(), snapshots: options(store, events: 2, notices),
            clock: Fixture.frozen, onFailure: { _ in })
        _ = try await sequencer.submit(Fixture.configure)
        _ = try await sequencer.submit(Fixture.register(1))
        await wait(notices, 1)
        #expect(notices.all.allSatisfy { $0.isWarning })
        _ = try await sequencer.submit(Fixture.register(2))
        #expect(try await sequencer.read { $0.parties.count } == 2)
        try await sequencer.stop()
    }

    /// A second machine that does not fit must not end the first.
    @Test func noneIsTakenWithoutMemory() async throws {
        let scratch = try Scratch()
        let store = try SnapshotStore(folder: "\(scratch.folder)/snapshots")
        let notices = Collected<SnapshotNotice>()
        var options = options(store, events: 2, notices)
        options.availableMemory = { 1 << 20 }
        let sequencer = try Sequencer(
            journal: MemoryJournal(), snapshots: options, clock: Fixture.frozen,
            onFailure: { _ in })
        _ = try await sequencer.submit(Fixture.configure)
        _ = try await sequencer.submit(Fixture.register(1))
        await wait(notices, 1)
        #expect(notices.all.allSatisfy { $0.isWarning && "\($0)".contains("memory") })
        #expect(try store.names().isEmpty)
        try await sequencer.stop()
    }
}
