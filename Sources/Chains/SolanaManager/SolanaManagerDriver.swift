import Cryptography
public import Primitives
import Synchronization

/// What a driver does outside the chain: writing down, and telling.
public struct SolanaManagerHooks: Sendable {
    /// Makes records durable, in order, after all that came before them, or none of them. If it
    /// throws, the driver stops with nothing done, and has to be made again from what is durable.
    public let durable: @Sendable ([[UInt8]]) async throws -> Void
    /// Takes the outcome of a payout; `true` once it is written down, otherwise it is told again
    /// after a restart. The same outcome may be told more than once.
    public let report: @Sendable (Digest, SolanaPayoutOutcome) async -> Bool
    /// Takes what a person should know.
    public let alert: @Sendable (SolanaManagerAlert) -> Void
    /// Keeps how far the records are in another place, from which an older copy of them can be told
    /// later. Called after `durable`, and before what was signed is given to any node; it throws as
    /// that does.
    public let pin: @Sendable (SolanaMark) async throws -> Void

    /// These hooks.
    public init(
        durable: @escaping @Sendable ([[UInt8]]) async throws -> Void,
        report: @escaping @Sendable (Digest, SolanaPayoutOutcome) async -> Bool,
        alert: @escaping @Sendable (SolanaManagerAlert) -> Void,
        pin: @escaping @Sendable (SolanaMark) async throws -> Void = { _ in }
    ) {
        self.pin = pin
        self.durable = durable
        self.report = report
        self.alert = alert
    }
}

/// Why a driver ended, or did not take an input.
public typealias SolanaManagerDriverError = ManagerDriverError<SolanaManagerRejection>

/// Drives a `SolanaManager`: gives it the time, answers and signatures, makes each input durable
/// and then carries out what follows, over one or more nodes of one cluster.
public final class SolanaManagerDriver: Sendable {
    private let nodes: [SolanaChain]
    private let quorum: Quorum
    private let policy: SolanaManagerPolicy
    private let key: any SolanaSigner
    /// Whether it was said that the signer gives no signature.
    private let unsigned = Mutex(false)
    private let hooks: SolanaManagerHooks
    private let runner: MachineRunner<SolanaManager>
    private let source: SolanaAddress
    /// A look at the cluster takes many calls, which must not pile up at a node that is slow.
    /// Apart, since a node that gives no blockhash holds nobody else up.
    private let hashes, looks: NodeTurns<SolanaChain>
    private let ledgers = SolanaLedgers()
    /// What was to be asked last.
    private let latest = Mutex<SolanaQuestion?>(nil)

    /// A driver that goes on from what is durable: the state of some time, if there is one, and
    /// the records made durable since, in order. The key, or whoever signs with it, is the payer's.
    /// The policy counts from now on; what is in the records happened under the one of then.
    ///
    /// - Parameter mark: of a record that was here before, after which a new one goes on; without
    ///   effect if there is a state or a record.
    public init(
        nodes: [SolanaChain], quorum: Quorum, policy: SolanaManagerPolicy,
        key: any SolanaSigner, state: [UInt8]? = nil, records: [[UInt8]] = [],
        after mark: SolanaMark? = nil, hooks: SolanaManagerHooks,
        clock: @escaping @Sendable () -> Timestamp, tick: Duration = .milliseconds(500)
    ) throws(SolanaManagerDriverError) {
        precondition(nodes.count >= quorum.needed, "fewer nodes than must agree")
        precondition(key.address == policy.payer, "another key than the payer's")
        do throws(CodecError) {
            var manager = SolanaManager(policy: policy)
            if let state { manager = try SolanaManager(policy: policy, stateBytes: state) }
            runner = try MachineRunner(
                manager, records: records, durable: hooks.durable,
                sealed: { try await hooks.pin($0.mark) }, clock: clock, tick: tick)
            guard runner.look({ $0.machine.policy.paysTheSame(as: policy) }) else {
                throw .invalidValue("payer")
            }
        } catch {
            throw .damaged(error)
        }
        if let mark, state == nil, records.isEmpty { runner.post(.began(mark)) }
        // Also at the first start: the log begins with the policy under which it is read again.
        runner.post(.configured(policy))
        runner.post(.restarted)
        self.nodes = nodes
        hashes = NodeTurns(nodes, needed: quorum.needed)
        looks = NodeTurns(nodes, needed: quorum.needed)
        self.quorum = quorum
        self.policy = policy
        self.key = key
        self.hooks = hooks
        source = .tokenAccount(of: policy.payer, mint: policy.mint, program: policy.program)
    }

    /// Hands a payout over; returns when it is durable.
    public func submit(_ payout: SolanaPayout) async throws(SolanaManagerDriverError) {
        try await runner.send(.submit(payout))
    }

    /// Calls a payout off; returns when that is durable.
    public func cancel(_ id: Digest) async throws(SolanaManagerDriverError) {
        try await runner.send(.cancel(id))
    }

    /// Says which lookup tables transactions may use from now on.
    public func use(_ tables: [SolanaLookupTable]) async throws(SolanaManagerDriverError) {
        try await runner.send(.tables(tables))
    }

    /// Says which durable nonces payments use from now on; none: they use blockhashes.
    public func use(nonces: [SolanaAddress]) async throws(SolanaManagerDriverError) {
        var policy = policy
        policy.nonces = nonces
        try await runner.send(.configured(policy))
    }

    /// Forgets payouts that are over, of which nobody may ever be submitted again; returns when
    /// that is durable. At most `SolanaManagerInput.listLimit` at once.
    public func forget(
        _ ids: [Digest], in round: UInt64
    ) async throws(SolanaManagerDriverError) {
        try await runner.send(.forget(ids, round: round))
    }

    /// How far the records are.
    public var mark: SolanaMark { runner.look { $0.machine.mark } }

    /// Nothing that was forgotten was carried out in a later slot.
    public var lastForgottenSlot: UInt64 { runner.look { $0.machine.lastForgottenSlot } }

    /// The durable nonces that batches on their way use.
    public var noncesInUse: [SolanaAddress] { runner.look { $0.machine.noncesInUse } }

    /// The batches that wait for nodes with a longer history.
    public var stuckBatches: [SolanaStuckBatch] { runner.look { $0.machine.stuckBatches } }

    /// The state after the first `records` records that this driver made durable: with it, those
    /// and all of its predecessors' are not needed.
    public func state() async throws(SolanaManagerDriverError) -> (bytes: [UInt8], records: Int) {
        try await runner.state()
    }

    /// The same when `run` has ended in order; `nil` before that, and if a record could not be made
    /// durable. Whoever keeps it can be followed by a driver of other rules: nothing that happened
    /// is gone through again.
    public func stateAtRest() -> (bytes: [UInt8], records: Int)? { runner.stateAtRest() }

    /// How far a payout is. An end that is not durable yet is not shown: until then it waits.
    public func status(of id: Digest) -> SolanaPayoutStatus {
        runner.look { $0.unsaid.contains(id) ? .waiting : $0.machine.status(of: id) }
    }

    /// What was submitted under an id; `nil` if nothing was, or it is forgotten.
    public func submitted(_ id: Digest) -> SolanaPayout? {
        runner.look { $0.machine.submitted(id) }
    }

    /// Whether a payout was last reported as settled. It may be in no final block yet.
    public func isReportedSettled(_ id: Digest) -> Bool {
        runner.look { !$0.unsaid.contains(id) && $0.machine.isReportedSettled(id) }
    }

    /// Why new batches wait.
    public var openBreakers: [SolanaBreakerCause] { runner.look { $0.machine.openBreakers } }

    /// Whether the next batch waits since it would cost more than one may.
    public var isOverFeeLimit: Bool { runner.look { $0.machine.isOverFeeLimit } }

    /// Whether the signer refused or did not answer when it was asked last.
    public var isUnsigned: Bool { unsigned.withLock { $0 } }

    /// How many payouts are not over.
    public var openPayouts: Int { runner.look { $0.machine.openPayouts } }

    /// Works until the task is cancelled or a record cannot be made durable. Once only.
    public func run() async throws(SolanaManagerDriverError) {
        try await runner.run { await self.carryOut($0) }
    }

    /// Looks at the chain; whether that was wanted again meanwhile.
    private func lookAtChain() async -> Bool {
        guard let question = latest.withLock({ $0 }) else { return false }
        // Blockhashes of final blocks: no fork leaves them.
        let (found, isWantedAgain) = await hashes.answers {
            try? await $0.latestBlockhash(.finalized).hash
        }
        guard let candidates = found?.compactMap({ $0 }) else { return isWantedAgain }
        let (payer, source, ledgers) = (policy.payer, source, ledgers)
        let (answers, isWantedYet) = await looks.answers { node in
            try? await Self.ask(
                question, candidates, of: node, payer: payer, source: source, ledgers)
        }
        if let answers {
            runner.post(quorum.merge(answers, to: question).map { .observed($0) } ?? .unanswered)
        }
        return isWantedAgain || isWantedYet
    }

    private func carryOut(_ action: SolanaManagerAction) async {
        switch action {
        case .sign(let draft):
            if let transaction = await sign(draft) {
                runner.post(.signed(batch: draft.batch, transaction.id, transaction.bytes))
            }
        case .broadcast(let batch, let id, let bytes):
            let answers = await eachNode { await $0.submit(bytes, named: id) }
            if answers.count(where: { $0 }) >= quorum.needed {
                runner.post(.accepted(batch: batch, id))
            }
        case .look(let owners): runner.post(.looked(await look(owners)))
        case .ask(let question):
            latest.withLock { $0 = question }
            while await lookAtChain(), !Task.isCancelled {}
        case .report(let id, let outcome):
            if await hooks.report(id, outcome) { runner.post(.acknowledged(id, outcome)) }
        case .alert(let alert): hooks.alert(alert)
        }
    }

    /// The draft signed; `nil` if there is no signature, and then it is asked for again. One that
    /// comes too late, or twice, is given to nobody: only what is in the log is.
    private func sign(_ draft: SolanaDraft) async -> SolanaTransaction? {
        guard let message = try? draft.message(policy) else { return nil }
        do throws(SigningFailure) {
            let signature = try await key.signature(of: message)
            guard PublicKey(policy.payer.value).verifies(signature, of: message.bytes) else {
                throw .badAnswer
            }
            unsigned.withLock { $0 = false }
            return try? SolanaTransaction(message, signature)
        } catch {
            let wasKnown = unsigned.withLock { unsigned in
                defer { unsigned = true }
                return unsigned
            }
            if !wasKnown { hooks.alert(.notSigned(error)) }
            return nil
        }
    }

    /// What each node answers, in no order.
    private func eachNode<Answer: Sendable>(
        _ call: @escaping @Sendable (SolanaChain) async -> Answer
    ) async -> [Answer] {
        await withTaskGroup(of: Answer.self) { group in
            for node in nodes { group.addTask { await call(node) } }
            return await group.reduce(into: []) { $0.append($1) }
        }
    }

    /// What enough nodes say of the owners' token accounts; nothing of those they do not agree on.
    private func look(_ owners: [SolanaAddress]) async -> [SolanaRecipient] {
        let (mint, program) = (policy.mint, policy.program)
        let accounts = owners.map {
            SolanaAddress.tokenAccount(of: $0, mint: mint, program: program)
        }
        let answers = await eachNode { node -> [TokenRecipient]? in
            guard let found = try? await node.accounts(accounts) else { return nil }
            return zip(owners, found).map {
                TokenRecipient($1, owner: $0, mint: mint, program: program)
            }
        }
        let given = answers.compactMap { $0 }
        return owners.enumerated().compactMap { place, owner in
            quorum.agreed(given.map { $0[place] }).map { SolanaRecipient(owner, $0) }
        }
    }

    /// One node's answer. Hashes are asked for before the height that they must not be above, and
    /// everything that must be older than the statuses before those. Whether it has every block is
    /// asked before them, and where they begin after them too: what a node forgets or learns again
    /// meanwhile it may not have had.
    private static func ask(
        _ question: SolanaQuestion, _ candidates: [Digest], of node: SolanaChain,
        payer: SolanaAddress, source: SolanaAddress, _ ledgers: SolanaLedgers
    ) async throws(ChainError) -> SolanaEndpointAnswer {
        var recent: [Digest] = []
        for hash in candidates where !recent.contains(hash) {
            if try await node.isRecent(hash, .finalized) { recent.append(hash) }
        }
        let slot = try await node.slot(.finalized)
        let height = try await node.blockHeight(.finalized)
        let nonces = try await node.accounts(question.nonces, .finalized).map {
            $0?.durableNonce?.value
        }
        let held = try await node.accounts([payer, source])
        let price = try await node.recentPrice()
        let over = question.transactions.filter { $0.isOver(at: height, nonces) }
        let whole = await ledgers.firstWhole(over.compactMap(\.since), of: node, to: height)
        var statuses: [SolanaStatusAnswer] = []
        let ids = question.transactions.map(\.id)
        for start in stride(from: 0, to: ids.count, by: 256) {
            let part = Array(ids[start..<min(start + 256, ids.count)])
            let (seen, all) = try await node.statuses(part)
            for status in all {
                if let status {
                    let sighting = SolanaSighting(slot: status.slot, failure: status.failure)
                    statuses.append(.present(sighting, status.commitment))
                } else {
                    statuses.append(seen >= slot ? .absent : .unknown)
                }
            }
        }
        let first = whole == nil ? nil : try? await node.firstAvailableSlot()
        return SolanaEndpointAnswer(
            recent: recent, height: height, price: price, lamports: held[0]?.lamports ?? 0,
            tokens: held[1]?.tokens ?? 0, nonces: nonces, statuses: statuses, slot: slot,
            history: whole.flatMap { whole in first.map { max(whole, $0) } })
    }
}
