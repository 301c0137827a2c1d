import Cryptography
import Foundation
import Primitives

/// Terms and vouchers as JSON, in the one spelling that counts: exactly the fields of the form,
/// numbers in decimal without leading zeros, hexadecimal in lower case with `0x`, base58 of exactly
/// the bytes. Everything else is refused, so a voucher has one text.
///
/// Sources: `ChannelConfig` and `VoucherFields` of x402's batch-settlement scheme (Python SDK
/// 2.25.0), and the session documents of payment-channels' docs/002-http-protocol.md.
public enum ChannelDocument {
    private static let limit = 64 << 10

    /// Reads terms; their `channelId` has to follow from them.
    public static func terms(_ json: [UInt8]) throws(ChannelRefusal) -> ChannelTerms {
        let all = try fields(json)
        switch try all.text("scheme") {
        case "batch-settlement": return .batch(try batch(all))
        case "payment-channels": return .payment(try payment(all))
        default: throw .wrongDomain
        }
    }

    /// Reads a voucher in the form of the terms' rail; it is not checked yet.
    public static func voucher(
        _ json: [UInt8], of terms: ChannelTerms
    ) throws(ChannelRefusal) -> Voucher {
        let all = try fields(json)
        switch terms {
        case .batch:
            guard all.values["voucher"] == nil else { throw .wrongDomain }
            try all.require(["channelId", "maxClaimableAmount", "signature"])
            return Voucher(
                channel: try all.digest("channelId"),
                cumulative: try all.number("maxClaimableAmount"),
                signature: try all.hex("signature", count: 65))
        case .payment(let channel):
            guard all.values["maxClaimableAmount"] == nil else { throw .wrongDomain }
            return try voucher(all, of: channel)
        }
    }

    /// Reads under which books a voucher was signed; they are not checked yet.
    public static func books(_ json: [UInt8]) throws(ChannelRefusal) -> VoucherBooks {
        let all = try fields(json)
        try all.require([
            "channelId", "maxClaimableAmount", "sequence", "journalHead", "liabilitiesRoot",
            "signature",
        ])
        return VoucherBooks(
            channel: try all.digest("channelId"),
            cumulative: try all.number("maxClaimableAmount"),
            sequence: try all.number("sequence"),
            books: PushedBooks(
                journalHead: try all.digest("journalHead"),
                liabilities: try all.digest("liabilitiesRoot")),
            signature: try all.hex("signature", count: 65))
    }

    /// The books of a voucher as JSON.
    public static func json(_ books: VoucherBooks) -> JSONValue {
        .object([
            "channelId": .data(books.channel.bytes),
            "maxClaimableAmount": .string("\(books.cumulative)"),
            "sequence": .string("\(books.sequence)"),
            "journalHead": .data(books.books.journalHead.bytes),
            "liabilitiesRoot": .data(books.books.liabilities.bytes),
            "signature": .data(books.signature),
        ])
    }

    /// Terms as JSON.
    public static func json(_ terms: ChannelTerms) -> JSONValue {
        switch terms {
        case .batch(let channel):
            let config = channel.config
            return .object([
                "scheme": "batch-settlement", "network": .string("eip155:\(channel.chainID)"),
                "contract": .data(channel.contract.bytes), "channelId": .data(channel.id.bytes),
                "channelConfig": .object([
                    "payer": .data(config.payer.bytes),
                    "payerAuthorizer": .data(config.payerAuthorizer.bytes),
                    "receiver": .data(config.receiver.bytes),
                    "receiverAuthorizer": .data(config.receiverAuthorizer.bytes),
                    "token": .data(config.token.bytes),
                    "withdrawDelay": .integer(Int64(config.withdrawDelay)),
                    "salt": .data(config.salt.bytes),
                ]),
            ])
        case .payment(let channel):
            let terms = channel.terms
            return .object([
                "scheme": "payment-channels", "channelProgram": .base58(channel.program),
                "tokenProgram": .base58(channel.token), "channelId": .base58(channel.address),
                "payer": .base58(terms.payer), "payee": .base58(terms.payee),
                "mint": .base58(terms.mint), "authorizedSigner": .base58(terms.authorizedSigner),
                "rentPayer": .base58(terms.rentPayer), "salt": .string("\(terms.salt)"),
                "openSlot": .string("\(terms.openSlot)"),
                "gracePeriodSeconds": .integer(Int64(terms.gracePeriod)),
                "distributionSplits": .array(
                    terms.splits.map { split in
                        .object([
                            "recipient": .base58(split.recipient),
                            "shareBps": .integer(Int64(split.shareBps)),
                        ])
                    }),
            ])
        }
    }

    /// A voucher as JSON, in the form of the terms' rail.
    public static func json(_ voucher: Voucher, of terms: ChannelTerms) -> JSONValue {
        switch terms {
        case .batch:
            return .object([
                "channelId": .data(voucher.channel.bytes),
                "maxClaimableAmount": .string("\(voucher.cumulative)"),
                "signature": .data(voucher.signature),
            ])
        case .payment(let channel):
            var inner: [String: JSONValue] = [
                "channelId": .base58(channel.address),
                "cumulativeAmount": .string("\(voucher.cumulative)"),
            ]
            if voucher.expiresAt != 0 { inner["expiresAt"] = .string(time(voucher.expiresAt)) }
            return .object([
                "voucher": .object(inner), "signer": .base58(channel.terms.authorizedSigner),
                "signature": .string(Base58.encode(voucher.signature)),
                "signatureType": "ed25519",
            ])
        }
    }

    private static func fields(_ json: [UInt8]) throws(ChannelRefusal) -> JSONFields {
        guard json.count <= limit,
            let tree = try? JSONDecoder().decode(JSONTree.self, from: Data(json))
        else { throw .malformed }
        return try tree.fields()
    }

    private static func batch(_ all: JSONFields) throws(ChannelRefusal) -> BatchChannel {
        try all.require(["scheme", "network", "contract", "channelId", "channelConfig"])
        let network = try all.text("network")
        guard network.hasPrefix("eip155:") else { throw .wrongDomain }
        let chainID: UInt64 = try JSONFields.number(String(network.dropFirst(7)))
        let parts = try all.inner("channelConfig")
        try parts.require([
            "payer", "payerAuthorizer", "receiver", "receiverAuthorizer", "token", "withdrawDelay",
            "salt",
        ])
        let config = BatchChannel.Config(
            payer: try parts.address("payer"),
            payerAuthorizer: try parts.address("payerAuthorizer"),
            receiver: try parts.address("receiver"),
            receiverAuthorizer: try parts.address("receiverAuthorizer"),
            token: try parts.address("token"), withdrawDelay: try parts.whole("withdrawDelay"),
            salt: try parts.digest("salt"))
        let channel = try BatchChannel(
            config, chainID: chainID, contract: try all.address("contract"))
        guard try all.digest("channelId") == channel.id else { throw .wrongChannel }
        return channel
    }

    private static func payment(_ all: JSONFields) throws(ChannelRefusal) -> PaymentChannel {
        try all.require([
            "scheme", "channelProgram", "tokenProgram", "channelId", "payer", "payee", "mint",
            "authorizedSigner", "rentPayer", "salt", "openSlot", "gracePeriodSeconds",
            "distributionSplits",
        ])
        var splits: [PaymentChannel.Split] = []
        for tree in try all.list("distributionSplits") {
            let part = try tree.fields()
            try part.require(["recipient", "shareBps"])
            guard let share = UInt16(exactly: try part.whole("shareBps")) else {
                throw .invalidTerms
            }
            splits.append(PaymentChannel.Split(try part.base58("recipient"), shareBps: share))
        }
        guard let grace = UInt32(exactly: try all.whole("gracePeriodSeconds")) else {
            throw .invalidTerms
        }
        let terms = PaymentChannel.Terms(
            payer: try all.base58("payer"), payee: try all.base58("payee"),
            mint: try all.base58("mint"), authorizedSigner: try all.base58("authorizedSigner"),
            salt: try all.number("salt"), openSlot: try all.number("openSlot"),
            gracePeriod: grace, splits: splits, rentPayer: try all.base58("rentPayer"))
        let channel = try PaymentChannel(
            terms, program: try all.base58("channelProgram"), token: try all.base58("tokenProgram"))
        guard try all.base58("channelId") == channel.address else { throw .wrongChannel }
        return channel
    }

    private static func voucher(
        _ all: JSONFields, of channel: PaymentChannel
    ) throws(ChannelRefusal) -> Voucher {
        try all.require(["voucher", "signer", "signature", "signatureType"])
        guard try all.text("signatureType") == "ed25519" else { throw .wrongDomain }
        let inner = try all.inner("voucher")
        try inner.require(["channelId", "cumulativeAmount"], optional: ["expiresAt"])
        var end: Int64 = 0
        if inner.values["expiresAt"] != nil {
            let text = try inner.text("expiresAt")
            guard let date = ISO8601DateFormatter().date(from: text) else { throw .malformed }
            end = Int64(date.timeIntervalSince1970)
            guard end != 0, time(end) == text else { throw .notCanonical }
        }
        let sum: UInt64 = try inner.number("cumulativeAmount")
        let signature = Base58.decode(try all.text("signature"), limit: 64)
        guard let signature, signature.count == 64 else { throw .malformed }
        guard try all.base58("signer") == channel.terms.authorizedSigner else {
            throw .wrongSigner
        }
        return Voucher(
            channel: try inner.base58("channelId").value, cumulative: UInt128(sum), expiresAt: end,
            signature: signature)
    }

    /// A second since 1970 as RFC 3339 writes it.
    private static func time(_ second: Int64) -> String {
        ISO8601DateFormatter().string(from: Date(timeIntervalSince1970: TimeInterval(second)))
    }
}

extension JSONValue {
    fileprivate static func base58(_ address: SolanaAddress) -> JSONValue {
        .string(address.description)
    }
}

/// JSON as far as these documents have it.
private enum JSONTree: Decodable {
    case text(String)
    case whole(UInt64)
    case list([JSONTree])
    case object([String: JSONTree])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            self = .text(text)
        } else if let number = try? container.decode(UInt64.self) {
            self = .whole(number)
        } else if let list = try? container.decode([JSONTree].self) {
            self = .list(list)
        } else {
            self = .object(try container.decode([String: JSONTree].self))
        }
    }

    func fields() throws(ChannelRefusal) -> JSONFields {
        guard case .object(let values) = self else { throw .malformed }
        return JSONFields(values: values)
    }
}

/// One JSON object.
private struct JSONFields {
    let values: [String: JSONTree]

    func require(
        _ names: Set<String>, optional: Set<String> = []
    ) throws(ChannelRefusal) {
        let there = Set(values.keys)
        guard there.isSuperset(of: names), there.isSubset(of: names.union(optional)) else {
            throw .malformed
        }
    }

    func text(_ name: String) throws(ChannelRefusal) -> String {
        guard case .text(let text)? = values[name] else { throw .malformed }
        return text
    }

    func whole(_ name: String) throws(ChannelRefusal) -> UInt64 {
        guard case .whole(let number)? = values[name] else { throw .malformed }
        return number
    }

    func inner(_ name: String) throws(ChannelRefusal) -> JSONFields {
        guard let tree = values[name] else { throw .malformed }
        return try tree.fields()
    }

    func list(_ name: String) throws(ChannelRefusal) -> [JSONTree] {
        guard case .list(let list)? = values[name] else { throw .malformed }
        return list
    }

    func number<Number: FixedWidthInteger>(_ name: String) throws(ChannelRefusal) -> Number {
        try Self.number(try text(name))
    }

    static func number<Number: FixedWidthInteger>(
        _ text: String
    ) throws(ChannelRefusal) -> Number {
        guard let number = Number(text) else { throw .malformed }
        guard "\(number)" == text else { throw .notCanonical }
        return number
    }

    func hex(_ name: String, count: Int) throws(ChannelRefusal) -> [UInt8] {
        let text = try text(name)
        guard let bytes = Hex.decode(text), bytes.count == count else { throw .malformed }
        guard text == "0x" + Hex.encode(bytes) else { throw .notCanonical }
        return bytes
    }

    func digest(_ name: String) throws(ChannelRefusal) -> Digest {
        guard let digest = Digest(try hex(name, count: 32)) else { throw .malformed }
        return digest
    }

    /// An account, also in the mixed-case spelling of EIP-55, which is checked.
    func address(_ name: String) throws(ChannelRefusal) -> EVMAddress {
        let text = try text(name)
        guard EVMAddress(hex: text) != nil else { throw .malformed }
        guard let address = EVMAddress(checking: text) else { throw .notCanonical }
        return address
    }

    func base58(_ name: String) throws(ChannelRefusal) -> SolanaAddress {
        guard let address = SolanaAddress(try text(name)) else { throw .malformed }
        return address
    }
}
