import Primitives

/// Reads what happens to a token account of the house's on Solana: deposits, claims, withdrawals.
/// Only final slots count, and of them only what enough nodes tell alike. Holds no state: the
/// caller's cursor does, so a crash between two looks repeats or loses nothing.
public struct SolanaVaultWatcher: Sendable {
    let nodes: SolanaNodes
    let account: SolanaAddress
    private let program: SolanaAddress?
    private let margin: UInt64
    private let most: Int
    let listedAtOnce: Int
    /// So many slots, some three minutes, may the nodes be behind what was read.
    private static let mostBehind: UInt64 = 512

    /// A watcher of a token account.
    ///
    /// - Parameters:
    ///   - program: the payout program, if the account is the vault of one of its pools.
    ///   - margin: slots below the newest final one that are left for the next look: nodes write
    ///     their lists a moment after a slot is final.
    ///   - most: transactions a page, except where a single slot has more.
    public init(
        nodes: SolanaNodes, account: SolanaAddress, program: SolanaAddress? = nil,
        margin: UInt64 = 8, most: Int = 200, listedAtOnce: Int = SolanaChain.listedAtOnce
    ) {
        precondition(most > 0 && listedAtOnce > 0, "a page has at least one transaction")
        self.nodes = nodes
        self.account = account
        self.program = program
        self.margin = margin
        self.most = most
        self.listedAtOnce = listedAtOnce
    }

    /// Reads the next page. Nodes that are behind, or have not all of the history, have no vote;
    /// throws if enough of them are far behind the cursor: it was of another chain, or a lie.
    public func read(from cursor: VaultCursor) async throws(ChainError) -> VaultPage {
        let final = try await finalSlot()
        // Nodes that lag do so by less. Otherwise this would look as if nothing happened for ever.
        guard cursor.slot <= final.saturatingSum(Self.mostBehind) else {
            throw .inconsistentNode(
                "slot \(cursor.slot) was read before, and the nodes are at \(final) only")
        }
        guard final > cursor.slot else {
            return VaultPage(records: [], cursor: cursor, hasMore: false)
        }
        return try await nodes.agreed { node throws(ChainError) in
            try await page(of: node, from: cursor, upTo: final)
        }
    }

    /// What the account holds at a slot not before `slot`; `nil` if there is no such token account.
    public func balance(notBefore slot: UInt64) async throws(ChainError) -> UInt64? {
        try await nodes.agreed { [account] node throws(ChainError) in
            guard try await node.slot(.finalized) >= slot else {
                throw .inconsistentNode("slot \(slot) is not there yet: the node is behind")
            }
            return try await node.accounts([account], .finalized)[0]?.tokens
        }
    }

    /// The slot up to which history counts, as enough nodes have it final.
    public func finalSlot() async throws(ChainError) -> UInt64 {
        let slot = try await nodes.finalSlot()
        return slot > margin ? slot - margin : 0
    }

    private func page(
        of node: SolanaChain, from cursor: VaultCursor, upTo final: UInt64
    ) async throws(ChainError) -> VaultPage {
        guard try await node.slot(.finalized) >= final else {
            throw .inconsistentNode("slot \(final) is not there yet: the node is behind")
        }
        let history = cursor.newest == nil ? try await node.firstAvailableSlot() : 0
        do {
            var scan = try VaultScan(
                of: account, program: program, from: cursor, upTo: final, history: history,
                most: most)
            while let question = scan.question {
                switch question {
                case .list(let before):
                    try scan.take(
                        try await node.transactions(
                            naming: account, before: before, limit: listedAtOnce))
                case .trace(let transaction):
                    try scan.take(try await node.trace(of: transaction, program: program))
                }
            }
            guard let page = scan.page else { throw VaultScanError.unasked }
            return page
        } catch let error as ChainError {
            throw error
        } catch {
            throw .inconsistentNode("\(error)")
        }
    }
}
