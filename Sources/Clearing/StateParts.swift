import Economics
import Primitives

/// Which parts of a house's bytes are there. What came after the first version is written only if
/// there is any of it, so that a house without has the bytes, and the state hash, of before; the
/// top byte of what is left to emit says which. Amounts are far below that. The byte is full: the
/// next part takes the one below it, and refuses the bits of it that are of no part.
struct StateParts: OptionSet, Hashable, Sendable {
    let rawValue: UInt8

    /// The emission policy's state, right behind. The others follow at the end, in this order.
    static let emission = StateParts(rawValue: 1 << 7)
    static let payouts = StateParts(rawValue: 1 << 6)
    static let channels = StateParts(rawValue: 1 << 5)
    static let solana = StateParts(rawValue: 1 << 3)
    static let deposits = StateParts(rawValue: 1 << 2)
    static let dispersalSeals = StateParts(rawValue: 1 << 1)
    static let voucherSeals = StateParts(rawValue: 1 << 0)
    static let voucherTimes = StateParts(rawValue: 1 << 4)

    private static let place: UInt128 = 120

    init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// The parts that a house has.
    init(of house: ClearingHouse) {
        self = []
        if house.emissionState != .none { insert(.emission) }
        if house.hasPayouts { insert(.payouts) }
        if !house.channels.isEmpty { insert(.channels) }
        if !house.solanaRecords.isEmpty { insert(.solana) }
        if house.hasDeposits { insert(.deposits) }
        if !house.dispersalSeals.isEmpty { insert(.dispersalSeals) }
        if !house.voucherSeals.isEmpty { insert(.voucherSeals) }
        if house.hasVoucherTimes { insert(.voucherTimes) }
    }

    /// What is left to emit, and which parts follow.
    func encode(with rest: Amount, into writer: inout ByteWriter) {
        precondition(rest.units >> Self.place == 0, "no emission is so large")
        writer.write(rest.units | UInt128(rawValue) << Self.place)
    }

    /// Both again.
    static func read(
        from reader: inout ByteReader
    ) throws(CodecError) -> (rest: Amount, parts: StateParts) {
        let word = try reader.readUInt128()
        let parts = StateParts(rawValue: UInt8(word >> place))
        return (Amount(word & (1 << place - 1)), parts)
    }
}
