import Ledger
import Primitives
import Service
import SimulatedDisk
import Storage
import Synchronization

/// Clients, a network, a clock, a disk and the servers that follow each other on it, in one thread:
/// one seed decides everything that happens, so a seed that fails fails again.
///
/// First comes a phase with faults. After every step, whatever was said is compared with what the
/// disk would still have if it lost all it can lose. Then faults end and every request must finish.
public struct Simulation {
    /// How badly the disk behaves.
    public enum DiskKind: Sendable {
        /// It fails, fills up and loses what was not synced, in any order and in part.
        case honest
        /// A durable write is a write and a sync, and a failed sync forgets pages.
        case forgetful
        /// It also tears sectors, flips bits and writes to other places.
        case damaging
    }

    /// A client: asks one thing, and asks again until it has the answer.
    struct Client {
        var workload: Workload
        var session = 0
        var request = 0
        var asked: Message?
        var patience = 0
    }

    let kind: DiskKind
    let disk: SimulatedDisk
    /// Where snapshots are, in the same machine: power cuts are of both.
    let snapshotDisk: SimulatedDisk
    /// What the disk was at some time, to begin another history from.
    var past: SimulatedDisk?
    let clock = SimulatedClock()
    var numbers: SplitMix64
    var clients: [Client] = []
    var network: [Message] = []
    /// The one that leads last; the ones before it may live on for a while.
    var servers: [SimulatedServer] = []
    var lastServer = 0
    /// The last server can write; false from its failure until another one leads.
    var leads = false
    var history = DurableHistory()
    var hasFaults = true
    /// A damaged journal was refused, or a damaged disk lost its last batch: the life is over.
    var hasEnded = false
    var report = SimulationReport()

    /// The life of one seed.
    public static func run(seed: UInt64) -> SimulationReport {
        var simulation = Simulation(seed: seed)
        simulation.live()
        var report = simulation.report
        report.seeds = 1
        report.nanoseconds = simulation.clock.elapsed
        for fault in DiskFault.allCases {
            report.counts["journal's disk: \(fault.rawValue)"] = simulation.disk.count(of: fault)
            report.counts["snapshots' disk: \(fault.rawValue)"] =
                simulation.snapshotDisk.count(of: fault)
        }
        report.failure = report.failure.map { "seed \(seed), step \(report.steps): \($0)" }
        return report
    }

    private init(seed: UInt64) {
        numbers = SplitMix64(seed: seed)
        kind = [.honest, .honest, .forgetful, .damaging].randomElement(using: &numbers) ?? .honest
        disk = SimulatedDisk(seed: numbers.next())
        disk.buffersWrites = kind == .forgetful
        snapshotDisk = SimulatedDisk(seed: numbers.next())
        for client in 0..<Int.random(in: 2...5, using: &numbers) {
            clients.append(Client(workload: Workload(client: client, seed: numbers.next())))
        }
    }

    private mutating func live() {
        setFaults()
        for _ in 0..<Int.random(in: 100...500, using: &numbers) where goesOn { step() }
        guard goesOn else { return }
        // The last power cut, and from here on a healthy disk.
        disk.cancelFailures()
        disk.faults = DiskFaults()
        disk.capacity = nil
        snapshotDisk.cancelFailures()
        snapshotDisk.faults = DiskFaults()
        snapshotDisk.capacity = nil
        hasFaults = false
        if numbers.happens(0.5) { lead() }
        var steps = 0
        while goesOn, clients.contains(where: { $0.asked != nil }) {
            step()
            steps += 1
            if steps > 2_000 { fail("a request does not finish without faults") }
        }
        if goesOn, leads {
            servers.last?.pipeline.stop()
            check()
            lead()
        }
        if goesOn { report.note("lives to the end") }
    }

    var goesOn: Bool { report.failure == nil && !hasEnded }

    mutating func fail(_ words: String) {
        if report.failure == nil { report.failure = "\(words) (\(kind))" }
    }

    private mutating func setFaults() {
        var faults = DiskFaults()
        faults.shortReads = 0.1
        if numbers.happens(0.7) {
            faults.writeErrors = 0.01
            faults.syncErrors = 0.02
            faults.full = 0.005
            faults.readErrors = 0.002
        }
        if kind == .damaging {
            faults.tornSectors = 0.2
            faults.bitFlips = 0.2
            faults.misdirectedWrites = numbers.happens(0.5) ? 0.01 : 0
        }
        disk.faults = faults
        faults.misdirectedWrites = 0
        snapshotDisk.faults = faults
        if numbers.happens(0.1) {
            snapshotDisk.capacity = Int.random(in: 4...60, using: &numbers) << 10
        }
        if numbers.happens(0.1) { disk.capacity = Int.random(in: 80...400, using: &numbers) << 10 }
    }

    // MARK: SplitMix64

    private mutating func step() {
        report.steps += 1
        clock.advance(UInt64.random(in: 1...3_000_000, using: &numbers))
        if numbers.happens(0.02) {
            clock.advance(UInt64.random(in: 0...2_000_000_000, using: &numbers))
        }
        if !leads, numbers.happens(0.3) { return lead() }
        switch Int.random(in: 0..<100, using: &numbers) {
        case 0..<20: ask()
        case 20..<50: deliver()
        case 50..<72: if let server = anyServer() { server.pipeline.decide() }
        case 72..<94: if let server = anyServer() { server.pipeline.commit() }
        default: if hasFaults { disturb() } else { servers.last?.pipeline.run() }
        }
        if numbers.happens(0.04) { keep() }
        check()
    }

    /// Mostly the leader; sometimes one that does not know that it leads no more.
    private mutating func anyServer() -> SimulatedServer? {
        numbers.happens(0.8) ? servers.last : servers.randomElement(using: &numbers)
    }

    private mutating func disturb() {
        switch Int.random(in: 0..<12, using: &numbers) {
        case 0:
            report.note("power cuts between calls")
            cutPower()
        case 1:
            report.note("kills")
            disk.kill()
            snapshotDisk.kill()
            servers = []
            leads = false
        case 2...4:
            let kinds: [DiskFailure] = [.crashBefore, .crashAfterwards, .crashMeanwhile]
            report.note("power cuts at a call")
            disk.fail(
                at: Int.random(in: 1...25, using: &numbers),
                kinds.randomElement(using: &numbers) ?? .crashBefore)
        case 5, 6:
            report.note("failures at a call")
            let kinds: [DiskFailure] = [.error, .errorAfterwards, .errorMeanwhile, .full]
            disk.fail(
                at: Int.random(in: 1...25, using: &numbers),
                kinds.randomElement(using: &numbers) ?? .error)
        case 7, 8:
            // The old server loses the disk and does not know it.
            report.note("leader changes")
            lead()
        case 9:
            guard leads else { return }
            report.note("orderly stops")
            servers.last?.pipeline.stop()
            leads = false
        case 10:
            // Somebody's connection breaks; answers to the old one are for nobody.
            guard let place = clients.indices.randomElement(using: &numbers) else { return }
            report.note("new sessions")
            clients[place].session += 1
            clients[place].patience = 0
        default:
            report.note("clock jumps")
            clock.advance(60_000_000_000)
        }
    }

    // MARK: Clients and network

    private mutating func ask() {
        guard let place = clients.indices.randomElement(using: &numbers), let last = servers.last
        else { return }
        var target = last.number
        if numbers.happens(0.1), let other = servers.randomElement(using: &numbers) {
            target = other.number
        }
        var client = clients[place]
        if let asked = client.asked {
            client.patience -= 1
            clients[place].patience = client.patience
            guard client.patience <= 0 else { return }
            report.note("retries")
            let again = Message(
                client: place, session: client.session, request: asked.request, server: target,
                known: asked.known, command: asked.command)
            send(again)
        } else {
            guard hasFaults else { return }
            client.request += 1
            let isRead = numbers.happens(0.2)
            let command = isRead ? nil : client.workload.command()
            let message = Message(
                client: place, session: client.session, request: client.request, server: target,
                known: history.entries.count, command: command)
            client.asked = message
            send(message)
        }
        client.patience = Int.random(in: 2...8, using: &numbers)
        clients[place] = client
    }

    mutating func send(_ message: Message) {
        if hasFaults, numbers.happens(0.1) { return report.note("lost messages") }
        network.append(message)
        if hasFaults, numbers.happens(0.1) {
            report.note("doubled messages")
            network.append(message)
        }
    }

    /// Any message may be the next; without faults the oldest is.
    private mutating func deliver() {
        guard !network.isEmpty else { return }
        let place = hasFaults ? Int.random(in: 0..<network.count, using: &numbers) : 0
        let message = network.remove(at: place)
        switch message.content {
        case .request:
            servers.first { $0.number == message.server }?.receive(message)
        case .answer, .seen:
            let client = clients[message.client]
            guard client.session == message.session, client.asked?.request == message.request
            else { return report.note("answers to nobody") }
            clients[message.client].asked = nil
            report.note("finished requests", UInt64(message.request))
        case .refused:
            clients[message.client].patience = 0
        }
    }
}

/// The time of the simulated world.
final class SimulatedClock: Sendable {
    private static let start: UInt64 = 1_700_000_000_000_000_000
    private let now = Mutex(SimulatedClock.start)

    var elapsed: UInt64 { now.withLock { $0 - SimulatedClock.start } }

    func advance(_ nanoseconds: UInt64) { now.withLock { $0 += nanoseconds } }

    /// The clock of one server, which is behind or ahead.
    func server(ahead nanoseconds: Int64) -> @Sendable () -> Timestamp {
        {
            self.now.withLock { now in
                Timestamp(nanoseconds: UInt64(Int64(now) + nanoseconds))
            }
        }
    }
}
