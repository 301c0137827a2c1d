public import Primitives

/// Makes, extends and ends the lookup tables that payouts go through, a step at a time: the next
/// when the last is seen in a final block, or can no longer be carried out.
///
/// Nothing here moves anybody's money: a step that is done twice costs a fee or a few entries. What
/// must not be lost is a table's address, with the rent that lies there; so it is written down
/// before the table is made.
public actor LookupTableKeeper {
    /// What is written down: every table that may be there.
    public typealias Remember = @Sendable ([SolanaAddress]) async throws -> Void

    /// What came of a look.
    public struct Round: Sendable {
        /// The tables that transactions may name.
        public let usable: [SolanaLookupTable]
        /// What was sent.
        public let sent: Signature?
    }

    private let nodes: SolanaNodes
    private let key: any SolanaSigner
    /// The mint, if messages must name it themselves.
    private let hidden: SolanaAddress?
    private let common: [SolanaAddress]
    private let threshold: Int
    private let price: UInt64
    private let remember: Remember
    private var known: [SolanaAddress]
    /// What the tables were when the last step was sent, and until which height it may count.
    private var sent: (tables: [LookupTableAccount], lastValidHeight: UInt64)?

    private var authority: SolanaAddress { key.address }
    private var isFirst = true
    /// The newest final slot that was heard of: what is not in an older one is no news.
    private var newestSlot: UInt64 = 0
    private static let units: UInt32 = 30_000
    private static let blockhashLifetime: UInt64 = 150

    /// A keeper of the tables of a payer of `mint`, which goes on with those that are `known`.
    ///
    /// - Parameters:
    ///   - hidesMint: whether messages must name the mint themselves: whoever signs for another
    ///     sees no place of a table, and refuses what it does not see.
    ///   - threshold: how many accounts that are to be paid must be in no table before one is made.
    ///   - price: for a compute unit, in millionths of a lamport.
    public init(
        _ nodes: SolanaNodes, key: any SolanaSigner, mint: SolanaAddress,
        program: SolanaAddress = .token, hidesMint: Bool = false, threshold: Int = 20,
        price: UInt64 = 1_000, known: [SolanaAddress], remember: @escaping Remember
    ) {
        self.nodes = nodes
        self.key = key
        self.threshold = threshold
        self.price = price
        self.known = known
        self.remember = remember
        hidden = hidesMint ? mint : nil
        let source = SolanaAddress.tokenAccount(of: key.address, mint: mint, program: program)
        common = hidesMint ? [source] : [mint, source]
    }

    /// Whether there may be a table, in use or on its way out.
    public var hasTables: Bool { !known.isEmpty }

    /// Looks at the tables and sends what comes next; see `LookupTablePlan`.
    public func look(wanted: [SolanaAddress], due: [SolanaAddress]) async throws -> Round {
        let slot = max(newestSlot, try await nodes.finalSlot())
        newestSlot = slot
        let tables = try await tables()
        let plan = LookupTablePlan(
            tables, common: common, wanted: wanted, due: due, slot: slot, threshold: threshold)
        if let sent {
            let height = try await nodes.finalHeight()
            guard sent.tables != tables || height > sent.lastValidHeight else {
                return Round(usable: usable(plan), sent: nil)
            }
            self.sent = nil
        }
        let there = tables.map(\.address)
        if known != there {
            if isFirst {
                // One may have been sent before the process began anew.
                isFirst = false
                sent = (tables, try await nodes.finalHeight() + 2 * Self.blockhashLifetime)
                return Round(usable: usable(plan), sent: nil)
            }
            known = there
            try await remember(there)
        }
        isFirst = false
        guard let step = plan.step else { return Round(usable: usable(plan), sent: nil) }
        let transaction = try await send(step, tables)
        return Round(usable: usable(plan), sent: transaction)
    }

    /// The tables as messages may use them. In one of before that holds the mint the table itself
    /// stands in its place: no instruction names that, and the other places stay what they are.
    private func usable(_ plan: LookupTablePlan) -> [SolanaLookupTable] {
        guard let hidden else { return plan.usable }
        return plan.usable.map { table in
            SolanaLookupTable(
                table.address, table.entries.map { $0 == hidden ? table.address : $0 })
        }
    }

    /// The tables as enough nodes see them in their final blocks.
    private func tables() async throws(ChainError) -> [LookupTableAccount] {
        let (addresses, authority, slot) = (known, authority, newestSlot)
        if addresses.isEmpty { return [] }
        return try await nodes.agreed { node throws(ChainError) in
            let accounts = try await node.accounts(addresses, .finalized, since: slot)
            return zip(addresses, accounts).compactMap {
                LookupTableAccount($0, $1, authority: authority)
            }
        }
    }

    private func send(
        _ step: LookupTablePlan.Step, _ tables: [LookupTableAccount]
    ) async throws -> Signature? {
        let payer = authority
        let instruction: SolanaInstruction
        switch step {
        case .make:
            // Of a slot that had a block and will not be left for a fork.
            let slot = try await nodes.finalSlot()
            let made = SolanaInstruction.makeLookupTable(
                at: slot, authority: payer, payer: payer)
            known.append(made.table)
            try await remember(known)
            instruction = made.instruction
        case .extend(let table, let addresses):
            instruction = .extendLookupTable(
                table, by: addresses, authority: payer, payer: payer)
        case .deactivate(let table):
            instruction = .deactivateLookupTable(table, authority: payer)
        case .close(let table):
            instruction = .closeLookupTable(table, authority: payer, refund: payer)
        }
        guard
            let made = try await nodes.send(
                [.computeLimit(Self.units), .computePrice(price), instruction], by: key)
        else { return nil }
        sent = (tables, made.lastValidHeight)
        return made.id
    }
}
