import Chains
import Cryptography
import Primitives

/// A house in small: it cuts batches of payouts, convicts providers, and settles both as
/// `SettlementService` does, one batch after the other. Its books are durable; which attempt of an
/// order comes next is not.
struct HousePayer: WorldPayer {
    /// A batch with all that each account was ever allotted.
    struct Batch {
        let root: Digest
        let cumulative: [EVMAddress: UInt128]
        var isConfirmed = false
    }

    struct Slash {
        let order: SettlementOrder
        var isSettled = false
        var isWrittenOff = false
    }

    let vault: SimulatedVault?
    /// What every account is to get in all.
    private(set) var owed: [EVMAddress: UInt128] = [:]
    private(set) var batches: [Batch] = []
    private(set) var slashes: [Slash] = []
    private(set) var retries = 0
    private var payoutsLeft: Int
    private let payoutsPerBatch: Int
    private let sender: EVMAddress
    private let artifact: ContractArtifact
    private let depth: Int
    private var orders: SettlementOrders
    private var random: SplitMix64
    private var hasLooked = false

    init(
        payouts: Int, perBatch: Int, from sender: EVMAddress, depth: Int,
        artifact: ContractArtifact, random: inout SplitMix64
    ) throws {
        let contract = Self.account(0xCC, 0)
        vault = try SimulatedVault(address: contract, artifact: artifact)
        payoutsLeft = payouts
        payoutsPerBatch = perBatch
        self.sender = sender
        self.artifact = artifact
        self.depth = depth
        orders = Self.orders(contract, artifact, sender)
        self.random = SplitMix64(seed: random.next())
    }

    private static func orders(
        _ contract: EVMAddress, _ artifact: ContractArtifact, _ sender: EVMAddress
    ) -> SettlementOrders {
        SettlementOrders(
            contract: contract, artifact: artifact, sender: sender,
            feeLimit: 3_000_000_000_000_000)
    }

    private static func account(_ kind: UInt8, _ number: UInt64) -> EVMAddress {
        var bytes = [UInt8](repeating: kind, count: 20)
        for place in 0..<8 { bytes[19 - place] = UInt8(truncatingIfNeeded: number >> (8 * place)) }
        return EVMAddress(bytes) ?? .zero
    }

    // MARK: The books

    /// Puts payouts into a batch, and now and then convicts somebody; a third of those has no bond.
    private mutating func cut() {
        let count = min(payoutsPerBatch, payoutsLeft)
        for _ in 0..<count {
            let payee = Self.account(0x11, random.next() % 500)
            owed[payee, default: 0] += UInt128(random.next() % 1_000_000) + 1
        }
        payoutsLeft -= count
        let claims = owed.sorted { $0.key < $1.key }.map {
            Claim(
                chainID: 31_337, contract: vault?.address ?? .zero, token: .zero, account: $0.key,
                cumulative: $0.value)
        }
        batches.append(Batch(root: ClaimTree(claims: claims).root, cumulative: owed))
        for _ in 0..<(random.next() % 3) {
            let number = UInt64(slashes.count)
            let provider = Self.account(0x22, number)
            slashes.append(
                Slash(
                    order: .slash(
                        provider: provider, amount: 700, burned: 100,
                        verdict: Digest(words: (9, 9, random.next(), number)))))
        }
    }

    /// Books what lies deep enough in the chain, as the watcher does, and cuts the next batch.
    mutating func secondBegins(_ chain: inout SimulatedChain) {
        hasLooked = false
        if let vault = chain.vault, let batch = batches.first(where: { $0.root == vault.root }) {
            // Some payees claim at once what the root at hand allots them.
            for (payee, amount) in batch.cumulative where random.next() % 64 == 0 {
                chain.vault?.claim(payee, cumulative: amount)
            }
        }
        if chain.head >= depth - 1, let deep = chain.blocks[chain.head - (depth - 1)].vault {
            for place in slashes.indices where deep.usedVerdicts.contains(slashes[place].order.key)
            {
                slashes[place].isSettled = true
            }
            if deep.batch == batches.count, !batches.isEmpty {
                batches[batches.count - 1].isConfirmed = true
            }
        }
        if payoutsLeft > 0, batches.last?.isConfirmed != false { cut() }
    }

    // MARK: Settlement

    mutating func nextInput(_ manager: EVMManager, now: UInt64) -> EVMManagerInput? {
        guard !hasLooked else { return nil }
        var isClear = true
        for place in slashes.indices
        where !slashes[place].isSettled && !slashes[place].isWrittenOff {
            let order = slashes[place].order
            switch step(of: order, manager, now) {
            case .submit(let id): return submission(id, order)
            case .wait: isClear = false
            case .withoutBond: slashes[place].isWrittenOff = true
            case .refused, .done: continue
            }
        }
        hasLooked = true
        guard isClear, let batch = batches.last, !batch.isConfirmed else { return nil }
        let order = SettlementOrder.commitRoot(
            batch: UInt64(batches.count), root: batch.root, totalUSD: 0, totalTLY: 0,
            journalHead: Digest(words: (0, 0, 0, now)), liabilities: .zero)
        guard case .submit(let id) = step(of: order, manager, now) else { return nil }
        return submission(id, order)
    }

    private mutating func step(
        of order: SettlementOrder, _ manager: EVMManager, _ now: UInt64
    ) -> SettlementOrders.Step {
        orders.step(of: order.key, at: Timestamp(seconds: now)) { manager.status(of: $0) }
    }

    private mutating func submission(_ id: Digest, _ order: SettlementOrder) -> EVMManagerInput? {
        guard let intent = try? orders.intent(id, for: order) else { return nil }
        if id != order.key { retries += 1 }
        return .submit(intent)
    }

    mutating func taken(_ input: EVMManagerInput) {}

    mutating func restarted() {
        orders = Self.orders(vault?.address ?? .zero, artifact, sender)
    }

    mutating func estimate(_ intent: EVMIntent, _ chain: SimulatedChain) -> EVMManagerInput {
        guard var vault = chain.vault else { return .estimated(intent.id, gas: 21_000) }
        if let refusal = vault.call(intent.data) { return .estimateReverted(intent.id, refusal) }
        return .estimated(intent.id, gas: 60_000)
    }

    mutating func note(_ id: Digest, _ outcome: EVMIntentOutcome) -> String? {
        if case .failed(.replaced) = outcome { return "\(id) was replaced by nobody" }
        return nil
    }

    func isDone(_ manager: EVMManager) -> Bool {
        payoutsLeft == 0 && batches.last?.isConfirmed == true && manager.openIntents == 0
            && slashes.allSatisfy { $0.isSettled || $0.isWrittenOff }
    }
}
