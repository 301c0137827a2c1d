public import Primitives

/// The part of the state that settlement by plan adds. It follows everything else, and only when
/// there is any of it: a house that never settled so has the bytes, and the hash, of before.
extension ClearingHouse {
    var hasPayouts: Bool {
        !dispersals.isEmpty || !settlements.isEmpty || !costs.isEmpty
    }

    func encodePayouts(into writer: inout ByteWriter) {
        writer.write(dispersals)
        writer.write(settlements)
        writer.write(costs)
    }

    mutating func restorePayouts(from reader: inout ByteReader) throws(CodecError) {
        dispersals = try reader.readArray(limit: .max)
        settlements = try reader.readArray(limit: .max)
        costs = try reader.readArray(limit: .max)
        guard hasPayouts else { throw .invalidValue("payouts") }
        for (place, dispersal) in dispersals.enumerated() {
            guard dispersal.id.rawValue == UInt64(place) + 1, parties.at(dispersal.payer) != nil,
                dispersal.payments.allSatisfy({ parties.at($0.party) != nil })
            else { throw .invalidValue("dispersal") }
            index.dispersalByName[dispersal.name] = dispersal.id
            index.add(leavesOf: dispersal)
            for payment in dispersal.payments where dispersal.rail == .solana {
                if payment.state == .paid, let transaction = payment.transaction {
                    index.add(payment: transaction, of: dispersal.id)
                }
            }
            if let key = dispersal.withdrawal {
                let party = dispersal.payments[0].party
                index.withdrawalByKey[Index.WithdrawalKey(party: party, key: key)] = dispersal.id
            }
        }
        for (place, cost) in costs.enumerated() {
            index.add(cost, at: place)
        }
        passEndedDispersals()
    }
}

extension PayoutReceiver: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .evm(let address):
            writer.write(UInt8(1))
            writer.write(address)
        case .solana(let owner):
            writer.write(UInt8(2))
            writer.write(owner)
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        switch try reader.readUInt8() {
        case 1: self = .evm(try reader.read())
        case 2: self = .solana(try reader.readDigest())
        default: throw .invalidValue("receiver")
        }
    }
}

extension Payment: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(party)
        writer.write(receiver)
        writer.write(units)
        writer.write(state.rawValue)
        writer.write(transaction)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            party: try reader.read(), receiver: try reader.read(),
            units: try reader.readUInt128())
        guard let state = PaymentState(rawValue: try reader.readUInt8()) else {
            throw .invalidValue("payment state")
        }
        self.state = state
        transaction = try reader.readOptional()
    }
}

extension Dispersal: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(id)
        writer.write(rail.rawValue)
        writer.write(asset)
        writer.write(madeAt)
        writer.write(payer)
        writer.write(name)
        writer.write(withdrawal != nil)
        if let withdrawal { writer.write(withdrawal) }
        writer.write(payments)
        writer.write(transaction)
        if let root { writer.write(root) }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        let id: DispersalID = try reader.read()
        guard let rail = PayoutRail(rawValue: try reader.readUInt8()),
            [.push, .solana, .pool].contains(rail)
        else { throw .invalidValue("rail") }
        let most = rail == .pool ? Int.max : SettlementPlan.payeesPerDispersal
        self.init(
            id: id, rail: rail, asset: try reader.read(), madeAt: try reader.read(),
            payer: try reader.read(), name: try reader.readDigest(),
            withdrawal: try reader.readBool() ? try reader.readDigest() : nil,
            payments: try reader.readArray(limit: most))
        if payments.isEmpty { throw .invalidValue("payments") }
        transaction = try reader.readDigest()
        guard rail == .pool else { return }
        root = try reader.read()
        let isOnSolana = payments.allSatisfy {
            if case .solana = $0.receiver { true } else { false }
        }
        if asset != .usd || !isOnSolana { throw .invalidValue("leaves") }
    }
}

extension SettlementRecord: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(madeAt)
        writer.write(quotes)
        writer.write(gas)
        writer.write(batch)
        writer.write(firstDispersal)
        writer.write(dispersals)
        writer.write(carried)
        writer.write(netted)
        if quotes.vouches { writer.write(vouchers) }
        if quotes.pool != nil { writer.write(lamports) }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        let madeAt: Timestamp = try reader.read()
        let quotes: SettlementQuotes = try reader.read()
        self.init(
            madeAt: madeAt, quotes: quotes, gas: try reader.readUInt64(),
            batch: try reader.read(), firstDispersal: try reader.read(),
            dispersals: try reader.readUInt32(), carried: try reader.readUInt32(),
            netted: try reader.read(), vouchers: quotes.vouches ? try reader.readUInt32() : 0,
            lamports: quotes.pool != nil ? try reader.readUInt64() : 0)
    }
}

extension PaymentNote: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .paid(let transaction):
            writer.write(UInt8(1))
            writer.write(transaction)
        case .quarantined: writer.write(UInt8(2))
        case .returned: writer.write(UInt8(3))
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        switch try reader.readUInt8() {
        case 1: self = .paid(try reader.read())
        case 2: self = .quarantined
        case 3: self = .returned
        default: throw .invalidValue("payment note")
        }
    }
}
