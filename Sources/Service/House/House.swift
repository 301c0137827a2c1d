public import Clearing
import Cryptography
import Foundation
public import Logging
public import Primitives
public import ServiceLifecycle
public import Storage
import Synchronization
import Transport

/// The running house: the sequencer with everything that acts for it. Front doors use its parts.
///
/// `open` recovers the books and makes everything ready; `run` works until it is told to stop.
public final class House: Service {
    /// The one writer of the books.
    public let sequencer: Sequencer
    /// The connected nodes.
    public let hub: NodeHub
    /// Runs jobs.
    public let jobs: JobRunner
    /// The models whose files are here.
    public let models: ModelLibrary
    /// Asks nodes to show their weights.
    public let weights: WeightChecks
    /// Evidence of delivered jobs.
    public let evidence: EvidenceStore
    /// What is counted beside the books.
    public let metrics: HouseMetrics
    /// The chain that is settled on.
    public let settlement: SettlementService?
    /// Who is paid how, if the house settles by plan.
    public let payouts: PayoutDesk?
    /// The trees of what the house owes.
    public let liabilities: LiabilityBook
    /// The house's own key, by which nodes know it.
    public let key: PublicKey
    /// Where nodes connect their links.
    public let wire: (host: String, port: Int)
    /// What the operator shows to be let in; its hash is all that is kept in memory.
    public let operatorTokenHash: Digest

    private let listener: SecureListener
    private let housekeeper: Housekeeper
    private let presence:
        (stream: AsyncStream<PublicKey>, sink: AsyncStream<PublicKey>.Continuation)
    private let committed: AsyncStream<CommittedBatch>
    private let log: Logger
    /// How long running jobs may go on after the house was told to stop.
    private let drainPatience = Duration.seconds(8)

    /// The command that settles everything payable now.
    ///
    /// - Throws: ``PayoutDesk/Failure/unavailable(_:)`` while the chains do not tell what it would
    ///   cost.
    public func settlingCommand() async throws(PayoutDesk.Failure) -> Clearing.Command {
        try await housekeeper.settling()
    }

    /// The chain's id; 0 without one.
    public var chainID: UInt64 { settlement?.chainID ?? 0 }

    /// Random bytes of the operating system, for keys and nonces.
    public static func random(_ count: Int) -> [UInt8] { Entropy.bytes(count) }

    /// Where the journal of a house is that was not told another place: in its folder.
    public static func journal(in folder: String) -> JournalPlace {
        .sqlite(path: folder + "/journal.sqlite")
    }

    /// The file in a house's folder that holds the operator's token.
    public static func operatorTokenFile(in folder: String) -> String { folder + "/operator.token" }

    /// Opens a house: reads keys and models, recovers the journal, puts right what a crash left
    /// (nodes are offline, running jobs are ended uncharged), listens for nodes.
    public static func open(
        _ configuration: HouseConfiguration, log: Logger
    ) async throws(HouseError) -> House {
        let opening = HouseOpening(configuration: configuration, log: log)
        return try await opening.open()
    }

    init(_ parts: HouseOpening.Parts, log: Logger) {
        self.log = log
        sequencer = parts.sequencer
        hub = parts.hub
        models = parts.models
        evidence = parts.evidence
        settlement = parts.settlement
        payouts = parts.payouts
        liabilities = parts.liabilities
        metrics = parts.metrics
        key = parts.identity.publicKey
        listener = parts.listener
        wire = (parts.publicHost, parts.listener.port)
        operatorTokenHash = parts.operatorTokenHash
        let paces = PaceBook()
        let runner = JobRunner(
            context: .init(
                hub: parts.hub, sequencer: parts.sequencer, evidence: parts.evidence,
                metrics: parts.metrics, log: log, patience: parts.patience, paces: paces))
        jobs = runner
        let weights = WeightChecks(
            sequencer: parts.sequencer, hub: parts.hub, models: parts.models,
            patience: parts.weightPatience, log: log)
        self.weights = weights
        housekeeper = Housekeeper(
            sequencer: parts.sequencer, settlement: parts.settlement,
            payouts: parts.payouts, hub: parts.hub,
            evidence: parts.evidence, weights: weights, paces: paces,
            auditInterval: parts.auditInterval, weightInterval: parts.weightInterval,
            measureInterval: parts.measureInterval,
            settlesByItself: parts.settlesByItself, evidenceSeconds: parts.evidenceSeconds,
            gracePeriod: parts.gracePeriod, log: log)
        committed = parts.sequencer.subscribe()
        let presence = AsyncStream.makeStream(of: PublicKey.self)
        self.presence = (presence.stream, presence.continuation)
        parts.hub.set(
            NodeHub.Handlers(
                frame: { runner.receive($1, from: $0) },
                lost: { node in
                    runner.lose(node)
                    weights.lose(node)
                },
                presence: { presence.continuation.yield($0) }))
    }

    /// Works until the task is cancelled or graceful shutdown begins; then lets running jobs
    /// finish for some seconds, lets go of the nodes, commits what waits and closes the books.
    public func run() async throws {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.acceptLinks() }
            group.addTask { await self.followPresence() }
            group.addTask { await self.carryOutEvents() }
            group.addTask { await self.housekeeper.run() }
            if let settlement { group.addTask { await settlement.run() } }
            if let solana = payouts?.solana { group.addTask { await solana.run() } }
            group.addTask {
                try? await gracefulShutdown()
                await self.jobs.finish(patience: self.drainPatience)
            }
            // Nothing but the last ends by itself while the house works.
            await group.next()
            group.cancelAll()
        }
        await close()
    }

    /// Ends running jobs and connections, and closes the books.
    public func close() async {
        listener.close()
        await jobs.finish(patience: .zero)
        hub.stop()
        do throws(SequencerError) { try await sequencer.stop() } catch {
            log.error("the journal did not close", metadata: ["error": "\(error)"])
        }
        evidence.close()
        settlement?.close()
        payouts?.solana?.close()
    }

    // MARK: Nodes

    private func acceptLinks() async {
        await withDiscardingTaskGroup { group in
            for await link in listener.links {
                group.addTask {
                    let node = link.peer
                    let known = (try? await self.sequencer.read { $0.node(key: node) != nil })
                    guard known == true else { return link.close() }
                    await self.hub.serve(link)
                }
                if Task.isCancelled { return }
            }
        }
    }

    /// Writes down who is connected, one node after the other, and hands a node that came back
    /// the audits it still owes.
    private func followPresence() async {
        for await key in presence.stream {
            if Task.isCancelled { return }
            let online = hub.isOnline(key)
            guard let node = (try? await sequencer.read { $0.node(key: key) }) ?? nil else {
                continue
            }
            if node.online != online {
                guard (try? await sequencer.submit(.setPresence(node.id, online: online))) != nil
                else {
                    // Busy: the books must not stay wrong.
                    try? await Task.sleep(for: .milliseconds(100))
                    presence.sink.yield(key)
                    continue
                }
                log.info(
                    "node \(online ? "online" : "offline")",
                    metadata: ["node": "\(node.id)", "party": "\(node.party)"])
            }
            guard online, !node.online else { continue }
            let owed = (try? await sequencer.read { $0.audits(of: node.id) }) ?? []
            for job in owed { hub.send(Self.audit(job), to: key) }
        }
    }

    static func audit(_ job: Job) -> NodeEvent {
        NodeEvent(
            "audit",
            "{\"job\":\(job.id),\"attempt\":\(job.attempt),"
                + "\"deadline\":\(job.deadline.nanoseconds / 1_000_000)}")
    }

    // MARK: Events

    private func carryOutEvents() async {
        let arbiter = Arbiter(
            sequencer: sequencer, models: models, evidence: evidence, log: log)
        await withDiscardingTaskGroup { group in
            // A crash or a stop may have come between a verdict and the house's look at it.
            let verdicts = (try? await sequencer.read { house in house.verdicts }) ?? []
            for record in verdicts {
                switch record.state {
                case .appealable: group.addTask { await arbiter.review(record.id) }
                case .appealed: group.addTask { await arbiter.decide(record.id) }
                case .final, .executed, .overturned, .forgone: continue
                }
            }
            for await batch in committed {
                if Task.isCancelled { return }
                for event in batch.events {
                    switch event {
                    case .auditAssigned(let id, let node): await assignAudit(id, node)
                    case .jobFailed(let id, let reason): jobs.ended(id, reason)
                    case .bondShortfall(let party, let amount):
                        log.critical(
                            "bond is missing on chain: the house has lost money",
                            metadata: [
                                "party": "\(party)", "dollars": "\(Asset.usd.format(amount))",
                            ])
                    case .appealOpened(let verdict):
                        group.addTask { await arbiter.decide(verdict) }
                    case .bondCaptured(let verdict, _, _):
                        group.addTask { await arbiter.review(verdict) }
                    default: continue
                    }
                }
            }
        }
    }

    private func assignAudit(_ id: JobID, _ node: NodeID) async {
        let found = try? await sequencer.read { house -> (PublicKey, Job)? in
            guard let key = house.node(node)?.key, let job = house.job(id) else { return nil }
            return (key, job)
        }
        guard let (key, job) = found ?? nil else { return }
        hub.send(Self.audit(job), to: key)
    }
}
