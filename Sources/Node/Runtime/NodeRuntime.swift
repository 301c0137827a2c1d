import Cryptography
import Inference
import Primitives
import Synchronization
import Transport

/// A provider's node: registers, offers, serves stages of jobs, signs receipts, audits others.
///
/// Everything that goes wrong on the way to the house is tried again; a node that is refused for
/// good, or whose files are not right, ends with a `NodeError`.
public final class NodeRuntime: Sendable {
    private let configuration: NodeConfiguration
    private let report: @Sendable (NodeEvent) -> Void
    private let stopSignal = AsyncStream<Void>.makeStream()
    private let running = Mutex<Running?>(nil)
    /// How long running jobs may go on after the node was told to stop.
    private let drainPatience = Duration.seconds(10)

    private struct Running: Sendable {
        let client: HouseClient
        let worker: NodeWorker
        let memory: OfferMemory
        var offers: [UInt64] = []
    }

    /// A node that does not run yet. `report` is called from any thread.
    public init(
        configuration: NodeConfiguration, report: @escaping @Sendable (NodeEvent) -> Void
    ) {
        self.configuration = configuration
        self.report = report
    }

    /// Runs until the task is cancelled; then takes its offers back, lets running jobs finish for
    /// some seconds and returns.
    public func run() async throws {
        let core = Task {
            try await withThrowingTaskGroup(of: Bool.self) { group in
                group.addTask {
                    try await self.live()
                    return false
                }
                group.addTask {
                    for await _ in self.stopSignal.stream {}
                    return true
                }
                if try await group.next() == true { await self.shutDown() }
                group.cancelAll()
            }
        }
        try await withTaskCancellationHandler {
            try await core.value
        } onCancel: {
            stopSignal.continuation.finish()
        }
    }

    private func live() async throws {
        try configuration.check()
        let identity = try KeyFiles.identity(at: configuration.identityFile)
        let account = try KeyFiles.account(at: configuration.keyFile)
        report(
            NodeEvent(
                "starting", "node \(identity.publicKey.value) for \(account.address.checksummed)",
                [
                    ("node", .text(identity.publicKey.hex)),
                    ("address", .text(account.address.hex)),
                ]))
        let client = HouseClient(house: configuration.house, identity: identity)
        let node = try await prepare(client, identity, account)
        let chain = try await chain(client)
        let worker = NodeWorker(node: node, client: client, report: report)
        let memory = OfferMemory(
            identityFile: configuration.identityFile, house: configuration.house)
        running.withLock { $0 = Running(client: client, worker: worker, memory: memory) }
        _ = try await register(client, node, chain)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await self.announce(node, client, memory)
                try await self.renewOffers(node, client, memory)
            }
            group.addTask { try await self.stayConnected(node, client, worker, chain) }
            try await group.waitForAll()
        }
    }

    /// Loads the model and finds it at the house.
    private func prepare(
        _ client: HouseClient, _ identity: Ed25519.PrivateKey, _ account: Secp256k1.PrivateKey
    ) async throws -> PreparedNode {
        report(NodeEvent("loading_model", "loading \(configuration.modelPath)"))
        if let other = configuration.serveWeights {
            report(
                NodeEvent(
                    "fault_injection", .warning,
                    "FAULT INJECTION: this node computes with \(other), not with what it offers. "
                        + "Audits will convict it.", [("weights", .text(other))]))
        }
        let configuration = configuration
        let loader = EngineThread("loader")
        let loaded = try await loader.run {
            Result { () throws(NodeError) in
                try PreparedNode.load(configuration, identity: identity, account: account)
            }
        }.get()
        let matched = try await retry("asking for the models").run { () async throws(NodeError) in
            try await loaded.matched(with: client)
        }
        let node = try await loader.run {
            Result { () throws(NodeError) in try matched.withStages() }
        }.get()
        report(
            NodeEvent(
                "model_ready", "model \(node.manifest.name), root \(node.manifest.root)",
                [
                    ("model", .text(node.manifest.name)),
                    ("root", .text(node.manifest.root.hex)),
                ]))
        return node
    }

    private func chain(_ client: HouseClient) async throws -> UInt64 {
        if let chain = configuration.chain { return chain }
        return try await retry("asking for the chain").run { () async throws(NodeError) in
            try await client.chain()
        }
    }

    private func register(
        _ client: HouseClient, _ node: PreparedNode, _ chain: UInt64
    ) async throws -> HouseMessages.Registration {
        try await retry("registering").run { () async throws(NodeError) in
            try await client.register(node.registration(chain: chain))
        }
    }

    /// Posts the offers and enlists as a verifier. Waits for what passes by itself, such as a bond
    /// that the house has not seen yet.
    private func announce(
        _ node: PreparedNode, _ client: HouseClient, _ memory: OfferMemory
    ) async throws {
        for offer in memory.load() { try? await client.withdraw(offer: offer) }
        memory.save([])
        for index in node.served.indices {
            let id = try await retry("posting an offer").run { () async throws(NodeError) in
                try await client.post(node.offer(index))
            }
            let offers = running.withLock { running in
                running?.offers.append(id)
                return running?.offers ?? []
            }
            memory.save(offers)
            report(
                NodeEvent(
                    "offer_posted",
                    "offer \(id): layers \(node.served[index].stage.layers) at "
                        + "\(node.configuration.offers[index].inputPrice) / "
                        + "\(node.configuration.offers[index].outputPrice) dollars per million",
                    [("offer", .number(id))]))
        }
        if node.configuration.isVerifier {
            try await retry("enlisting as a verifier").run { () async throws(NodeError) in
                do throws(NodeError) {
                    try await client.enlist(model: node.manifest.root)
                } catch {
                    // 215: this node verifies this model already.
                    if error.rejection != 215 { throw error }
                }
            }
            report(NodeEvent("verifier_enlisted", "verifies jobs of \(node.manifest.name)"))
        }
        report(NodeEvent("announced", "everything is announced"))
    }

    /// Posts each offer anew, and takes the old one back, before it runs out.
    private func renewOffers(
        _ node: PreparedNode, _ client: HouseClient, _ memory: OfferMemory
    ) async throws {
        let pause = max(configuration.offerSeconds / 4 * 3, 1)
        while true {
            try await Task.sleep(for: .seconds(pause))
            for index in node.served.indices {
                let new = try await retry("renewing an offer").run { () async throws(NodeError) in
                    try await client.post(node.offer(index))
                }
                let (old, offers) = running.withLock { running -> (UInt64?, [UInt64]) in
                    guard var offers = running?.offers, index < offers.count else {
                        return (nil, [new])
                    }
                    let old = offers[index]
                    offers[index] = new
                    running?.offers = offers
                    return (old, offers)
                }
                memory.save(offers)
                if let old { try? await client.withdraw(offer: old) }
            }
        }
    }

    /// Keeps a link and an event stream to the house, for ever.
    private func stayConnected(
        _ node: PreparedNode, _ client: HouseClient, _ worker: NodeWorker, _ chain: UInt64
    ) async throws {
        var backoff = Backoff()
        while true {
            let registration = try await register(client, node, chain)
            do throws(NodeError) {
                let connection = try await HouseConnection.open(
                    registration, identity: node.identity, client: client)
                report(
                    NodeEvent(
                        "connected", "connected to the house \(connection.house)",
                        [("house", .text(connection.house.hex))]))
                backoff.reset()
                try await connection.run(worker)
            } catch {
                try Task.checkCancellation()
                report(NodeEvent("disconnected", .warning, "no link to the house: \(error)"))
            }
            try await backoff.wait()
        }
    }

    private func shutDown() async {
        guard let running = running.withLock({ $0 }) else { return }
        report(NodeEvent("stopping", "taking offers back and finishing jobs"))
        var left: [UInt64] = []
        for offer in running.offers {
            do throws(NodeError) {
                try await running.client.withdraw(offer: offer)
            } catch {
                left.append(offer)
                report(NodeEvent("offer_stands", .warning, "offer \(offer) stands: \(error)"))
            }
        }
        running.memory.save(left)
        await running.worker.drain(patience: drainPatience)
        report(NodeEvent("stopped", "stopped"))
    }

    /// Tries for ever, and says why it has to, once for each reason.
    private func retry(_ what: String) -> Retry {
        let report = report
        let last = LastReason()
        return Retry { error in
            guard last.isNew(error.reason) else { return }
            report(
                NodeEvent(
                    "waiting", .warning, "\(what): \(error.reason); trying again",
                    [("rejection", .number(UInt64(error.rejection ?? 0)))]))
        }
    }
}

/// Remembers the last reason, so that it is said once.
private final class LastReason: Sendable {
    private let reason = Mutex("")

    func isNew(_ new: String) -> Bool {
        reason.withLock { last in
            defer { last = new }
            return last != new
        }
    }
}
