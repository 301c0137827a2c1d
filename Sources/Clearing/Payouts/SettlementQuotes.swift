public import Primitives

/// How a payee is paid. Numbers are stable for ever.
public enum PayoutRail: UInt8, CaseIterable, Hashable, Sendable {
    /// A leaf of a cumulative Merkle root, which the payee claims when it likes.
    case root = 1
    /// A transfer that the house sends on the EVM chain, up to 500 in one transaction.
    case push = 2
    /// A voucher of a payment channel that is open to the payee already.
    case voucher = 3
    /// A transfer that the house sends on Solana, up to 54 in one transaction.
    case solana = 4
    /// A leaf of a cumulative Merkle root of a pool on Solana, which the payee claims there when it
    /// likes.
    case pool = 5
}

/// Whose gas counts when ways to pay are compared. Numbers are stable for ever.
public enum GasBearing: UInt8, CaseIterable, Hashable, Sendable {
    /// What the house sends; payees pay for their own claims.
    case house = 1
    /// The payees' claims as well.
    case everyone = 2
}

/// Gas of what settles, as measured on py-evm (docs/reference/contracts.md, "later").
public struct GasTable: Hashable, Sendable {
    /// Committing a root.
    public var commit: UInt64 = 39_535
    /// Making it the one that pays, with both tokens.
    public var activate: UInt64 = 90_091
    /// A claim in a tree of 16,384 leaves.
    public var claim: UInt64 = 57_872
    /// One of twenty claims that are sent together.
    public var claimTogether: UInt64 = 29_572
    /// A dispersal without its payees, with the books it is made under: what is left of 50 and of
    /// 500 when 9,025 are taken for each.
    public var dispersal: UInt64 = 63_400
    /// Each payee of a dispersal that holds the token already.
    public var payee: UInt64 = 9_025
    /// What a payee pays to have a voucher claimed, as far as it counts; 0 if it is free.
    public var voucher: UInt64 = 0

    /// The measured figures.
    public init() {}
}

/// Who holds none of the token that it is due: then its balance is a slot that is zero, and the
/// first transfer to it costs more, whoever pays for it.
public struct NewHolders: Hashable, Sendable {
    /// A party and a token of which it holds nothing.
    public struct Holder: Hashable, Sendable {
        /// Who.
        public let party: PartyID
        /// Of what.
        public let asset: Asset

        /// A party that holds nothing of an asset.
        public init(_ party: PartyID, _ asset: Asset) {
            self.party = party
            self.asset = asset
        }
    }

    /// Of so many at most it is asked. Where more are due something, a root is cheaper for the
    /// house whoever they are; and if everyone's gas counts, each way costs the same more.
    public static let most = 64
    /// What such a transfer costs beyond others: a slot that was zero takes 20,000 gas, one that
    /// was not 2,900 (EIP-2200, EIP-2929).
    public var gas: UInt64 = 17_100
    /// All of those that could be sent money.
    public let all: [Holder]

    /// These parties, at the usual gas; 64 at most, as no journal can be read that has more.
    public init(_ all: [Holder]) {
        precondition(all.count <= Self.most, "new holders of more parties than are asked about")
        self.all = all
    }
}

/// What settling costs and what it may draw on, as the shell found it. It is part of the command
/// that settles, so a replay decides the same.
public struct SettlementQuotes: Hashable, Sendable {
    /// Wei for a unit of gas.
    public var gasPrice: UInt128
    /// Gas of each operation.
    public var gas = GasTable()
    /// Whose gas counts.
    public var bearing = GasBearing.house
    /// How many batches a payee lets pass from one claim to the next; at least 1.
    public var batchesPerClaim: UInt16 = 1
    /// Lamports for the signature of a Solana transaction.
    public var signatureLamports: UInt64 = 5_000
    /// Lamports offered on top for one with all its transfers.
    public var priorityLamports: UInt64 = 0
    /// The least that is sent or calls for a root; less waits in the books.
    public var minimum: AssetSums
    /// What the payer's account on the EVM chain may send; `nil` if nothing is pushed there.
    public var pushFloat: AssetSums?
    /// The dollars that the payer's account on Solana holds; `nil` without that rail.
    public var solanaFloat: Amount?
    /// Whose money it is that is sent: it takes over the claims of those who are paid.
    public var payer: EVMAddress
    /// From how much on the payer's own claims call for a root.
    public var refundAbove: AssetSums
    /// What the names of dispersals are made of: the same for no two houses.
    public var name: Digest
    /// Whether vouchers can be signed for the payer's channels: what they cost does not say it,
    /// as they may be free.
    public var vouches = false
    /// Whether it is noted since when vouchers wait to be claimed. Settlements of before have not
    /// done so, and a replay of them does not either.
    public var datesVouchers = false
    /// Who holds none of what it is due; `nil` if that was not asked.
    public var newHolders: NewHolders?
    /// The pool on Solana whose roots are compared with transfers there; `nil` without one.
    public var pool: PoolQuote?

    /// Quotes of a payer, without any rail but the root.
    public init(
        gasPrice: UInt128, payer: EVMAddress, minimum: AssetSums, refundAbove: AssetSums,
        name: Digest
    ) {
        self.gasPrice = gasPrice
        self.payer = payer
        self.minimum = minimum
        self.refundAbove = refundAbove
        self.name = name
    }
}

extension GasTable: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        for gas in [commit, activate, claim, claimTogether, dispersal, payee, voucher] {
            writer.write(gas)
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        commit = try reader.readUInt64()
        activate = try reader.readUInt64()
        claim = try reader.readUInt64()
        claimTogether = try reader.readUInt64()
        dispersal = try reader.readUInt64()
        payee = try reader.readUInt64()
        voucher = try reader.readUInt64()
    }
}

extension SettlementQuotes: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(gasPrice)
        writer.write(gas)
        // The top bit says that there are vouchers, the next one that they are dated, the third
        // that new holders follow, the fourth that a pool does: without them the bytes are those
        // of before.
        writer.write(
            bearing.rawValue | (vouches ? 0x80 : 0) | (datesVouchers ? 0x40 : 0)
                | (newHolders != nil ? 0x20 : 0) | (pool != nil ? 0x10 : 0))
        writer.write(batchesPerClaim)
        writer.write(signatureLamports)
        writer.write(priorityLamports)
        writer.write(minimum)
        writer.write(pushFloat)
        writer.write(solanaFloat)
        writer.write(payer)
        writer.write(refundAbove)
        writer.write(name)
        if let newHolders { writer.write(newHolders) }
        if let pool { writer.write(pool) }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        gasPrice = try reader.readUInt128()
        gas = try reader.read()
        let mark = try reader.readUInt8()
        guard let bearing = GasBearing(rawValue: mark & 0x0F) else {
            throw .invalidValue("gas bearing")
        }
        self.bearing = bearing
        vouches = mark & 0x80 != 0
        datesVouchers = mark & 0x40 != 0
        batchesPerClaim = try reader.readUInt16()
        signatureLamports = try reader.readUInt64()
        priorityLamports = try reader.readUInt64()
        minimum = try reader.read()
        pushFloat = try reader.readOptional()
        solanaFloat = try reader.readOptional()
        payer = try reader.read()
        refundAbove = try reader.read()
        name = try reader.readDigest()
        if mark & 0x20 != 0 { newHolders = try reader.read() }
        if mark & 0x10 != 0 { pool = try reader.read() }
    }
}

extension NewHolders: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(gas)
        writer.write(all)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        let gas = try reader.readUInt64()
        self.init(try reader.readArray(limit: Self.most))
        self.gas = gas
    }
}

extension NewHolders.Holder: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(party)
        writer.write(asset)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(try reader.read(), try reader.read())
    }
}
