import Chains
import Clearing
import Foundation
import Logging
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
    /// it, or its signer gives no signature now.
    public let voucher: String?
    /// Under which books the house signed it: the text of a document too; `nil` as long as that is
    /// not fixed, and without the key.
    public let books: String?

    enum CodingKeys: String, CodingKey {
        case channel, asset, amount, cumulative, claimed, deposit, terms, voucher, books
        case amountUnits = "amount_units"
    }
}

/// What a signer gave no signature for: each kind is asked for again by itself, so that a refused
/// deposit keeps nobody's voucher back.
struct UnsignedPaper: Hashable, Sendable {
    enum Kind: Hashable, Sendable { case deposit, voucher, books }

    let channel: ChannelID
    let kind: Kind
}

/// Why a signer gave no signature, and until when it is not asked again.
struct WithheldSignature: Sendable {
    let why: SigningFailure
    let until: ContinuousClock.Instant
}

/// What was signed for a channel's sum.
struct SignedVoucher: Sendable {
    let cumulative: UInt128
    let seal: VoucherSeal?
    /// `nil` if the house does not have the key.
    let voucher: Voucher?
    let books: VoucherBooks?

    /// Whether nothing of it is to be asked for again.
    var isWhole: Bool { voucher != nil && (seal == nil || books != nil) }
}

extension SettlementService {
    /// The channels through which a party is promised something, and the vouchers, signed now: the
    /// same sum is always the same bytes. With `unclaimed` only those with something to be claimed.
    public func vouchers(
        of party: PartyID, unclaimed: Bool
    ) async throws(SequencerError) -> [VoucherStatement] {
        func records() async throws(SequencerError) -> [(HouseChannel, VoucherSeal?)] {
            try await sequencer.read { house in
                house.channels.filter { channel in
                    channel.party == party
                        && (unclaimed ? channel.unclaimed > 0 : channel.promised > 0)
                }.map { ($0, house.seal(ofVouchers: $0.id)) }
            }
        }
        var found = try await records()
        // Anybody may ask: nothing is written down for one who waits for no books.
        if found.contains(where: { $0.1?.sum.cumulative != $0.0.promised }) {
            await sealVouchers()
            found = try await records()
        }
        var statements: [VoucherStatement] = []
        for (record, seal) in found {
            guard let channel = channels.channel(record.terms) else { continue }
            let terms = ChannelTerms.batch(channel)
            let signed = await signed(record, seal)
            let statement = VoucherStatement(
                channel: record.id.rawValue, asset: record.asset.code,
                amount: record.asset.text(units: record.unclaimed),
                amountUnits: "\(record.unclaimed)", cumulative: "\(record.promised)",
                claimed: "\(record.claimed)", deposit: "\(record.balance)",
                terms: Self.text(ChannelDocument.json(terms)),
                voucher: signed.voucher.map { Self.text(ChannelDocument.json($0, of: terms)) },
                books: signed.books.map { Self.text(ChannelDocument.json($0)) })
            statements.append(statement)
        }
        return statements
    }

    /// Nobody waits for its money because books cannot be fixed: that is told, and tried again.
    private func sealVouchers() async {
        do {
            try await sealing.sealVouchers()
        } catch {
            log.error("vouchers wait for their books", metadata: ["why": "\(error)"])
        }
    }

    /// The voucher of a channel and its books. Signed once for each sum: anybody may ask, and a
    /// signature takes a moment.
    private func signed(_ record: HouseChannel, _ seal: VoucherSeal?) async -> SignedVoucher {
        // Books of an earlier sum say nothing of this one.
        let seal = seal.flatMap { $0.sum.cumulative == record.promised ? $0 : nil }
        let known = state.withLock { $0.vouchers[record.id] }
        let isKnown = known?.cumulative == record.promised
        if let known, isKnown, known.seal == seal, known.isWhole { return known }
        let payer = channels
        var voucher = isKnown ? known?.voucher : nil
        if voucher == nil {
            voucher = await withSignature(.voucher, for: record) {
                () async throws(SigningFailure) in
                try await payer.voucher(record)
            }
        }
        var books: VoucherBooks?
        if let seal, voucher != nil {
            books = await withSignature(.books, for: record) {
                () async throws(SigningFailure) in
                try await payer.books(record, seal)
            }
        }
        let made = SignedVoucher(
            cumulative: record.promised, seal: seal, voucher: voucher, books: books)
        if voucher != nil { state.withLock { $0.vouchers[record.id] = made } }
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
