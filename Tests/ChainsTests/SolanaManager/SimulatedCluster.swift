import Chains
import Cryptography
import Primitives

/// A Solana cluster in memory with what matters for paying: slots, blockhashes that grow old, forks
/// that take confirmed slots back, token accounts that close or freeze, and durable nonces.
struct SimulatedCluster {
    static let validBlocks: UInt64 = 30
    static let final: UInt64 = 12

    struct Landed {
        let slot: UInt64
        let failure: String?
        let draft: SolanaDraft
        let id: Signature
    }

    struct Slot {
        let blockhash: Digest
        /// What landed in it, in order.
        var landed: [Signature] = []
    }

    private(set) var slots: [Slot] = []
    private(set) var landed: [Signature: Landed] = [:]
    /// What each owner was paid.
    private(set) var paid: [SolanaAddress: UInt64] = [:]
    private(set) var accounts: [SolanaAddress: TokenRecipient] = [:]
    private(set) var nonces: [SolanaAddress: Digest]
    private(set) var forks = 0
    private(set) var undone = 0
    /// Accepted transactions that wait for the next slot.
    var pool: [Signature: (draft: SolanaDraft, minimum: UInt64)] = [:]
    var price: UInt64 = 1_000
    private var random: SplitMix64

    init(nonces: [SolanaAddress], seed: UInt64) {
        random = SplitMix64(seed: seed)
        self.nonces = [:]
        for account in nonces { self.nonces[account] = Self.hash(&random) }
        for _ in 0..<20 { slots.append(Slot(blockhash: Self.hash(&random))) }
    }

    private static func hash(_ random: inout SplitMix64) -> Digest {
        Digest(words: (random.next(), random.next(), random.next(), random.next()))
    }

    var height: UInt64 { UInt64(slots.count - 1) }

    func state(of owner: SolanaAddress) -> TokenRecipient { accounts[owner] ?? .missing }

    mutating func set(_ owner: SolanaAddress, _ state: TokenRecipient) { accounts[owner] = state }

    func commitment(of slot: UInt64, at head: UInt64) -> SolanaCommitment {
        slot + Self.final <= head ? .finalized : slot + 1 <= head ? .confirmed : .processed
    }

    private func mayLand(_ draft: SolanaDraft) -> Bool {
        if let nonce = draft.nonce { return nonces[nonce] == draft.blockhash }
        let first = Int(height) - Int(Self.validBlocks)
        return slots[max(first, 0)...].contains { $0.blockhash == draft.blockhash }
    }

    /// A slot passes; what waits and may land lands, if it pays what others pay.
    mutating func tick() {
        slots.append(Slot(blockhash: Self.hash(&random)))
        for id in pool.keys.sorted(by: { $0.bytes.lexicographicallyPrecedes($1.bytes) }) {
            guard let (draft, minimum) = pool[id], draft.price >= minimum else { continue }
            pool[id] = nil
            land(draft, id)
        }
    }

    private mutating func land(_ draft: SolanaDraft, _ id: Signature) {
        guard landed[id] == nil, mayLand(draft) else { return }
        var failure: String?
        if draft.kind == .pay {
            let isBad = draft.payouts.contains { state(of: $0.owner) != .ready }
            if isBad { failure = "instruction 2: code 17" }
        }
        if let nonce = draft.nonce { nonces[nonce] = Self.hash(&random) }
        landed[id] = Landed(slot: height, failure: failure, draft: draft, id: id)
        slots[slots.count - 1].landed.append(id)
        guard failure == nil else {
            undone += 1
            return
        }
        for payout in draft.payouts {
            switch draft.kind {
            case .pay: paid[payout.owner, default: 0] += payout.amount
            case .makeAccounts:
                if state(of: payout.owner) == .missing { accounts[payout.owner] = .ready }
            }
        }
    }

    /// A fork takes the place of the last slots, never of a final one; with `keep` what was in them
    /// lands again if it still may.
    mutating func fork(_ depth: Int, keep: Bool) {
        var lost: [Landed] = []
        for slot in slots.suffix(depth) {
            lost += slot.landed.compactMap { landed[$0] }
        }
        slots.removeLast(depth)
        for one in lost.reversed() {
            landed[one.id] = nil
            if let nonce = one.draft.nonce { nonces[nonce] = one.draft.blockhash }
            guard one.failure == nil, one.draft.kind == .pay else { continue }
            for payout in one.draft.payouts { paid[payout.owner, default: 0] -= payout.amount }
        }
        for _ in 0..<depth { slots.append(Slot(blockhash: Self.hash(&random))) }
        if keep { for one in lost { land(one.draft, one.id) } }
        forks += 1
    }
}

/// A node of the cluster that misbehaves when told to.
struct SimulatedClusterNode {
    var fault = NodeFault.none

    private func head(_ cluster: SimulatedCluster) -> UInt64 {
        guard case .lagging(let slots) = fault else { return cluster.height }
        // Even one that lags as the world begins has a final block.
        return max(cluster.height - min(slots, cluster.height), SimulatedCluster.final)
    }

    /// The hash it proposes to build on: of its final block, or a forged or very young one.
    func candidate(_ cluster: SimulatedCluster, random: inout SplitMix64) -> Digest? {
        switch fault {
        case .unreachable: return nil
        case .lying:
            return random.next() % 2 == 0
                ? Digest(words: (1, 2, 3, random.next()))
                : cluster.slots[Int(cluster.height)].blockhash
        case .lagging, .none, .forgetful:
            return cluster.slots[Int(head(cluster) - SimulatedCluster.final)].blockhash
        }
    }

    func answer(
        _ question: SolanaQuestion, _ candidates: [Digest], _ cluster: SimulatedCluster,
        random: inout SplitMix64
    ) -> SolanaEndpointAnswer? {
        let head = head(cluster)
        switch fault {
        case .unreachable: return nil
        case .lying: return lie(question, candidates, cluster, random: &random)
        case .none, .forgetful, .lagging: break
        }
        let final = head - SimulatedCluster.final
        let first = final - min(SimulatedCluster.validBlocks, final)
        let known = cluster.slots[Int(first)...Int(final)].map(\.blockhash)
        // A machine that began a moment ago, from a snapshot, knows nothing of before.
        let isYoung = if case .forgetful = fault { true } else { false }
        let history = isYoung ? final - min(10, final) : 0
        let statuses = question.transactions.map { asked -> SolanaStatusAnswer in
            guard let found = cluster.landed[asked.id], (history...head).contains(found.slot)
            else { return .absent }
            return .present(
                SolanaSighting(slot: found.slot, failure: found.failure),
                cluster.commitment(of: found.slot, at: head))
        }
        return SolanaEndpointAnswer(
            recent: candidates.filter { known.contains($0) }, height: final, price: cluster.price,
            lamports: 1_000_000_000, tokens: .max / 2,
            nonces: question.nonces.map { finalNonce($0, cluster, at: head) }, statuses: statuses,
            slot: final, history: history)
    }

    /// The nonce's value as of the final slot: the oldest that was used up since, or today's.
    private func finalNonce(
        _ account: SolanaAddress, _ cluster: SimulatedCluster, at head: UInt64
    ) -> Digest? {
        let final = head - min(SimulatedCluster.final, head)
        for slot in cluster.slots[Int(final + 1)...] {
            for id in slot.landed {
                if let draft = cluster.landed[id]?.draft, draft.nonce == account {
                    return draft.blockhash
                }
            }
        }
        return cluster.nonces[account]
    }

    /// All is long gone and may be paid again, or all is done.
    private func lie(
        _ question: SolanaQuestion, _ candidates: [Digest], _ cluster: SimulatedCluster,
        random: inout SplitMix64
    ) -> SolanaEndpointAnswer {
        let isDone = random.next() % 2 == 0
        let forged = Digest(words: (1, 2, 3, random.next()))
        return SolanaEndpointAnswer(
            recent: candidates,
            height: random.next() % 4 == 0 ? 1 : cluster.height + 10_000,
            price: isDone ? .max : 0, lamports: isDone ? 0 : .max, tokens: isDone ? 0 : .max,
            nonces: question.nonces.map { _ in forged },
            statuses: question.transactions.map { _ in
                isDone ? .present(SolanaSighting(slot: 1, failure: nil), .finalized) : .absent
            }, slot: isDone ? 1 : cluster.height, history: 0)
    }
}
