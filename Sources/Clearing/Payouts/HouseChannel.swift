public import Primitives

/// A payment channel to open: its terms on chain and its first deposit.
///
/// The shell makes its key of the other terms, which this kernel could not: it knows no hash of
/// that chain.
public struct ChannelDraft: Hashable, Sendable {
    /// Who is paid through it.
    public var party: PartyID
    /// In what.
    public var asset: Asset
    /// Whose money is deposited, and whose key signs vouchers.
    public var payer: EVMAddress
    /// Whom the contract pays.
    public var receiver: EVMAddress
    /// The contract that holds the deposit.
    public var contract: EVMAddress
    /// The asset's token on chain.
    public var token: EVMAddress
    /// Seconds from the payer's word that it takes the deposit back until it can.
    public var withdrawDelay: UInt64
    /// Tells channels of the same parties apart.
    public var salt: Digest
    /// What the contract knows it by.
    public var key: Digest
    /// What is deposited at first, in chain units.
    public var deposit: UInt128

    /// A draft with all its fields.
    public init(
        party: PartyID, asset: Asset, payer: EVMAddress, receiver: EVMAddress,
        contract: EVMAddress, token: EVMAddress, withdrawDelay: UInt64, salt: Digest, key: Digest,
        deposit: UInt128
    ) {
        self.party = party
        self.asset = asset
        self.payer = payer
        self.receiver = receiver
        self.contract = contract
        self.token = token
        self.withdrawDelay = withdrawDelay
        self.salt = salt
        self.key = key
        self.deposit = deposit
    }
}

/// A change of what lies in a channel, from a log of its contract. In chain units.
public enum ChannelMove: Hashable, Sendable {
    /// Money came in.
    case deposited(UInt128)
    /// The payer has said that it takes the deposit back.
    case withdrawing
    /// The payer has taken back what was not claimed.
    case withdrawn(UInt128)
    /// The receiver has given back what it had not claimed.
    case refunded(UInt128)
}

/// A payment channel from the house to a payee, as the books have it. All sums are counted from
/// its opening on, in chain units, and follow the contract's logs, but for what is promised.
///
/// A voucher cannot be taken back, so what is promised only grows, and never beyond what lies in
/// the channel as far as logs have told.
public struct HouseChannel: Hashable, Sendable {
    /// The channel's number, from 1, without gaps.
    public let id: ChannelID
    /// Its terms.
    public let terms: ChannelDraft
    /// The payer's party, which takes over what is claimed.
    public let payer: PartyID
    /// When it was decided.
    public let madeAt: Timestamp
    /// What is to have been deposited after each deposit of the house's.
    public internal(set) var targets: [UInt128]
    /// All that was deposited.
    public internal(set) var received: UInt128 = 0
    /// All that was given back to the payer.
    public internal(set) var returned: UInt128 = 0
    /// All that is promised: what the payee's last voucher says.
    public internal(set) var promised: UInt128 = 0
    /// All that the payee has claimed.
    public internal(set) var claimed: UInt128 = 0
    /// How many settlements paid by it.
    public internal(set) var vouchers: UInt32 = 0
    /// When it was last claimed, or first promised something after all was claimed, whichever is
    /// later: what is unclaimed waits at least since then. `nil` before the first dated promise.
    public internal(set) var waitingSince: Timestamp?
    /// Whether the payer is taking the deposit back, and the block in which it said so last.
    public internal(set) var isWithdrawing = false
    /// See `isWithdrawing`.
    public internal(set) var withdrawingSince: UInt64 = 0
    /// How often the payer has taken the deposit back.
    public internal(set) var withdrawals: UInt32 = 0
    /// Whether it is used no more.
    public internal(set) var isClosing = false

    init(id: ChannelID, terms: ChannelDraft, payer: PartyID, madeAt: Timestamp) {
        self.id = id
        self.terms = terms
        self.payer = payer
        self.madeAt = madeAt
        targets = [terms.deposit]
    }

    /// Who is paid through it.
    public var party: PartyID { terms.party }
    /// In what.
    public var asset: Asset { terms.asset }
    /// What lies in it, what was claimed included.
    public var balance: UInt128 { received - min(received, returned) }
    /// What is promised and not claimed: money that is reserved.
    public var unclaimed: UInt128 { promised - min(promised, claimed) }
    /// What can still be promised.
    public var room: UInt128 {
        let taken = max(promised, claimed)
        return isClosing || isWithdrawing ? 0 : balance - min(balance, taken)
    }
    /// What the house is still to deposit.
    public var openDeposit: UInt128 {
        let target = targets.last ?? 0
        return isClosing ? 0 : target - min(target, received)
    }
    /// What the payer can take back.
    public var rest: UInt128 {
        let taken = max(promised, claimed)
        return balance - min(balance, taken)
    }
    /// Whether nothing more will become of it, not even of a deposit that was reversed. What the
    /// payer has said that it takes back may have been given back meanwhile.
    public var isOver: Bool {
        isClosing && unclaimed == 0 && rest == 0 && received >= targets.last ?? 0
    }
}

extension ChannelDraft: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(party)
        writer.write(asset)
        for address in [payer, receiver, contract, token] { writer.write(address) }
        writer.write(withdrawDelay)
        writer.write(salt)
        writer.write(key)
        writer.write(deposit)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            party: try reader.read(), asset: try reader.read(), payer: try reader.read(),
            receiver: try reader.read(), contract: try reader.read(), token: try reader.read(),
            withdrawDelay: try reader.readUInt64(), salt: try reader.readDigest(),
            key: try reader.readDigest(), deposit: try reader.readUInt128())
    }
}

extension ChannelMove: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .deposited(let units):
            writer.write(UInt8(1))
            writer.write(units)
        case .withdrawing: writer.write(UInt8(2))
        case .withdrawn(let units):
            writer.write(UInt8(3))
            writer.write(units)
        case .refunded(let units):
            writer.write(UInt8(4))
            writer.write(units)
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        switch try reader.readUInt8() {
        case 1: self = .deposited(try reader.readUInt128())
        case 2: self = .withdrawing
        case 3: self = .withdrawn(try reader.readUInt128())
        case 4: self = .refunded(try reader.readUInt128())
        default: throw .invalidValue("channel move")
        }
    }
}

/// All of it but since when vouchers wait, which stands in a part of the state of its own.
extension HouseChannel: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(id)
        writer.write(terms)
        writer.write(payer)
        writer.write(madeAt)
        writer.write(UInt32(targets.count))
        for sum in targets + [received, returned, promised, claimed] { writer.write(sum) }
        writer.write(vouchers)
        writer.write(isWithdrawing)
        writer.write(withdrawingSince)
        writer.write(withdrawals)
        writer.write(isClosing)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            id: try reader.read(), terms: try reader.read(), payer: try reader.read(),
            madeAt: try reader.read())
        targets = []
        for _ in 0..<(try reader.readCount(limit: .max)) {
            targets.append(try reader.readUInt128())
        }
        received = try reader.readUInt128()
        returned = try reader.readUInt128()
        promised = try reader.readUInt128()
        claimed = try reader.readUInt128()
        vouchers = try reader.readUInt32()
        isWithdrawing = try reader.readBool()
        withdrawingSince = try reader.readUInt64()
        withdrawals = try reader.readUInt32()
        isClosing = try reader.readBool()
        if targets.isEmpty { throw .invalidValue("deposits") }
    }
}
