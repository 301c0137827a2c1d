import Chains
import Clearing
import Primitives
import Synchronization

/// Dispersals: payments of the house's own money on the EVM chain.
extension SettlementService {
    /// Sends what is to be dispersed, and has halves tried of what the chain refuses. What was sent
    /// is closed by the contract's log alone.
    func sendDispersals() async throws {
        guard let payer else { return }
        try await approve(payer)
        let open = try await sequencer.read { house in
            house.openDispersals.filter { $0.rail == .push && $0.isOpen }
        }
        var waiting = 0
        for dispersal in open {
            let order = order(of: dispersal)
            switch look(at: order.key).step {
            case .submit(let id):
                if try await covers(dispersal, payer) {
                    try await submit(id, order, "dispersal \(dispersal.id)")
                } else {
                    waiting += 1
                }
            case .refused(let failure):
                if isOfThePayees(failure), try await covers(dispersal, payer) {
                    _ = try await sequencer.submit(.splitDispersal(dispersal.id))
                } else {
                    waiting += 1
                }
            case .wait, .withoutBond, .done: continue
            }
        }
        state.withLock { $0.waitingDispersals = waiting }
    }

    private func order(of dispersal: Dispersal) -> SettlementOrder {
        let payments = dispersal.payments.compactMap { payment -> EVMPayment? in
            guard case .evm(let account) = payment.receiver else { return nil }
            return EVMPayment(to: account, units: payment.units)
        }
        return .disperse(
            token: token(of: dispersal.asset), name: dispersal.name, payments: payments)
    }

    func token(of asset: Asset) -> EVMAddress { asset == .usd ? usd : tly }

    /// Whether smaller dispersals may fare better: the chain undid this one, or would have, and not
    /// because it was carried out before.
    private func isOfThePayees(_ failure: EVMIntentFailure) -> Bool {
        switch failure {
        case .wouldRevert(let text): !text.contains("dispersed")
        case .reverted: true
        case .cancelled, .refused, .replaced: false
        }
    }

    /// Whether the payer has what a dispersal takes, so that it is not for want of money that the
    /// chain refuses it.
    private func covers(_ dispersal: Dispersal, _ payer: DispersalPayer) async throws -> Bool {
        let held = try await payer.holdings(
            of: dispersal.asset, at: token(of: dispersal.asset), spender: contract, nodes)
        return held.units >= dispersal.openUnits
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
            let order = SettlementOrder.approve(token: token, spender: contract)
            if case .submit(let id) = look(at: order.key).step {
                try await submit(id, order, "leave to disperse \(asset.code)")
            }
        }
        let approved = isApproved
        state.withLock { $0.isApproved = approved }
    }

    /// Whether the contract may take the payer's tokens; false if the house does not plan.
    public var mayDisperse: Bool { state.withLock { $0.isApproved } }

    // MARK: Quotes

    /// What settling costs on this chain now; `nil` if the house does not settle by plan.
    func quotes() async throws(ChainError) -> SettlementQuotes? {
        guard let payer else { return nil }
        let answers = await nodes.answers { node throws(ChainError) -> GasPrice in
            let (tip, limit) = try await node.fees()
            return GasPrice(tip: tip, limit: limit)
        }
        let prices = answers.compactMap { try? $0.get().wei }.sorted()
        guard !prices.isEmpty else { throw .inconsistentNode("no node tells what gas costs") }
        let dollars = try await payer.holdings(of: .usd, at: usd, spender: contract, nodes)
        let tallies = try await payer.holdings(of: .tly, at: tly, spender: contract, nodes)
        var quotes = Self.quotes(payer, price: prices[prices.count / 2], dollars, tallies)
        quotes.vouches = channels.options != nil
        quotes.gas.voucher = voucherGas
        return quotes
    }

    /// A node's prices for a unit of gas.
    private struct GasPrice: Sendable {
        let wei: UInt128

        /// The limit is the tip and twice what is burned.
        init(tip: UInt128, limit: UInt128) { wei = tip + (limit - tip) / 2 }
    }

    private static func quotes(
        _ payer: DispersalPayer, price: UInt128, _ dollars: TokenHoldings,
        _ tallies: TokenHoldings
    ) -> SettlementQuotes {
        let options = payer.options
        var quotes = SettlementQuotes(
            gasPrice: price, payer: payer.account, minimum: options.minimum,
            refundAbove: options.refundAbove, name: payer.name)
        quotes.bearing = options.bearing
        quotes.batchesPerClaim = options.batchesPerClaim
        quotes.pushFloat = AssetSums(usd: dollars.amount, tly: tallies.amount)
        return quotes
    }
}
