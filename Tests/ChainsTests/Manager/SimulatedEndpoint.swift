import Chains
import Primitives

/// A node with a pool of its own that speaks one client's dialect and misbehaves when told to.
struct SimulatedEndpoint {
    typealias Transaction = SimulatedChain.Transaction

    /// The words of one client.
    struct Dialect {
        let known, replacement, tooLow, noFunds, refused: String

        static let all = [
            Dialect(
                known: "already known", replacement: "replacement transaction underpriced",
                tooLow: "nonce too low: next nonce 7, tx nonce 3",
                noFunds: "insufficient funds for gas * price + value: balance 1, tx cost 2",
                refused: "intrinsic gas too low"),
            Dialect(
                known: "ALREADY_EXISTS: already known",
                replacement: "INTERNAL_ERROR: could not replace existing tx",
                tooLow: "INTERNAL_ERROR: nonce too low",
                noFunds: "INTERNAL_ERROR: insufficient funds", refused: "IntrinsicGas"),
            Dialect(
                known: "Known transaction", replacement: "Replacement transaction underpriced",
                tooLow: "Nonce too low", noFunds: "Upfront cost exceeds account balance",
                refused: "Intrinsic gas exceeds gas limit"),
        ]
    }

    let dialect: Dialect
    var fault = NodeFault.none
    /// By sender, then nonce.
    var pools: [[UInt64: Transaction]]

    init(dialect: Dialect, senders: Int) {
        self.dialect = dialect
        pools = Array(repeating: [:], count: senders)
    }

    /// Takes a transaction or says why not, as geth's pool decides.
    mutating func send(_ transaction: Transaction, _ chain: SimulatedChain) -> BroadcastAnswer {
        switch fault {
        case .unreachable: return .unknown
        case .lying: return BroadcastAnswer(errorMessage: dialect.tooLow)
        case .forgetful: return .accepted
        case .none, .lagging: break
        }
        return admit(transaction, chain).map { BroadcastAnswer(errorMessage: $0) } ?? .accepted
    }

    /// Puts a transaction into the pool; the error's text if it is refused.
    mutating func admit(_ transaction: Transaction, _ chain: SimulatedChain) -> String? {
        let draft = transaction.draft
        let sender = transaction.sender
        guard draft.data != Payout.poison else { return dialect.refused }
        guard draft.nonce >= chain.counts[sender] else { return dialect.tooLow }
        let worst = draft.maxFeePerGas * UInt128(draft.gasLimit) + draft.value
        guard chain.balance(chain.senders[sender]) >= worst else { return dialect.noFunds }
        if let old = pools[sender][draft.nonce] {
            if old.hash == transaction.hash { return dialect.known }
            guard draft.maxFeePerGas * 10 >= old.draft.maxFeePerGas * 11,
                draft.maxPriorityFeePerGas * 10 >= old.draft.maxPriorityFeePerGas * 11
            else { return dialect.replacement }
        }
        pools[sender][draft.nonce] = transaction
        return nil
    }

    /// Drops what the chain has used.
    mutating func prune(_ chain: SimulatedChain) {
        for sender in pools.indices where !pools[sender].isEmpty {
            let count = chain.counts[sender]
            pools[sender] = pools[sender].filter { $0.key >= count }
        }
    }

    /// Answers a question as it sees the chain; `phantom` transactions wait in front of the first
    /// nonce as left by another program.
    func answer(
        _ question: EVMQuestion, _ chain: SimulatedChain, phantom: UInt64,
        random: inout SplitMix64
    ) -> EVMEndpointAnswer? {
        var height = chain.head
        var isLying = false
        switch fault {
        case .unreachable: return nil
        case .lagging(let blocks): height = max(0, height - Int(blocks))
        case .lying: isLying = true
        case .none, .forgetful: break
        }
        if isLying { return lie(question, chain, random: &random) }
        let block = chain.blocks[height]
        func hash(_ asked: UInt64?) -> Digest? {
            asked.flatMap { $0 <= UInt64(height) ? chain.blocks[Int($0)].hash : nil }
        }
        let final = question.finalHeight.flatMap { $0 <= UInt64(height) ? Int($0) : nil }
        let accounts = question.lanes.map { address in
            let sender = chain.senders.firstIndex(of: address) ?? 0
            var pending = block.counts[sender]
            while pools[sender][pending] != nil { pending += 1 }
            return EVMAccountAnswer(
                count: block.counts[sender], pendingCount: max(pending, phantom),
                finalCount: final.map { chain.blocks[$0].counts[sender] },
                balance: chain.balance(address))
        }
        let receipts = question.transactions.map { asked -> EVMReceiptAnswer in
            if let inclusion = chain.inclusion(asked, upTo: height) {
                return .present(
                    EVMReceiptClaim(
                        inclusion: inclusion, blockHash: inclusion.blockHash, transaction: asked))
            }
            // A node whose receipts lag behind its blocks still serves what was reorganised away.
            if let orphan = chain.orphans[asked], random.next() % 2 == 0 {
                let block = Int(orphan.blockNumber) <= height
                return .present(
                    EVMReceiptClaim(
                        inclusion: orphan,
                        blockHash: block ? chain.blocks[Int(orphan.blockNumber)].hash : nil,
                        transaction: nil))
            }
            return .absent
        }
        return EVMEndpointAnswer(
            head: UInt64(height), finalHash: hash(question.finalHeight),
            anchorHash: hash(question.anchorHeight),
            market: EVMFeeMarket(baseFee: block.baseFee, tip: 1_500_000_000), accounts: accounts,
            receipts: receipts)
    }

    /// A world in which everything was carried out, or nothing was.
    private func lie(
        _ question: EVMQuestion, _ chain: SimulatedChain, random: inout SplitMix64
    ) -> EVMEndpointAnswer {
        let forged = Digest(words: (1, 2, 3, random.next()))
        let claimsAll = random.next() % 2 == 0
        let succeeds = random.next() % 2 == 0
        let account = EVMAccountAnswer(
            count: claimsAll ? 1_000_000 : 0, pendingCount: 2_000_000,
            finalCount: claimsAll ? 1_000_000 : 0, balance: claimsAll ? 0 : .max)
        let receipts = question.transactions.map { asked -> EVMReceiptAnswer in
            guard claimsAll else { return .absent }
            let inclusion = EVMInclusion(
                transaction: asked, blockNumber: 1, blockHash: forged, index: 0,
                succeeded: succeeds, gasUsed: 21_000, gasPrice: 1)
            return .present(
                EVMReceiptClaim(inclusion: inclusion, blockHash: forged, transaction: asked))
        }
        return EVMEndpointAnswer(
            head: UInt64(chain.head + 1_000), finalHash: forged, anchorHash: forged,
            market: EVMFeeMarket(baseFee: claimsAll ? 0 : .max, tip: 0),
            accounts: question.lanes.map { _ in account }, receipts: receipts)
    }
}
