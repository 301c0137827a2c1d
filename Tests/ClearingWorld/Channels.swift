public import Clearing
public import Primitives
import Testing

extension World {
    /// A channel to a party of so many chain units, as the shell would draw it up.
    public static func channel(
        _ party: PartyID, deposit: UInt128 = 100_000, number: UInt64 = 1
    ) -> ChannelDraft {
        ChannelDraft(
            party: party, asset: .usd, payer: address(UInt8(payer.rawValue)),
            receiver: receiver(party), contract: address(90), token: address(91),
            withdrawDelay: 900, salt: digest(600 + number),
            key: Digest(words: (5, 5, party.rawValue, number)), deposit: deposit)
    }

    /// Whom a party wants paid through its channel.
    public static func receiver(_ party: PartyID) -> EVMAddress {
        address(UInt8(100 + party.rawValue))
    }

    /// Quotes of a house that signs vouchers.
    public static func vouching(
        _ change: (inout SettlementQuotes) -> Void = { _ in }
    ) -> SettlementQuotes {
        quotes {
            $0.vouches = true
            $0.datesVouchers = true
            change(&$0)
        }
    }

    /// Opens a channel to a party that asks for it, and pays the deposit in.
    public mutating func openChannel(
        _ party: PartyID, deposit: UInt128 = 100_000, number: UInt64 = 1
    ) {
        run(.setPayout(party, PayoutSettings(channel: World.receiver(party))))
        let draft = World.channel(party, deposit: deposit, number: number)
        run(.openChannel(draft))
        observe(.channelMoved(draft.key, .deposited(deposit)))
    }

    /// Some books, as if of a place of the journal.
    public static func books(
        _ sequence: UInt64, batch: BatchID = .none
    ) -> LiabilityCommitment {
        LiabilityCommitment(
            batch: batch, sequence: sequence, head: digest(sequence), depth: 4, totals: .zero,
            top: digest(1_000 + sequence))
    }

    /// A command about payment channels, sensible or senseless.
    public mutating func channelCommand(_ random: inout SplitMix64) -> Command {
        let party = PartyID(1 + random.below(4))
        let number = UInt64(house.channels.count { $0.party == party })
        let last = house.channel(of: party, .usd)
        let key = last?.terms.key ?? World.digest(1)
        let units = UInt128(random.below(60_000))
        switch random.below(10) {
        case 0: return .setPayout(party, PayoutSettings(channel: World.receiver(party)))
        case 1:
            let draft = World.channel(party, deposit: units, number: number + 1)
            return .openChannel(draft)
        case 2:
            let missing = last.map { $0.openDeposit } ?? units
            return .observeChain(nextReference(), .channelMoved(key, .deposited(missing)))
        case 3, 4:
            let unclaimed = last.map { $0.unclaimed } ?? units
            let total = (last?.claimed ?? 0) + unclaimed
            return .observeChain(
                nextReference(), .channelClaimed(key, total: total, chainUnits: unclaimed))
        case 5:
            let total = (last?.targets.last ?? 0) + units
            return .fundChannel(last?.id ?? ChannelID(1), total: total)
        case 6: return .closeChannel(last?.id ?? ChannelID(1))
        case 7: return .observeChain(nextReference(), .channelMoved(key, .withdrawing))
        case 8:
            let wrong = random.below(4) == 0
            let sums = house.unsealedVouchers.map {
                VoucherSum($0.channel, cumulative: $0.cumulative + (wrong ? 1 : 0))
            }
            return .sealVouchers(sums, books: World.books(random.below(1_000)))
        default:
            let rest = last?.rest ?? units
            let move = random.below(3) == 0 ? ChannelMove.refunded(rest) : .withdrawn(rest)
            return .observeChain(nextReference(), .channelMoved(key, move))
        }
    }
}
