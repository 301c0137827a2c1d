import Primitives

extension SolanaVaultWatcher {
    /// A cursor at the newest final slot, for an account whose history up to now does not matter:
    /// what it holds there, and the last transaction that names it. Enough nodes agree on both.
    public func beginning() async throws(ChainError) -> VaultCursor {
        let final = try await finalSlot()
        return try await nodes.agreed { [account] node throws(ChainError) in
            guard try await node.slot(.finalized) >= final else {
                throw .inconsistentNode("slot \(final) is not there yet: the node is behind")
            }
            let listed = try await node.transactions(naming: account)
            let newest = listed.first { $0.slot <= final }
            return VaultCursor(
                slot: final,
                newest: newest.map {
                    VaultCursor.Anchor(transaction: $0.transaction, slot: $0.slot)
                }, balance: try await Self.balance(of: account, at: final, listed, node))
        }
    }

    /// A cursor just before the slot of a transaction that was read once: what was read of that
    /// slot and after it is read again. `nil` if the transaction moved nothing of this account's:
    /// it was another account that was read then. Enough nodes agree on it.
    ///
    /// - Parameter known: a final transaction, with its slot from 1 on.
    public func beginning(
        before known: VaultCursor.Anchor
    ) async throws(ChainError) -> VaultCursor? {
        let slot = known.slot
        return try await nodes.agreed { [account, listedAtOnce] node throws(ChainError) in
            guard try await node.slot(.finalized) >= slot else {
                throw .inconsistentNode("slot \(slot) is not there yet: the node is behind")
            }
            guard let trace = try await node.trace(of: known.transaction) else {
                throw .inconsistentNode("what happened in slot \(slot) is not known any more")
            }
            guard trace.names(account) else { return nil }
            var (oldest, anchor): (VaultListing?, VaultListing?) = (nil, nil)
            var last: Signature?
            while anchor == nil {
                let listed = try await node.transactions(
                    naming: account, before: last, limit: listedAtOnce)
                last = listed.last?.transaction
                anchor = listed.first { $0.slot < slot }
                oldest = listed.last { $0.slot >= slot && !$0.isUndone } ?? oldest
                if listed.isEmpty { break }
            }
            guard let oldest, oldest.slot == slot,
                let trace = try await node.trace(of: oldest.transaction)
            else { throw .inconsistentNode("what happened in slot \(slot) is not known any more") }
            return VaultCursor(
                slot: slot - 1,
                newest: anchor.map {
                    VaultCursor.Anchor(transaction: $0.transaction, slot: $0.slot)
                }, balance: trace.balance(of: account).before)
        }
    }

    /// What the account held after the last of the listed transactions up to a slot that moved
    /// something; before the first one later, if there is none; or now, if nothing moved.
    private static func balance(
        of account: SolanaAddress, at final: UInt64, _ listed: [VaultListing], _ node: SolanaChain
    ) async throws(ChainError) -> UInt64 {
        let done = listed.filter { !$0.isUndone }
        let last = done.first { $0.slot <= final }
        if let one = last ?? done.last {
            guard let trace = try await node.trace(of: one.transaction) else {
                throw .inconsistentNode("a transaction is listed and not known")
            }
            let (before, after) = trace.balance(of: account)
            return last == nil ? before : after
        }
        guard let found = try await node.accounts([account], .finalized)[0] else { return 0 }
        guard let units = found.tokens else {
            throw .inconsistentNode("\(account) is no token account")
        }
        return units
    }
}
