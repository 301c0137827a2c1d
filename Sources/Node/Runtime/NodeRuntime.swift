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
        let worker: NodeWorker
        let offers: OfferKeeper
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
        let identity = try KeyFiles.identity(at: configuration.identityFile, configuration.keys)
        let account = try KeyFiles.account(at: configuration.keyFile, configuration.keys)
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
        let offers = OfferKeeper(
            node: node, client: client,
            memory: OfferMemory(
                identityFile: configuration.identityFile, house: configuration.house),
            report: report)
        running.withLock { $0 = Running(worker: worker, offers: offers) }
        _ = try await register(client, node, chain)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await self.announce(node, client, offers)
                try await self.lookAfter(node, offers)
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
        let node: PreparedNode
        if let upstream = configuration.upstream {
            report(NodeEvent("checking_upstream", "checking the upstream at \(upstream.url)"))
            node = try await retry("checking the upstream").run { () async throws(NodeError) in
                try await matched.withUpstream()
            }
        } else {
            node = try await loader.run {
                Result { () throws(NodeError) in try matched.withStages() }
            }.get()
        }
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
        _ node: PreparedNode, _ client: HouseClient, _ offers: OfferKeeper
    ) async throws {
        await offers.forgetEarlier()
        try await offers.post(retry("posting an offer"))
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

    /// Renews the offers before they run out, and takes them back while the upstream is away.
    private func lookAfter(_ node: PreparedNode, _ offers: OfferKeeper) async throws {
        let pause = max(configuration.offerSeconds / 4 * 3, 1)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while true {
                    try await Task.sleep(for: .seconds(pause))
                    try await offers.renew(self.retry("renewing an offer"))
                }
            }
            group.addTask {
                try await UpstreamWatch(node: node, offers: offers, report: self.report)
                    .run(self.retry("posting an offer"))
            }
            try await group.waitForAll()
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
                    registration, identity: node.identity, client: client,
                    standsIn: node.configuration.standsIn)
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
        await running.offers.withdraw()
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
