public import Cryptography
public import Primitives

/// What a driver does outside the chain: writing down, and telling.
public struct EVMManagerHooks: Sendable {
    /// Makes records durable, in order, after all that came before them, or none of them. If it
    /// throws, the driver stops with nothing done, and has to be made again from what is durable.
    public let durable: @Sendable ([[UInt8]]) async throws -> Void
    /// Takes the outcome of an intent; `true` once it is written down, otherwise it is told again
    /// after a restart. The same outcome may be told more than once.
    public let report: @Sendable (Digest, EVMIntentOutcome) async -> Bool
    /// Takes what a person should know.
    public let alert: @Sendable (EVMManagerAlert) -> Void

    /// These hooks.
    public init(
        durable: @escaping @Sendable ([[UInt8]]) async throws -> Void,
        report: @escaping @Sendable (Digest, EVMIntentOutcome) async -> Bool,
        alert: @escaping @Sendable (EVMManagerAlert) -> Void
    ) {
        self.durable = durable
        self.report = report
        self.alert = alert
    }
}

/// Why a driver ended, or did not take an input.
public typealias EVMManagerDriverError = ManagerDriverError<EVMManagerRejection>

/// Drives an `EVMManager`: gives it the time, answers and signatures, makes each input durable and
/// then carries out what follows, over one or more nodes of one chain.
public final class EVMManagerDriver: Sendable {
    /// The nodes.
    let nodes: [EVMChain]
    /// How many of them must agree.
    let quorum: Quorum
    private let keys: [EVMAddress: Secp256k1.PrivateKey]
    private let hooks: EVMManagerHooks
    private let runner: MachineRunner<EVMManager>
    let usesFinalizedTag: Bool

    /// A driver that goes on from what is durable: the state of some time, if there is one, and
    /// the records made durable since, in order. The keys' accounts become lanes.
    public init(
        nodes: [EVMChain], quorum: Quorum, policy: EVMManagerPolicy, keys: [Secp256k1.PrivateKey],
        state: [UInt8]? = nil, records: [[UInt8]] = [], hooks: EVMManagerHooks,
        clock: @escaping @Sendable () -> Timestamp, tick: Duration = .seconds(1)
    ) throws(EVMManagerDriverError) {
        precondition(nodes.count >= quorum.needed, "fewer nodes than must agree")
        do throws(CodecError) {
            var manager = EVMManager(policy: policy)
            if let state { manager = try EVMManager(policy: policy, stateBytes: state) }
            // Lanes come before anything that is submitted.
            runner = try MachineRunner(
                manager, records: records, first: keys.map { .openLane($0.address) } + [.restarted],
                durable: hooks.durable, clock: clock, tick: tick)
        } catch {
            throw .damaged(error)
        }
        self.nodes = nodes
        self.quorum = quorum
        self.keys = Dictionary(keys.map { ($0.address, $0) }) { first, _ in first }
        self.hooks = hooks
        usesFinalizedTag = policy.usesFinalizedTag
    }

    // MARK: From outside

    /// Hands an intent over; returns when it is durable.
    public func submit(_ intent: EVMIntent) async throws(EVMManagerDriverError) {
        try await runner.send(.submit(intent))
    }

    /// Calls an intent off; returns when that is durable.
    public func cancel(_ id: Digest) async throws(EVMManagerDriverError) {
        try await runner.send(.cancel(id))
    }

    /// Lets the manager go on after a person has looked.
    public func resume() async throws(EVMManagerDriverError) {
        try await runner.send(.resumed)
    }

    /// The state after the first `records` records that this driver made durable: with it, those
    /// and all of its predecessors' are not needed. The later ones are: an older state alone would
    /// pay again what they paid.
    public func state() async throws(EVMManagerDriverError) -> (bytes: [UInt8], records: Int) {
        try await runner.state()
    }

    /// How far an intent is. An end that is not durable yet is not shown: until then the intent
    /// waits.
    public func status(of id: Digest) -> EVMIntentStatus {
        runner.look { $0.unsaid.contains(id) ? .waiting : $0.machine.status(of: id) }
    }

    /// Why new intents wait.
    public var openBreakers: [EVMBreakerCause] { runner.look { $0.machine.openBreakers } }

    /// How many intents are not over.
    public var openIntents: Int { runner.look { $0.machine.openIntents } }

    /// Works until the task is cancelled or a record cannot be made durable. Once only.
    public func run() async throws(EVMManagerDriverError) {
        try await runner.run { await self.carryOut($0) }
    }

    private func carryOut(_ action: EVMManagerAction) async {
        switch action {
        case .sign(let draft, let address):
            if let key = keys[address] { runner.post(.signed(draft.signed(by: key))) }
        case .broadcast(let hash, let raw):
            let (answer, text) = await broadcast(raw, named: hash)
            runner.post(.answered(transaction: hash, answer, text))
        case .ask(let question):
            let answers = await ask(question)
            runner.post(quorum.merge(answers, to: question).map { .observed($0) } ?? .unanswered)
        case .estimate(let intent):
            if let input = await estimate(intent) { runner.post(input) }
        case .report(let id, let outcome):
            if await hooks.report(id, outcome) { runner.post(.acknowledged(id, outcome)) }
        case .alert(let alert):
            hooks.alert(alert)
        }
    }
}

extension EVMManager: LoggedMachine {
    /// Time passed.
    public static var tick: EVMManagerInput { .tick }

    /// Whether an action changes nothing anywhere.
    public static func onlyAsks(_ action: EVMManagerAction) -> Bool {
        switch action {
        case .estimate, .ask: true
        case .sign, .broadcast, .report, .alert: false
        }
    }

    /// The intent that a report is about.
    public static func told(by action: EVMManagerAction) -> Digest? {
        if case .report(let id, _) = action { id } else { nil }
    }
}
