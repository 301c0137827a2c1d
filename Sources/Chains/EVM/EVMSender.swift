public import Primitives

/// One account that sends transactions, one after the other: each gets its nonce, its price and
/// its signature while no other of this sender is in between.
///
/// If an earlier transaction's outcome is unknown and the node does not know it, the next one gets
/// the same nonce. That is safe: the chain can only carry one of them out, and `resolve` of the
/// other then says `replaced`.
public actor EVMSender {
    /// The chain that is sent to.
    public nonisolated let chain: EVMChain
    /// The sending account.
    public nonisolated let address: EVMAddress
    private let key: any EVMSigner
    private let maximumFeePerGas: UInt128
    private var isBusy = false
    private var queue: [CheckedContinuation<Void, Never>] = []

    /// A sender that pays at most `maximumFeePerGas` wei per unit of gas, 500 gwei unless told
    /// otherwise.
    public init(
        chain: EVMChain, key: any EVMSigner,
        maximumFeePerGas: UInt128 = 500_000_000_000
    ) {
        self.chain = chain
        self.key = key
        self.maximumFeePerGas = maximumFeePerGas
        address = key.address
    }

    /// Sends a transaction and waits for its outcome. The nonce, prices and gas limit of the draft
    /// are filled in here. `beforeSending` is given the signed transaction when nobody has seen it
    /// yet: write it down there. If that throws, nothing is sent.
    public func send(
        _ draft: EVMTransaction, timeout: Duration, beforeSending: @escaping BeforeSending
    ) async -> TransactionOutcome {
        await enter()
        let transaction: SignedTransaction
        do throws(ChainError) {
            transaction = try await prepare(draft)
            try await beforeSending(transaction)
        } catch {
            leave()
            return .failed(.notSent(error))
        }
        let failure = await chain.broadcast(transaction)
        leave()
        if let failure { return .failed(failure) }
        return await chain.wait(for: transaction, timeout: timeout)
    }

    /// Prices and signs a transaction with the account's next nonce. Gas is what the node
    /// estimates and a fifth more.
    private func prepare(_ draft: EVMTransaction) async throws(ChainError) -> SignedTransaction {
        try await chain.verifyChain()
        var transaction = draft
        let gas = try await chain.estimateGas(transaction, from: address)
        let (tip, limit) = try await chain.fees()
        guard limit <= maximumFeePerGas else { throw .feeTooHigh(limit) }
        transaction.nonce = try await chain.transactionCount(of: address, pending: true)
        transaction.maxPriorityFeePerGas = tip
        transaction.maxFeePerGas = limit
        transaction.gasLimit = gas &+ gas / 5
        do throws(SigningFailure) {
            return transaction.signed(try await key.signature(of: transaction), by: address)
        } catch {
            throw .notSigned(error)
        }
    }

    private func enter() async {
        if isBusy {
            await withCheckedContinuation { queue.append($0) }
        } else {
            isBusy = true
        }
    }

    private func leave() {
        if queue.isEmpty {
            isBusy = false
        } else {
            queue.removeFirst().resume()
        }
    }
}

extension EVMSender {
    /// Sends a transaction of these parts, as `send` of a draft does. Inlined for the reason told
    /// at `SettlementContract`.
    @inlinable @inline(__always)
    public nonisolated func send(
        to: EVMAddress?, data: [UInt8], value: UInt128 = 0, timeout: Duration = .seconds(120),
        beforeSending: @escaping BeforeSending = { _ in }
    ) async -> TransactionOutcome {
        let draft = EVMTransaction(
            chainID: chain.chainID, nonce: 0, maxPriorityFeePerGas: 0, maxFeePerGas: 0,
            gasLimit: 0, to: to, value: value, data: data)
        return await send(draft, timeout: timeout, beforeSending: beforeSending)
    }
}

/// Is given a signed transaction before anybody else: the place to write it down.
public typealias BeforeSending = @Sendable (SignedTransaction) async throws(ChainError) -> Void
