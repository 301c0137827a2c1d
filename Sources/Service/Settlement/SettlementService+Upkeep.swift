import Chains
import Clearing
import Logging
import Primitives
import Synchronization

/// What has to be done on chain when its time has come: a committed root is made the one that pays,
/// a requested slash is carried out or taken back, and the contract is shown that the house is
/// there. All are orders of the transaction manager, as the root and the slash were.
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
            return state.withLock { state in
                state.refusedActivations = 0
                state.undisputed = last?.id
            }
        }
        let view = try await reader.roots(at: try await nodes.commonHeight())
        let active = try await sequencer.read { house in
            house.batches.last { $0.root == view.root && $0.state != .cut }
        }
        let isDue =
            view.batch == last.id.rawValue && view.isWaiting
            && view.timestamp >= view.activeFrom
        state.withLock { state in
            state.activeBatch = active?.id
            state.undisputed = isDue || view.root == last.root ? last.id : nil
        }
        // So that nobody who asks for a proof waits for it, also after a start.
        if let active, active.id != known { _ = await claimTree(of: active) }
        if !isDue { return }
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

    /// Carries out requested slashes whose veto window is over, and takes back those that nobody
    /// can carry out any more. Which are requested the contract says, not the manager: its record
    /// may be lost, or be of another block than the chain has now.
    private func executeSlashes() async throws {
        let due = try await sequencer.read { house in
            (house.unsettledSlashes + house.heldSlashes).compactMap { record in
                house.party(record.accused).map { (record, $0.address) }
            }
        }
        var refused = 0
        defer { state.withLock { [refused] in $0.refusedExecutions = refused } }
        if due.isEmpty { return state.withLock { $0.requestedSlashes = [] } }
        let height = try await freshHeight()
        let (now, moments) = try await reader.executableFrom(due.map(\.0.slashKey), at: height)
        let requested = zip(due, moments).compactMap { $1 == nil ? nil : $0.0.slashKey }
        state.withLock { $0.requestedSlashes = Set(requested) }
        for ((record, provider), moment) in zip(due, moments) {
            guard let moment, moment <= now else { continue }
            let isTaken =
                now - moment < SettlementReader.executionWindow
                ? try await execute(record, of: provider, at: height)
                : try await lapse(record, of: provider, at: height)
            if !isTaken { refused += 1 }
        }
    }

    /// Carries out a requested slash. Without a bond it is forgone in the books; the contract holds
    /// the request, which reaches what the provider bonds later. False if the contract refuses it.
    private func execute(
        _ record: VerdictRecord, of provider: EVMAddress, at height: UInt64
    ) async throws -> Bool {
        let key = SettlementOrder.key(ofExecution: record.slashKey)
        let isForgone = record.state == .forgone
        switch look(at: key, writesOff: !isForgone).step {
        case .submit(let id):
            if isForgone, try await reader.slashable([provider], at: height) == [0] { return true }
            try await submit(
                id, .executeSlash(verdict: record.slashKey),
                "carrying out the slash of verdict \(record.id)")
        case .refused: return isForgone
        case .withoutBond:
            return try await forgoWithoutBond(record, of: provider, key, isRequested: true)
        case .done(let inclusion): try await noteIfGone(inclusion)
        case .wait: break
        }
        return true
    }

    /// Takes back a requested slash that is void, so that it freezes no bond. False if the contract
    /// refuses it.
    private func lapse(
        _ record: VerdictRecord, of provider: EVMAddress, at height: UInt64
    ) async throws -> Bool {
        // What is not there is not the provider's again.
        if record.state != .forgone {
            guard let isGone = try await hasNoBond(provider, at: height) else { return false }
            if isGone {
                try await forgo(record, isRequested: true)
                return true
            }
        }
        switch look(at: SettlementOrder.key(ofLapse: record.slashKey)).step {
        case .submit(let id):
            try await submit(
                id, .lapseSlash(verdict: record.slashKey),
                "taking back the slash of verdict \(record.id)")
        case .refused, .withoutBond: return false
        case .done(let inclusion): try await noteIfGone(inclusion)
        case .wait: break
        }
        return true
    }

    /// Whether there is nothing of a provider's that a slash can reach, at a fresh height and at
    /// that of the books: a withdrawal that a reorganisation may still undo hides no bond. `nil` if
    /// there is nothing now, and the books are not there yet or nodes do not know that height.
    private func hasNoBond(
        _ provider: EVMAddress, at height: UInt64
    ) async throws(ChainError) -> Bool? {
        if try await reader.slashable([provider], at: height) != [0] { return false }
        guard let booked = state.withLock({ $0.watchedTo }) else { return nil }
        return (try? await reader.slashable([provider], at: booked)) == [0] ? true : nil
    }

    /// Writes a slash off that an estimate found no bond for, if the contract says the same of a
    /// block that has all that is booked and of the last one that is, and if no later attempt may
    /// have taken it. Otherwise the slash is tried again later; false.
    func forgoWithoutBond(
        _ record: VerdictRecord, of provider: EVMAddress, _ key: Digest, isRequested: Bool
    ) async throws -> Bool {
        switch look(at: key, writesOff: false).step {
        case .wait, .done: return true
        case .submit, .refused, .withoutBond: break
        }
        guard try await hasNoBond(provider, at: try await freshHeight()) == true else {
            return false
        }
        try await forgo(record, isRequested: isRequested)
        return true
    }

    /// There is no bond for a slash: the books stop waiting for it.
    private func forgo(_ record: VerdictRecord, isRequested: Bool) async throws {
        log.error(
            "there is no bond left for a slash",
            metadata: ["verdict": "\(record.id)", "requested": "\(isRequested)"])
        _ = try await sequencer.submit(.forgoSlash(record.id, isRequested: isRequested))
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
