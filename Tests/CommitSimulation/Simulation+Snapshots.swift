import Ledger
import Primitives
import Service
import SimulatedDisk
import Storage

/// Snapshots as something that happens: taken by whoever thinks that it leads, cut off, damaged,
/// and of histories that the journal never had. Whatever becomes of them, `recovered` compares
/// every start with the naive ledger.
extension Simulation {
    /// One thing about snapshots.
    mutating func keep() {
        guard hasFaults else { return takeSnapshot() }
        switch Int.random(in: 0..<12, using: &numbers) {
        case 0..<6: takeSnapshot()
        case 6, 7:
            report.note("failures while writing a snapshot")
            snapshotDisk.fail(
                at: Int.random(in: 1...25, using: &numbers),
                [.error, .errorAfterwards, .errorMeanwhile, .full]
                    .randomElement(using: &numbers) ?? .error)
            takeSnapshot()
            snapshotDisk.cancelFailures()
        case 8:
            report.note("power cuts while writing a snapshot")
            let calls = snapshotDisk.injected
            snapshotDisk.fail(
                at: Int.random(in: 1...25, using: &numbers),
                [.crashBefore, .crashAfterwards, .crashMeanwhile]
                    .randomElement(using: &numbers) ?? .crashBefore)
            takeSnapshot()
            let happened = snapshotDisk.cancelFailures() == 0 && snapshotDisk.injected > calls
            if happened { cutPower() }
        case 9: damageSnapshot()
        case 10: past = disk.copy()
        default: plantFork()
        }
    }

    /// The power of both disks.
    mutating func cutPower() {
        disk.crash()
        snapshotDisk.crash()
        servers = []
        leads = false
    }

    /// Mostly the leader takes one; sometimes one that does not know that it leads no more.
    private mutating func takeSnapshot() {
        let server = numbers.happens(0.8) ? servers.last : servers.randomElement(using: &numbers)
        guard let server else { return }
        do throws(SnapshotError) {
            guard let info = try server.pipeline.takeSnapshot() else { return }
            report.note("snapshots", info.head.sequence)
        } catch {
            report.note("snapshots that failed")
            switch error {
            case .disk, .journal(.inputOutput), .journal(.diskFull), .journal(.closed): break
            default: if kind == .honest { fail("a snapshot found what is not wrong: \(error)") }
            }
        }
        hear(server.notices)
    }

    /// Bits that turn over at rest, and ends that are cut off.
    private mutating func damageSnapshot() {
        guard let name = snapshotDisk.names.randomElement(using: &numbers) else { return }
        report.note("damaged snapshots")
        let bytes = snapshotDisk.contents(of: name)
        if numbers.happens(0.3) {
            let count = Int.random(in: 0...bytes.count, using: &numbers)
            snapshotDisk.replace(name, with: Array(bytes.prefix(count)))
        } else if !bytes.isEmpty {
            snapshotDisk.flip(
                1 << UInt8.random(in: 0...7, using: &numbers), in: name,
                at: Int.random(in: bytes.indices, using: &numbers))
        }
    }

    /// A server on an old copy of the disk goes on by itself, as one does that a partition left
    /// alone, and its snapshot comes among the others. Only while the journal is longer by then: a
    /// snapshot that goes further halts every start, and `recovered` has nothing to compare.
    private mutating func plantFork() {
        guard let copy = past, history.batches.count > 2 else { return }
        copy.faults = DiskFaults()
        copy.capacity = nil
        copy.cancelFailures()
        let other = SimulatedDisk(seed: numbers.next())
        let clock = clock.server(ahead: 3_000_000_000)
        do throws(JournalError) {
            let server = try SimulatedServer(
                0, copy, snapshots: other, clock: clock, notices: SimulatedServer.Notices())
            let end = server.pipeline.head.sequence
            guard end > 0, end < history.batches.count - 1 else { return }
            var workload = Workload(client: 99, seed: numbers.next())
            let command = workload.command()
            _ = server.pipeline.submit(command, encoded: command.canonicalBytes()) { _ in }
            server.pipeline.run()
            guard server.pipeline.head.sequence == end + 1,
                (try? server.pipeline.takeSnapshot()) != nil
            else { return }
        } catch {
            // A copy of a damaged disk may not start.
            return
        }
        past = nil
        for name in other.names {
            report.note("snapshots of another history")
            snapshotDisk.replace(name, with: other.contents(of: name))
        }
    }

    /// Counts what was said.
    mutating func hear(_ notices: SimulatedServer.Notices) {
        for notice in notices.take() {
            switch notice {
            case .used(let info): report.note("starts from a snapshot", info.head.sequence)
            case .passedOver(_, .otherHistory): report.note("passed over: another history")
            case .passedOver(_, .damaged): report.note("passed over: damaged")
            case .passedOver: report.note("passed over: something else")
            case .ahead: report.note("lost ends that a snapshot showed")
            case .written, .failed: break
            }
        }
    }
}
