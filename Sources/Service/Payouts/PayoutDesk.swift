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
    }

    /// What settling costs now and may draw on, and why Solana does not tell its part. Whoever is
    /// paid at once has no ways to compare.
    private func quotes(
        compares: Bool
    ) async throws(ChainError) -> (SettlementQuotes, trouble: ChainError?) {
        guard var quotes = try await settlement.quotes(compares: compares) else {
            throw .inconsistentNode("the house does not settle by plan")
        }
        if let solana {
            do throws(ChainError) {
                quotes.solanaFloat = try await solana.float()
            } catch {
                // Who is paid there waits for the cluster; nobody else does.
                log.warning(
                    "the payer's account on Solana cannot be read: nothing is sent from it",
                    metadata: ["error": "\(error)"])
                quotes.solanaFloat = .zero
                return (quotes, error)
            }
        }
        return (quotes, nil)
    }

    /// The command that settles everything payable; `nil` while the chains do not tell what it
    /// would cost.
    public func settlement() async -> Command? {
        do throws(ChainError) {
            return .settle(try await quotes(compares: true).0)
        } catch {
            log.warning("settlement waits for its quotes", metadata: ["error": "\(error)"])
            return nil
        }
    }

    /// Pays a party at once. The same key with the same content is the same withdrawal however
    /// often it is asked for.
    public func withdraw(
        _ request: WithdrawalRequest
    ) async throws(Failure) -> Dispersal {
        if let known = try await known(request) { return known }
        let command: Command
        let trouble: ChainError?
        do throws(ChainError) {
            let (quotes, unread) = try await quotes(compares: false)
            (command, trouble) = (request.command(quotes), unread)
        } catch {
            throw .unavailable("the chain does not tell what a payment costs: \(error)")
        }
        let outcome: Sequencer.Outcome
        do throws(SequencerError) {
            outcome = try await sequencer.submit(command)
        } catch {
            throw .unavailable("\(error)")
        }
        if case .failure(.noPayoutRail) = outcome, let trouble {
            throw .unavailable("Solana does not tell what can be paid there: \(trouble)")
        }
        if case .failure(let rejection) = outcome, rejection != .withdrawalKeyUsed {
            throw .rejected(rejection)
        }
        guard let made = try await known(request) else { throw .rejected(.dispersalNotFound) }
        return made
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
