import Chains
import Clearing
import Cryptography
import Logging
import Primitives
import Synchronization

/// A dispersal, the account whose tokens it takes, and the books it is made under, if that is
/// fixed.
struct PushedDispersal: Sendable {
    let dispersal: Dispersal
    let payer: EVMAddress
    let books: LiabilityCommitment?

    /// `nil` for one on another rail.
    init?(_ dispersal: Dispersal, _ house: borrowing ClearingHouse) {
        guard dispersal.rail == .push, let payer = house.party(dispersal.payer) else { return nil }
        self.dispersal = dispersal
        self.payer = payer.address
        books = house.books(of: dispersal.id)
    }
}

/// A refusal that is not of the payees.
struct BlamelessRefusal: Sendable {
    /// The intent that comes after the one that was refused.
    let attempt: Digest
    let why: String
}

extension EVMChain {
    /// Whether a contract refuses a call of an account's after the block at a height.
    fileprivate func refuses(
        _ data: [UInt8], to contract: EVMAddress, _ account: EVMAddress, at height: UInt64
    ) async throws(ChainError) -> Bool {
        let draft = EVMTransaction(
            chainID: chainID, nonce: 0, maxPriorityFeePerGas: 0, maxFeePerGas: 0, gasLimit: 0,
            to: contract, value: 0, data: data)
        do throws(ChainError) {
            _ = try await estimateGas(draft, from: account, at: height)
            return false
        } catch {
            if case .reverted = error { return true }
            throw error
        }
    }
}

/// One pass over the dispersals that are open.
private struct DispersalPass {
    /// What those on their way take of the payer's money.
    var taken: [Asset: UInt128]
    /// How many are with the manager without a nonce.
    var queued: Int
    /// What the payer holds, as far as the chain was asked.
    var held: [Asset: TokenHoldings] = [:]
    /// How many wait: the chain refuses them, or the money is not enough.
    var waiting = 0
    /// What could not be seen.
    var failures: [ChainError] = []

    /// Whether more is asked in this pass: where the nodes say nothing, the house's other work
    /// waits no longer than for these.
    var mayAsk: Bool { failures.count < 4 }
}

/// Dispersals: payments of the house's own money on the EVM chain.
extension SettlementService {
    /// So many dispersals may be with the manager without a nonce. It looks at twice as many at a
    /// time: when dispersals cost more than they may, which can last, there is room for the
    /// slashes, roots and signs of life that cost less.
    private static let mostQueued = 8
    /// Of those, so many are for dispersals of one payee, as withdrawals are: they cost little, and
    /// are sent while those of many wait for a lower price.
    private static let queuedOfOne = 2

    /// Sends what is to be dispersed, and has halves tried of what the chain refuses. What was sent
    /// is closed by the contract's log alone.
    func sendDispersals() async throws {
        guard let payer else { return }
        try await approve(payer)
        let last = try await sealing.seal()
        let open = try await sequencer.read { house in
            house.openDispersals.compactMap { $0.isOpen ? PushedDispersal($0, house) : nil }
        }
        // What is on its way takes its part of the payer's money first.
        var taken: [Asset: UInt128] = [:]
        var queued = 0
        for pushed in open where pushed.payer == payer.account {
            let key = SettlementOrder.key(ofDispersal: pushed.dispersal.name)
            guard case .wait(let status) = look(at: key).step else { continue }
            if status == .waiting { queued += 1 }
            taken[pushed.dispersal.asset, default: 0] += pushed.dispersal.openUnits
        }
        var pass = DispersalPass(taken: taken, queued: queued)
        for pushed in open {
            do {
                try await advance(pushed, payer, upTo: last, &pass)
            } catch let error as ChainError {
                // What cannot be seen now holds up nobody else.
                pass.failures.append(error)
            }
        }
        state.withLock { [waiting = pass.waiting] state in
            state.waitingDispersals = waiting
            let names = Set(open.map(\.dispersal.name))
            state.blameless = state.blameless.filter { names.contains($0.key) }
        }
        if let first = pass.failures.first { throw first }
    }

    /// Does for one dispersal what comes next. `last` is the last one whose books are fixed.
    private func advance(
        _ pushed: PushedDispersal, _ payer: DispersalPayer, upTo last: UInt64,
        _ pass: inout DispersalPass
    ) async throws {
        let dispersal = pushed.dispersal
        guard pushed.payer == payer.account else {
            if pass.mayAsk { try await giveUp(pushed) }
            return
        }
        // One that was decided since the books were looked at waits for the next ones.
        guard dispersal.id.rawValue <= last else { return }
        let books = pushed.books?.pushed
        let order = order(of: dispersal, under: books)
        switch look(at: order.key).step {
        case .submit(let id):
            let kept = dispersal.payments.count == 1 ? 0 : Self.queuedOfOne
            if pass.queued < Self.mostQueued - kept, try await covers(dispersal, payer, &pass) {
                try await submit(id, order, "dispersal \(dispersal.id)")
                pass.queued += 1
                pass.taken[dispersal.asset, default: 0] += dispersal.openUnits
            } else {
                pass.waiting += 1
            }
        case .refused(let failure):
            if pass.mayAsk, mayBeOfThePayees(failure, order.key),
                !isBlameless(dispersal, order.key),
                try await covers(dispersal, payer, &pass),
                try await isUnmade(pushed, after: failure),
                try await isOfThePayees(order, dispersal, payer, failure)
            {
                _ = try await sequencer.submit(.splitDispersal(dispersal.id))
            } else {
                pass.waiting += 1
            }
        case .wait, .withoutBond, .done: return
        }
    }

    /// What was planned for an account of before and is not on its way is its payees' again. The
    /// account of now would send tokens of its own, and the one of before would have the claims.
    private func giveUp(_ pushed: PushedDispersal) async throws {
        var failure: EVMIntentFailure?
        switch look(at: SettlementOrder.key(ofDispersal: pushed.dispersal.name)).step {
        case .submit: break
        case .refused(let last): failure = last
        case .wait, .withoutBond, .done: return
        }
        // Among what waits for its block there may be one whose record is lost, or that a
        // reorganisation put back.
        if try await isIdle(pushed.payer), try await isUnmade(pushed, after: failure) {
            _ = try await sequencer.submit(.returnDispersal(pushed.dispersal.id))
        }
    }

    /// Whether a dispersal was not made by another transaction than the one that failed: one whose
    /// record is lost, or that came back after a reorganisation. The contract does not have its
    /// name, and no log of a block up to the failure's waits to be booked.
    private func isUnmade(
        _ pushed: PushedDispersal, after failure: EVMIntentFailure?
    ) async throws(ChainError) -> Bool {
        var block: UInt64 = 0
        if case .reverted(let inclusion)? = failure { block = inclusion.blockNumber }
        let height = try await freshHeight()
        guard let watched = state.withLock({ $0.watchedTo }), watched >= block else {
            return false
        }
        return try await reader.areDispersed(
            [pushed.dispersal.name], by: pushed.payer, at: height) == [false]
    }

    /// Whether enough nodes know of no transaction of an account that waits for its block.
    private func isIdle(_ account: EVMAddress) async throws(ChainError) -> Bool {
        try await nodes.agreed { node throws(ChainError) in
            let mined = try await node.transactionCount(of: account)
            return try await node.transactionCount(of: account, pending: true) <= mined
        }
    }

    /// What the chain is asked to do for a dispersal.
    func order(of dispersal: Dispersal, under books: PushedBooks?) -> SettlementOrder {
        let payments = dispersal.payments.compactMap { payment -> EVMPayment? in
            guard case .evm(let account) = payment.receiver else { return nil }
            return EVMPayment(to: account, units: payment.units)
        }
        return .disperse(
            token: token(of: dispersal.asset), name: dispersal.name, payments: payments,
            books: books)
    }

    func token(of asset: Asset) -> EVMAddress { asset == .usd ? usd : tly }

    /// Whether smaller dispersals may fare better: the chain undid this one, or would have, and not
    /// because it was carried out before. One that was undone once may have found the payer's
    /// account empty, whatever is in it now: it is tried once more as it is.
    private func mayBeOfThePayees(_ failure: EVMIntentFailure, _ key: Digest) -> Bool {
        switch failure {
        case .wouldRevert(let text): !text.contains("dispersed")
        case .reverted: undoneTimes(key) > 1
        case .cancelled, .refused, .declined, .replaced: false
        }
    }

    /// Whether the last attempt was refused for something that is not of the payees: once that is
    /// found, it stands until the next attempt.
    private func isBlameless(_ dispersal: Dispersal, _ key: Digest) -> Bool {
        let attempt = look(at: key).id
        return state.withLock { $0.blameless[dispersal.name]?.attempt == attempt }
    }

    /// Whether the chain refuses the payees: at one block it refuses the dispersal, and does not
    /// refuse to send the payer the same sum in the same way. If it does, the token is paused, or
    /// the payer is not to send; then nobody is blamed, and the dispersal is tried again later as
    /// it is.
    private func isOfThePayees(
        _ order: SettlementOrder, _ dispersal: Dispersal, _ payer: DispersalPayer,
        _ failure: EVMIntentFailure
    ) async throws -> Bool {
        let name = Keccak256.hash(Array("exchequer control".utf8) + dispersal.name.bytes)
        let control = SettlementOrder.disperse(
            token: token(of: dispersal.asset), name: name,
            payments: [EVMPayment(to: payer.account, units: dispersal.openUnits)], books: nil)
        let (tried, plain) = (try order.callData(artifact), try control.callData(artifact))
        let (contract, account) = (contract, payer.account)
        let height = try await freshHeight()
        let trial = try await nodes.agreed { node throws(ChainError) in
            let before = try await node.block(height)?.hash
            let trial = Trial(
                refusesPayees: try await node.refuses(tried, to: contract, account, at: height),
                refusesPayer: try await node.refuses(plain, to: contract, account, at: height))
            guard let before, try await node.block(height)?.hash == before else {
                throw .inconsistentNode("block \(height) changed while it was looked at")
            }
            return trial
        }
        if trial.refusesPayees, !trial.refusesPayer { return true }
        let attempt = look(at: order.key).id
        let why =
            trial.refusesPayer
            ? "the chain refuses the payer's transfers too: \(failure)"
            : "the chain refuses it no more: it is tried again"
        state.withLock { state in
            state.blameless[dispersal.name] = BlamelessRefusal(attempt: attempt, why: why)
        }
        log.error(
            "a dispersal waits, and its payees are not to blame",
            metadata: ["dispersal": "\(dispersal.id)", "why": "\(why)"])
        return false
    }

    /// What a node says of a dispersal, and of one to the payer itself.
    private struct Trial: Hashable, Sendable {
        let refusesPayees: Bool
        let refusesPayer: Bool
    }

    /// Why a dispersal waits though its payees are not to blame; `nil` if it does not.
    func waitsFor(_ dispersal: Dispersal) -> String? {
        let key = SettlementOrder.key(ofDispersal: dispersal.name)
        guard case .refused = look(at: key).step else { return nil }
        return state.withLock { $0.blameless[dispersal.name]?.why }
    }

    /// How often the chain has undone transactions of an order.
    private func undoneTimes(_ key: Digest) -> Int {
        state.withLock { state in
            state.orders.inclusions(of: key) { driver.status(of: $0) }.found
                .count { !$0.succeeded }
        }
    }

    /// Whether the payer has what a dispersal takes, besides what others that are on their way
    /// will, so that it is not for want of money that the chain refuses it. The chain is asked
    /// once a pass.
    private func covers(
        _ dispersal: Dispersal, _ payer: DispersalPayer, _ pass: inout DispersalPass
    ) async throws -> Bool {
        let held: TokenHoldings
        if let known = pass.held[dispersal.asset] {
            held = known
        } else {
            guard pass.mayAsk else { return false }
            held = try await payer.holdings(
                of: dispersal.asset, at: token(of: dispersal.asset), spender: contract, nodes)
            pass.held[dispersal.asset] = held
        }
        // A reorganisation may have taken the leave with it.
        if !held.isApproved { state.withLock { $0.isApproved = false } }
        return held.units >= (pass.taken[dispersal.asset] ?? 0) + dispersal.openUnits
    }

    /// Lets the contract take the payer's tokens: it takes them from whoever calls it alone.
    private func approve(_ payer: DispersalPayer) async throws {
        if state.withLock({ $0.isApproved }) { return }
        var isApproved = true
        for asset in Asset.allCases {
            let token = token(of: asset)
            let held = try await payer.holdings(of: asset, at: token, spender: contract, nodes)
            if held.isApproved { continue }
            isApproved = false
            let order = SettlementOrder.approve(
                token: token, spender: contract, owner: payer.account)
            if case .submit(let id) = look(at: order.key).step {
                try await submit(id, order, "leave to disperse \(asset.code)")
            }
        }
        let approved = isApproved
        state.withLock { $0.isApproved = approved }
    }

    /// Whether the contract may take the payer's tokens; false if the house does not plan.
    public var mayDisperse: Bool { state.withLock { $0.isApproved } }
}
