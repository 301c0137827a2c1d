import Chains
import Clearing
import Foundation
public import Primitives
import Synchronization

/// What a party is promised through a payment channel, with what it claims it by. Sums are decimal
/// text; `..._units` are chain units.
public struct VoucherStatement: Codable, Hashable, Sendable {
    /// The house's number of the channel.
    public let channel: UInt64
    /// What it is in.
    public let asset: String
    /// What can be claimed now.
    public let amount: String
    /// The same in chain units.
    public let amountUnits: String
    /// All that is promised, in chain units.
    public let cumulative: String
    /// What was claimed of it, in chain units, by logs that are deep enough.
    public let claimed: String
    /// What lies in the channel, what was claimed included, in chain units.
    public let deposit: String
    /// The channel's terms: the text of a document that `exchequer channels` takes.
    public let terms: String
    /// The voucher: the text of a document too; `nil` if the house does not have the key to sign
    /// it.
    public let voucher: String?

    enum CodingKeys: String, CodingKey {
        case channel, asset, amount, cumulative, claimed, deposit, terms, voucher
        case amountUnits = "amount_units"
    }
}

extension SettlementService {
    /// The channels through which a party is promised something, and the vouchers, signed now: the
    /// same sum is always the same bytes. With `unclaimed` only those with something to be claimed.
    public func vouchers(
        of party: PartyID, unclaimed: Bool
    ) async throws(SequencerError) -> [VoucherStatement] {
        let records = try await sequencer.read { house in
            house.channels.filter { channel in
                channel.party == party
                    && (unclaimed ? channel.unclaimed > 0 : channel.promised > 0)
            }
        }
        return records.compactMap { record in
            guard let channel = channels.channel(record.terms) else { return nil }
            let terms = ChannelTerms.batch(channel)
            return VoucherStatement(
                channel: record.id.rawValue, asset: record.asset.code,
                amount: record.asset.text(units: record.unclaimed),
                amountUnits: "\(record.unclaimed)", cumulative: "\(record.promised)",
                claimed: "\(record.claimed)", deposit: "\(record.balance)",
                terms: Self.text(ChannelDocument.json(terms)),
                voucher: voucher(record).map { Self.text(ChannelDocument.json($0, of: terms)) })
        }
    }

    /// The voucher of a channel. Signed once for each sum: anybody may ask, and a signature takes
    /// a moment.
    private func voucher(_ record: HouseChannel) -> Voucher? {
        let known = state.withLock { $0.vouchers[record.id] }
        if let known, known.cumulative == record.promised { return known }
        let made = channels.voucher(record)
        state.withLock { $0.vouchers[record.id] = made }
        return made
    }

    private static func text(_ document: JSONValue) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(document) else {
            preconditionFailure("text and numbers always have a JSON form")
        }
        return String(decoding: data, as: UTF8.self)
    }
}
