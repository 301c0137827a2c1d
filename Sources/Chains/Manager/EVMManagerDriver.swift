import Cryptography
public import Primitives
import Synchronization

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
    private let signers: [EVMAddress: any EVMSigner]
    /// The nonces of which it was said that they have no signature.
    private let unsigned = Mutex<[EVMAddress: UInt64]>([:])
    private let hooks: EVMManagerHooks
    private let runner: MachineRunner<EVMManager>
    /// A look at the chain takes many calls, which must not pile up at a node that is slow.
    private let looks: NodeTurns<EVMChain>
    /// What was to be asked last.
    private let latest = Mutex<EVMQuestion?>(nil)
    private let usesFinalizedTag: Bool

    /// A driver that goes on from what is durable: the state of some time, if there is one, and
    /// the records made durable since, in order.
    ///
    /// - Parameters:
    ///   - policy: counts from now on; what is in the records happened under the one of then.
    ///   - keys: whoever signs for an account. The accounts become lanes.
    ///   - retiring: whoever signs for accounts that only end what they began. Lanes of accounts
    ///     that are in neither list retire too, and sign nothing.
    public init(
        nodes: [EVMChain], quorum: Quorum, policy: EVMManagerPolicy, keys: [any EVMSigner],
        retiring: [any EVMSigner] = [], state: [UInt8]? = nil, records: [[UInt8]] = [],
        hooks: EVMManagerHooks, clock: @escaping @Sendable () -> Timestamp,
        tick: Duration = .seconds(1)
    ) throws(EVMManagerDriverError) {
        precondition(nodes.count >= quorum.needed, "fewer nodes than must agree")
        do throws(CodecError) {
            var manager = EVMManager(policy: policy)
            if let state { manager = try EVMManager(policy: policy, stateBytes: state) }
            runner = try MachineRunner(
                manager, records: records, durable: hooks.durable, clock: clock, tick: tick)
            if runner.look({ $0.machine.policy.chainID }) != policy.chainID {
                throw .invalidValue("chain")
            }
        } catch {
            throw .damaged(error)
        }
        // Lanes come before anything that is submitted.
        let open = keys.map(\.address)
        let known = runner.look { $0.machine.lanes.map(\.address) }
        // Also at the first start: the log begins with the policy under which it is read again.
        runner.post(.configured(policy))
        for address in open { runner.post(.openLane(address)) }
        for address in known where !open.contains(address) { runner.post(.retireLane(address)) }
        runner.post(.restarted)
        self.nodes = nodes
        looks = NodeTurns(nodes, needed: quorum.needed)
        self.quorum = quorum
        signers = Dictionary((keys + retiring).map { ($0.address, $0) }) { first, _ in first }
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

    /// Calls off what was handed over and has no nonce; returns when that is durable. The nonce of
    /// one that gets it in that moment is filled.
    public func cancelWaiting() async throws(EVMManagerDriverError) {
        for id in runner.look({ $0.machine.waitingIntents }) {
            do throws(EVMManagerDriverError) {
                try await cancel(id)
            } catch .refused {
                // It is over.
                continue
            }
        }
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

    /// The same when `run` has ended in order; `nil` before that, and if a record could not be made
    /// durable. Whoever keeps it can be followed by a driver of other rules: nothing that happened
    /// is gone through again.
    public func stateAtRest() -> (bytes: [UInt8], records: Int)? { runner.stateAtRest() }

    /// How far an intent is. An end that is not durable yet is not shown: until then the intent
    /// waits.
    public func status(of id: Digest) -> EVMIntentStatus {
        runner.look { $0.unsaid.contains(id) ? .waiting : $0.machine.status(of: id) }
    }

    /// The transactions of its accounts that became final since `mark`, and where to go on. What is
    /// not shown as an end yet is not among them.
    public func charges(
        after mark: EVMChargeMark
    ) -> (found: [EVMInclusion], next: EVMChargeMark) {
        runner.look { $0.machine.charges(after: mark, before: $0.unsaid) }
    }

    /// Why new intents wait.
    public var openBreakers: [EVMBreakerCause] { runner.look { $0.machine.openBreakers } }

    /// How many intents are not over.
    public var openIntents: Int { runner.look { $0.machine.openIntents } }

    /// The accounts that send, or have sent and are not done with it, in their order.
    public var lanes: [EVMLaneStatus] { runner.look { $0.machine.laneStatuses } }

    /// Whether a transaction waits because its signer gives no signature.
    public var isUnsigned: Bool { unsigned.withLock { !$0.isEmpty } }

    /// Whether somebody here signs for an account.
    public func hasSigner(of address: EVMAddress) -> Bool { signers[address] != nil }

    /// Works until the task is cancelled or a record cannot be made durable. Once only.
    public func run() async throws(EVMManagerDriverError) {
        try await runner.run { await self.carryOut($0) }
    }

    /// The draft signed, or refused by the signer's policy; `nil` if there is no answer that says
    /// either, and then it is asked for again. A signature that comes too late, or twice, is given
    /// to nobody: only what is in the log is.
    private func sign(_ draft: EVMTransaction, by address: EVMAddress) async -> EVMManagerInput? {
        guard let signer = signers[address] else { return nil }
        do throws(SigningFailure) {
            let signature = try await signer.signature(of: draft)
            guard signature.recover(draft.signingHash) == address else { throw .badAnswer }
            unsigned.withLock { $0[address] = nil }
            return .signed(draft.signed(signature, by: address))
        } catch {
            if case .refused(let refusal) = error, refusal.isOfThePolicy {
                // It is there, and answers: what waits for it does so for a reason of its own.
                unsigned.withLock { $0[address] = nil }
                return .declined(
                    draft: draft.signingHash, by: address, nonce: draft.nonce, "\(refusal)")
            }
            let isNew = unsigned.withLock { $0.updateValue(draft.nonce, forKey: address) }
            if isNew != draft.nonce {
                hooks.alert(.notSigned(address, nonce: draft.nonce, error))
            }
            return nil
        }
    }

    /// Looks at the chain; whether that was wanted again meanwhile.
    private func look() async -> Bool {
        guard let question = latest.withLock({ $0 }) else { return false }
        let usesTag = usesFinalizedTag
        let (answers, isWantedAgain) = await looks.answers { node in
            try? await Self.ask(question, of: node, usesTag: usesTag).first
        }
        if let answers {
            runner.post(quorum.merge(answers, to: question).map { .observed($0) } ?? .unanswered)
        }
        return isWantedAgain
    }

    private func carryOut(_ action: EVMManagerAction) async {
        switch action {
        case .sign(let draft, let address):
            if let input = await sign(draft, by: address) { runner.post(input) }
        case .broadcast(let hash, let raw):
            let (answer, text) = await broadcast(raw, named: hash)
            runner.post(.answered(transaction: hash, answer, text))
        case .ask(let question):
            latest.withLock { $0 = question }
            while await look(), !Task.isCancelled {}
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
