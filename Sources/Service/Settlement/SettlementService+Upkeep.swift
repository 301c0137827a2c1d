import Chains
import Clearing
import Logging
import Primitives
import Synchronization

/// What has to be done on chain when its time has come: a committed root is made the one that pays,
/// a requested slash is carried out, and the contract is shown that the house is there. All are
/// orders of the transaction manager, as the root and the slash were.
extension SettlementService {
    /// How often the contract is asked while something waits there.
    private static let upkeepInterval = Duration.seconds(2)

    /// Works until the task is cancelled.
    func keepUp() async {
        var complained = false
        while !Task.isCancelled {
            do {
                if !isHalted {
                    try await findOrphans()
                    try await activateRoot()
                    try await executeSlashes()
                }
                try await beat()
                complained = false
            } catch {
                if error as? EVMManagerDriverError == .stopped { return }
                metrics.chainFailed()
                if !complained {
                    log.warning(
                        "what waits on chain cannot be seen", metadata: ["error": "\(error)"])
                }
                complained = true
            }
            try? await Task.sleep(for: Self.upkeepInterval)
        }
    }

    /// Roots that are due and that the contract refuses to make active: 0 or 1.
    public var refusedActivations: Int { state.withLock { $0.refusedActivations } }

    /// Slashes that are due and that the contract refuses to carry out.
    public var refusedExecutions: Int { state.withLock { $0.refusedExecutions } }

    /// Looks for the root that pays, until it is that of the last batch on chain.
    private func activateRoot() async throws {
        let known = state.withLock { $0.activeBatch }
        let last = try await sequencer.read { house in
            house.batches.last { $0.state == .confirmed }
        }
        guard let last, known != last.id else {
            return state.withLock { $0.refusedActivations = 0 }
        }
        let view = try await reader.roots(at: try await nodes.commonHeight())
        let active = try await sequencer.read { house in
            house.batches.last { $0.root == view.root && $0.state != .cut }
        }
        state.withLock { $0.activeBatch = active?.id }
        // So that nobody who asks for a proof waits for it, also after a start.
        if let active, active.id != known { _ = await claimTree(of: active) }
        guard view.isWaiting, view.batch == last.id.rawValue,
            view.timestamp >= view.activeFrom
        else { return }
        let key = SettlementOrder.key(ofActivation: last.id.rawValue, root: last.root)
        var isRefused = false
        switch look(at: key).step {
        case .submit(let id):
            let roots = try await reader.committed(in: last.transaction)
            guard let root = roots.first(where: { $0.root == last.root }) else {
                throw ChainError.inconsistentNode("the root's transaction has no such root")
            }
            try await submit(id, .activateRoot(root), "making the root of batch \(last.id) pay")
        case .refused, .withoutBond: isRefused = true
        case .done(let inclusion): try await noteIfGone(inclusion)
        case .wait: break
        }
        let refused = isRefused ? 1 : 0
        state.withLock { $0.refusedActivations = refused }
    }

    /// Carries requested slashes out whose veto window is over.
    private func executeSlashes() async throws {
        let due = try await sequencer.read { $0.unsettledSlashes }
        let requested = due.filter { record in
            if case .done = look(at: record.slashKey).step { true } else { false }
        }
        var refused = 0
        defer { state.withLock { [refused] in $0.refusedExecutions = refused } }
        if requested.isEmpty { return }
        let (now, moments) = try await reader.executableFrom(
            requested.map(\.slashKey), at: try await nodes.commonHeight())
        for (record, moment) in zip(requested, moments) {
            guard let moment, moment <= now else { continue }
            let key = SettlementOrder.key(ofExecution: record.slashKey)
            switch look(at: key).step {
            case .submit(let id):
                try await submit(
                    id, .executeSlash(verdict: record.slashKey),
                    "carrying out the slash of verdict \(record.id)")
            case .refused: refused += 1
            case .withoutBond: _ = try await sequencer.submit(.writeOffSlash(record.id))
            case .done(let inclusion): try await noteIfGone(inclusion)
            case .wait: continue
            }
        }
    }

    /// What the manager holds for carried out and the books do not have: is its block still there?
    /// If not, it is sent again; the contract takes each root, verdict and name once, so that is
    /// safe.
    private func findOrphans() async throws {
        let (batch, slashes, dispersals) = try await sequencer.read { house in
            (
                house.oldestUnsettledBatch, house.unsettledSlashes,
                house.openDispersals.filter { $0.rail == .push && $0.isOpen }.map(\.name)
            )
        }
        var keys = slashes.map(\.slashKey)
        keys += dispersals.map { SettlementOrder.key(ofDispersal: $0) }
        if let payer, !mayDisperse {
            keys += Asset.allCases.map {
                SettlementOrder.key(ofApproval: token(of: $0), by: payer.account)
            }
        }
        if let batch, batch.state == .sealed {
            keys.append(SettlementOrder.key(ofBatch: batch.id.rawValue, root: batch.root))
        }
        for key in keys {
            guard case .done(let inclusion) = look(at: key).step else { continue }
            try await noteIfGone(inclusion)
        }
    }

    func noteIfGone(_ inclusion: EVMInclusion) async throws(ChainError) {
        let there = try await nodes.agreed { node throws(ChainError) in
            try await node.block(inclusion.blockNumber)?.hash
        }
        guard let there, there != inclusion.blockHash else { return }
        log.critical(
            "what was final is gone from the chain: it is sent again",
            metadata: ["transaction": "0x\(inclusion.transaction.hex)"])
        state.withLock { _ = $0.orphans.insert(inclusion.blockHash) }
    }
}
