public import Primitives

/// Claims what an account is owed when it is worth the gas: one transaction at a time, written down
/// before anybody sees it, and nothing more until the chain has said what became of it.
///
/// The contract pays each leaf once however often it is shown, so a second transaction could lose
/// gas and no more; with this even that takes a lost file.
public actor AutoClaimer {
    /// What one look led to.
    public enum Step: Hashable, Sendable {
        /// There is nothing to claim.
        case nothing
        /// There is something, and it is not worth its gas yet; both in dollars.
        case notWorth(value: Amount, cost: Amount)
        /// The claim is carried out; what it brought by asset, as far as this process knows.
        case claimed(EVMReceipt, [Asset: Amount])
        /// The claim was not carried out and never will be.
        case failed(TransactionFailure)
        /// It may or may not be carried out: nothing is sent until the chain has said.
        case unknown(Digest)
    }

    /// Keeps the transaction under way; `nil` when there is none. Has to be durable before it
    /// returns.
    public typealias Remember = @Sendable (SignedTransaction?) throws -> Void

    private struct Due {
        let leaves: [ClaimLeaf]
        let sums: [Asset: Amount]
    }

    private let settlement: SettlementContract
    private let sender: EVMSender
    private let policy: ClaimPolicy
    private let patience: Duration
    private let remember: Remember
    private var pending: SignedTransaction?

    /// A claimer that goes on with the transaction that was under way, if one was. It waits for a
    /// transaction for `patience`, and then looks again at the next step.
    public init(
        settlement: SettlementContract, sender: EVMSender, policy: ClaimPolicy,
        pending: SignedTransaction?, patience: Duration = .seconds(60),
        remember: @escaping Remember
    ) {
        self.settlement = settlement
        self.sender = sender
        self.policy = policy
        self.pending = pending
        self.patience = patience
        self.remember = remember
    }

    /// Looks once at what can be claimed, and claims it if it is worth it.
    public func step(_ leaves: [ClaimLeaf]) async throws(ChainError) -> Step {
        if let pending {
            _ = await sender.chain.broadcast(pending)
            return try end(await sender.chain.resolve(pending), [:])
        }
        let due = try await due(leaves)
        if due.leaves.isEmpty { return .nothing }
        let artifact = settlement.contract.artifact
        let data = try abi { () throws(ABIError) in
            try artifact.callData("claimMany", [.array(due.leaves.map(\.argument))])
        }
        let value = policy.value(
            usd: due.sums[.usd] ?? .zero, tly: due.sums[.tly] ?? .zero)
        let cost = try await cost(of: data)
        guard policy.isWorth(value: value, cost: cost) else {
            return .notWorth(value: value, cost: cost)
        }
        let outcome = await sender.send(
            to: settlement.address, data: data, timeout: patience,
            beforeSending: { transaction throws(ChainError) in
                try await self.keep(transaction)
            })
        return try end(outcome, due.sums)
    }

    private func keep(_ transaction: SignedTransaction?) throws(ChainError) {
        do {
            try remember(transaction)
        } catch {
            throw .inconsistentNode("the transaction under way cannot be written down: \(error)")
        }
        pending = transaction
    }

    private func forget() throws(ChainError) {
        if pending != nil { try keep(nil) }
    }

    private func end(
        _ outcome: TransactionOutcome, _ sums: [Asset: Amount]
    ) throws(ChainError) -> Step {
        switch outcome {
        case .settled(let receipt):
            try forget()
            return .claimed(receipt, sums)
        case .failed(let failure):
            try forget()
            return .failed(failure)
        case .unknown(let hash, _): return .unknown(hash)
        }
    }

    /// The leaves that the contract has not paid whole, and what they bring.
    private func due(_ leaves: [ClaimLeaf]) async throws(ChainError) -> Due {
        var kept: [ClaimLeaf] = []
        var sums: [Asset: Amount] = [:]
        for leaf in leaves {
            let before = try await settlement.claimed(token: leaf.token, account: leaf.account)
            guard leaf.cumulative > before,
                let amount = leaf.asset.amount(chainUnits: leaf.cumulative - before)
            else { continue }
            kept.append(leaf)
            sums[leaf.asset] = amount
        }
        return Due(leaves: kept, sums: sums)
    }

    /// What the call costs at the prices that the node quotes now, in dollars.
    private func cost(of data: [UInt8]) async throws(ChainError) -> Amount {
        let chain = sender.chain
        let draft = EVMTransaction(
            chainID: chain.chainID, nonce: 0, maxPriorityFeePerGas: 0, maxFeePerGas: 0,
            gasLimit: 0, to: settlement.address, value: 0, data: data)
        let gas = try await chain.estimateGas(draft, from: sender.address)
        let head = try await chain.head()
        let price = head.baseFeePerGas + (try await chain.tip())
        guard let cost = policy.cost(gas: gas, price: price) else { throw .feeTooHigh(price) }
        return cost
    }
}
