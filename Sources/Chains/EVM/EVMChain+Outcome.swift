extension EVMChain {
    /// Gives a signed transaction to the node. Safe to repeat: its nonce counts once.
    ///
    /// Returns `nil` when it is on its way or may be; the outcome must then be waited for.
    public func broadcast(_ transaction: SignedTransaction) async -> TransactionFailure? {
        let refusal: RPCError
        do {
            let hash: HexDigest = try await rpc.call(
                "eth_sendRawTransaction", [.data(transaction.raw)])
            // Another hash is a lie, but the transaction may be on its way all the same.
            _ = hash
            return nil
        } catch {
            refusal = error
        }
        guard !refusal.isOutcomeUnknown else { return nil }
        // "Already known" and "nonce too low" may speak of this very transaction.
        do {
            if try await knows(transaction.hash) { return nil }
        } catch {
            return nil
        }
        guard case .server(let code, let message, _) = refusal else {
            return .notSent(.rpc(refusal))
        }
        return .refused(code: code, message: message)
    }

    /// Waits until the chain has decided, at most `timeout`. A transaction that the node forgot is
    /// given to it again.
    public func wait(
        for transaction: SignedTransaction, timeout: Duration = .seconds(120)
    ) async -> TransactionOutcome {
        let clock = ContinuousClock()
        let deadline = clock.now + timeout
        var looks = 0
        while true {
            let outcome = await resolve(transaction)
            guard case .unknown(let hash, let reason) = outcome else { return outcome }
            if case .inconsistentNode = reason { return outcome }
            guard clock.now < deadline else { return outcome }
            looks += 1
            if looks.isMultiple(of: 8), (try? await knows(hash)) == false {
                _ = await broadcast(transaction)
            }
            do {
                try await pause()
            } catch {
                return .unknown(hash, error)
            }
        }
    }

    /// Looks once at what the chain says about a transaction that was, or may have been, sent.
    ///
    /// Only chain evidence closes it: a receipt in a canonical block that is deep enough, or
    /// another transaction with its nonce that is. Everything else is `unknown`.
    public func resolve(_ transaction: SignedTransaction) async -> TransactionOutcome {
        let hash = transaction.hash
        do {
            let head = try await head()
            guard let receipt = try await uncheckedReceipt(of: hash) else {
                return try await withoutReceipt(transaction, head: head)
            }
            guard try await isFinal(receipt, of: transaction, head: head) else {
                return .unknown(hash, .timedOut)
            }
            guard receipt.succeeded else {
                return .failed(.reverted(await reason(of: transaction, receipt), receipt))
            }
            return .settled(receipt)
        } catch {
            return .unknown(hash, error)
        }
    }

    /// Without a receipt the transaction is dead only if its nonce is used up on its own chain,
    /// deep enough, and after that was seen the node still has no receipt and does not know it.
    private func withoutReceipt(
        _ transaction: SignedTransaction, head: EVMBlock
    ) async throws(ChainError) -> TransactionOutcome {
        guard let height = finalHeight(head: head.number) else {
            return .unknown(transaction.hash, .timedOut)
        }
        let used = try await transactionCount(of: transaction.sender, at: height)
        guard used > transaction.nonce else { return .unknown(transaction.hash, .timedOut) }
        guard transaction.chainID == chainID else {
            throw .wrongChain(expected: transaction.chainID, actual: chainID)
        }
        try await verifyChain()
        let receipt = try await uncheckedReceipt(of: transaction.hash)
        let isKnown = try await knows(transaction.hash)
        guard receipt == nil, !isKnown else { return .unknown(transaction.hash, .timedOut) }
        return .failed(.replaced)
    }

    /// Checks a receipt against the transaction and against the chain. Throws `inconsistentNode`
    /// for one that cannot be true; returns whether its block counts already.
    private func isFinal(
        _ receipt: EVMReceipt, of transaction: SignedTransaction, head: EVMBlock
    ) async throws(ChainError) -> Bool {
        guard receipt.transaction == transaction.hash else {
            throw .inconsistentNode("the receipt is of another transaction")
        }
        guard receipt.from == transaction.sender, receipt.to == transaction.to else {
            throw .inconsistentNode("the receipt names other parties")
        }
        if receipt.succeeded, receipt.contractAddress != transaction.deployedAddress {
            throw .inconsistentNode("the receipt names another contract")
        }
        for log in receipt.logs
        where log.transaction != receipt.transaction || log.blockHash != receipt.blockHash {
            throw .inconsistentNode("a log of the receipt is of another transaction")
        }
        guard let height = finalHeight(head: head.number), receipt.blockNumber <= height else {
            return false
        }
        guard let block = try await block(receipt.blockNumber) else {
            throw .inconsistentNode("the receipt's block does not exist")
        }
        guard block.hash == receipt.blockHash else {
            // A reorganisation between the two calls looks the same: then the receipt moves too.
            let again = try await uncheckedReceipt(of: receipt.transaction)
            guard again != receipt else {
                throw .inconsistentNode("the receipt's block is not in the chain")
            }
            return false
        }
        guard receipt.index < UInt64(block.transactions.count),
            block.transactions[Int(receipt.index)] == receipt.transaction
        else { throw .inconsistentNode("the receipt's block does not hold the transaction") }
        return true
    }

    /// Why a contract undid a transaction, found by calling it again on the block before.
    private func reason(
        of transaction: SignedTransaction, _ receipt: EVMReceipt
    ) async -> String {
        guard let to = transaction.to, receipt.blockNumber > 0 else { return "reverted" }
        do {
            _ = try await self.call(
                to, transaction.data, from: transaction.sender, at: receipt.blockNumber - 1)
        } catch {
            if case .reverted(let text) = error { return text }
        }
        return "reverted"
    }
}
