import Chains
public import Clearing
import Logging
public import Primitives

/// Who is paid how, and at once if asked: what the house's two chains have in common.
public final class PayoutDesk: Sendable {
    private let sequencer: Sequencer
    let settlement: SettlementService
    /// The Solana cluster, if parties are paid there.
    public let solana: SolanaSettlement?
    private let log: Logger

    init(
        sequencer: Sequencer, settlement: SettlementService, solana: SolanaSettlement?,
        log: Logger
    ) {
        self.sequencer = sequencer
        self.settlement = settlement
        self.solana = solana
        self.log = log
        if let solana { settlement.reconcile(with: solana.watch) }
    }

    /// Why somebody cannot be paid at once.
    public enum Failure: Error, Sendable {
        /// The house refuses.
        case rejected(Rejection)
        /// The chain or the books do not answer; says why.
        case unavailable(String)

        fileprivate init(_ error: ChainError) {
            if case .waits(let what) = error {
                self = .unavailable(what)
            } else {
                self = .unavailable("the chain does not tell what a payment costs: \(error)")
            }
        }
    }

    /// What settling costs now and may draw on, and what of that is not told or cannot be drawn
    /// on yet.
    private struct Quoted {
        var quotes: SettlementQuotes
        /// Why Solana does not tell its part.
        var trouble: ChainError?
        /// What the contract may not take yet.
        var awaited: [Asset]

        static func isAwaited(_ asset: Asset) -> String {
            "the contract may not take the payer's \(asset.code) yet"
        }
    }

    /// Whoever is paid at once has no ways to compare.
    private func quoted(compares: Bool) async throws(ChainError) -> Quoted {
        guard let prices = try await settlement.prices(compares: compares) else {
            throw .inconsistentNode("the house does not settle by plan")
        }
        var found = Quoted(quotes: prices, awaited: [])
        if let solana {
            do throws(ChainError) {
                found.quotes.solanaFloat = try await solana.float()
                if compares { await compareRoots(&found.quotes, solana) }
            } catch {
                // Who is paid there waits for the cluster; nobody else does.
                log.warning(
                    "the payer's account on Solana cannot be read: nothing is sent from it",
                    metadata: ["error": "\(error)"])
                found.quotes.solanaFloat = .zero
                found.trouble = error
            }
        }
        // Last, since what is booked from here on is not taken off it.
        let (float, awaited) = try await settlement.pushFloat()
        (found.quotes.pushFloat, found.awaited) = (float, awaited)
        return found
    }

    /// Roots are compared with transfers while the cluster tells what they cost.
    private func compareRoots(
        _ quotes: inout SettlementQuotes, _ solana: SolanaSettlement
    ) async {
        do throws(ChainError) {
            try await solana.pool?.quote(&quotes)
        } catch {
            log.warning(
                "the cluster does not tell what a root on Solana costs: none is compared",
                metadata: ["error": "\(error)"])
        }
    }

    /// The command that settles everything payable.
    ///
    /// - Throws: ``Failure/unavailable(_:)`` while the chains do not tell what it would cost.
    public func settlement() async throws(Failure) -> Command {
        // Before what can be sent is asked: the longer ago that is, the more of it may be booked.
        let newHolders = await settlement.newHolders(among: try await due())
        var found: Quoted
        do throws(ChainError) {
            found = try await quoted(compares: true)
        } catch {
            throw Failure(error)
        }
        // Whoever can be sent money shall not have to claim for want of a block.
        if !found.awaited.isEmpty {
            let due = try await due()
            for asset in found.awaited where due.contains(where: { $0.holder.asset == asset }) {
                throw .unavailable(Quoted.isAwaited(asset))
            }
        }
        found.quotes.newHolders = newHolders
        return .settle(found.quotes)
    }

    /// Who may be sent what on the EVM chain, and to which account.
    private func due() async throws(Failure) -> [DuePayee] {
        let onSolana = solana != nil
        do throws(SequencerError) {
            return try await sequencer.read { house in
                house.parties.filter(\.isPushable).flatMap { party in
                    let due = house.due(party.id)
                    return Asset.allCases.filter { asset in
                        let goesElsewhere = onSolana && asset == .usd && party.payout.solana != nil
                        return !goesElsewhere && asset.chainUnits(due[asset]) > 0
                    }.map {
                        DuePayee(
                            holder: .init(party.id, $0), account: party.address, amount: due[$0])
                    }
                }
            }
        } catch {
            throw .unavailable("\(error)")
        }
    }

    /// Gives a root on Solana up that was never committed.
    ///
    /// - Throws: ``Failure/unavailable(_:)`` while something of it may be on its way: it is sent no
    ///   more from now on, and the same is to be asked again in a few minutes.
    public func callOff(_ id: DispersalID) async throws(Failure) {
        let outcome: Sequencer.Outcome?
        do {
            guard let pool = solana?.pool else {
                throw Failure.unavailable("the house pays through no pool")
            }
            outcome = try await pool.callOff(id)
        } catch {
            throw error as? Failure ?? .unavailable("\(error)")
        }
        guard let outcome else {
            throw .unavailable("it may be on its way: it is sent no more, ask again later")
        }
        if case .failure(let rejection) = outcome { throw .rejected(rejection) }
    }

    /// Pays a party at once. The same key with the same content is the same withdrawal however
    /// often it is asked for.
    public func withdraw(
        _ request: WithdrawalRequest
    ) async throws(Failure) -> Dispersal {
        if let known = try await known(request) { return known }
        // Whoever asks for what it has not makes no work for the nodes.
        try await check(request)
        if request.asset == .usd { try settlement.requireCover() }
        let found: Quoted
        do throws(ChainError) {
            found = try await quoted(compares: false)
        } catch {
            throw Failure(error)
        }
        let outcome: Sequencer.Outcome
        do throws(SequencerError) {
            outcome = try await sequencer.submit(request.command(found.quotes))
        } catch {
            throw .unavailable("\(error)")
        }
        if case .failure(.noPayoutRail) = outcome {
            if let trouble = found.trouble {
                throw .unavailable("Solana does not tell what can be paid there: \(trouble)")
            }
            if found.awaited.contains(request.asset) {
                throw .unavailable(Quoted.isAwaited(request.asset))
            }
        }
        if case .failure(let rejection) = outcome, rejection != .withdrawalKeyUsed {
            throw .rejected(rejection)
        }
        guard let made = try await known(request) else { throw .rejected(.dispersalNotFound) }
        return made
    }

    private func check(_ request: WithdrawalRequest) async throws(Failure) {
        guard let minimum = settlement.payer?.options.minimum else { return }
        let refusal: Rejection?
        do throws(SequencerError) {
            refusal = try await sequencer.read { house in
                do throws(Rejection) {
                    try house.checkWithdrawal(
                        of: request.party, request.asset, request.amount, key: request.key,
                        minimum: minimum, at: .systemNow)
                    return nil
                } catch {
                    return error
                }
            }
        } catch {
            throw .unavailable("\(error)")
        }
        // One that was made meanwhile is found by its key.
        if let refusal, refusal != .withdrawalKeyUsed { throw .rejected(refusal) }
    }

    /// The withdrawal that was asked for under the request's key; throws if it was another one.
    private func known(_ request: WithdrawalRequest) async throws(Failure) -> Dispersal? {
        let found: Dispersal?
        do throws(SequencerError) {
            found = try await sequencer.read { $0.withdrawal(of: request.party, key: request.key) }
        } catch {
            throw .unavailable("\(error)")
        }
        if let found, !request.isOf(found) { throw .rejected(.withdrawalKeyUsed) }
        return found
    }
}

/// What a party asks to be paid.
public struct WithdrawalRequest: Hashable, Sendable {
    /// Who asks.
    public let party: PartyID
    /// In what.
    public let asset: Asset
    /// How much.
    public let amount: Amount
    /// Its own name of it.
    public let key: Digest

    /// A request of these parts.
    public init(_ party: PartyID, _ asset: Asset, _ amount: Amount, key: Digest) {
        self.party = party
        self.asset = asset
        self.amount = amount
        self.key = key
    }

    fileprivate func command(_ quotes: SettlementQuotes) -> Command {
        .payOut(party, asset: asset, amount: amount, key: key, quotes: quotes)
    }

    fileprivate func isOf(_ dispersal: Dispersal) -> Bool {
        dispersal.asset == asset
            && dispersal.payments.first.map(\.units) == asset.chainUnits(amount)
    }
}
