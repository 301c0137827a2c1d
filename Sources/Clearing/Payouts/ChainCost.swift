public import Ledger
public import Primitives

/// A chain's own coin, which pays for transactions. The raw value is its ledger number: accounts of
/// it never transact with those of an asset.
public enum NativeCoin: UInt32, CaseIterable, Hashable, Sendable {
    /// Wei, of the EVM chain.
    case wei = 3
    /// Lamports, of Solana.
    case lamports = 4
}

/// What a chain charged for a transaction of the house: an expense, in the coin's smallest unit.
public struct ChainCost: Hashable, Sendable {
    /// What the transaction was for.
    public enum Subject: Hashable, Sendable {
        /// A batch's root.
        case batch(BatchID)
        /// A dispersal, or a part of it.
        case dispersal(DispersalID)
        /// What no single payment is charged with: leave to disperse, empty transactions, accounts
        /// and lookup tables on Solana, payments there that were undone.
        case upkeep
        /// A payment channel: its deposits, and taking back what is left of them.
        case channel(ChannelID)
        /// The slash of a verdict: asking for it, and carrying it out.
        case verdict(VerdictID)
        /// No cost but the contrary: rent of Solana's that came back when something was closed,
        /// less the fee of closing it.
        case rentReturn
        /// Saying on Solana under which books its dispersals up to this one were made.
        case books(DispersalID)
    }

    /// What it was for.
    public var subject: Subject
    /// In what it was paid.
    public var coin: NativeCoin
    /// How much.
    public var units: UInt128
    /// Gas used; 0 on Solana.
    public var gas: UInt64
    /// The transaction: 32 bytes, or 64 on Solana. Each is booked once.
    public var transaction: [UInt8]

    /// A cost of these parts.
    public init(
        _ subject: Subject, _ coin: NativeCoin, units: UInt128, gas: UInt64 = 0,
        transaction: [UInt8]
    ) {
        self.subject = subject
        self.coin = coin
        self.units = units
        self.gas = gas
        self.transaction = transaction
    }
}

extension AccountID {
    /// The house's account of this purpose in a chain's own coin.
    public init(_ purpose: Purpose, _ coin: NativeCoin) {
        self.init(UInt128(purpose.rawValue) << 120 | UInt128(coin.rawValue) << 64)
    }

    /// The chain's own coin that it is counted in, if it is not an asset.
    public var coin: NativeCoin? { NativeCoin(rawValue: UInt32(truncatingIfNeeded: value >> 64)) }

    /// The ledger an account belongs to: of an asset, or of a chain's own coin.
    var ledgerNumber: UInt32? { asset?.rawValue ?? coin?.rawValue }
}

extension ClearingHouse {
    mutating func bookCost(
        _ cost: ChainCost, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        if ![32, 64].contains(cost.transaction.count) { throw .limitExceeded }
        if cost.units == 0 || cost.units >= 1 << 120 { throw .invalidAmount }
        switch cost.subject {
        case .batch(let id): if batches.at(id) == nil { throw .wrongBatchState }
        case .dispersal(let id): if dispersals.at(id) == nil { throw .dispersalNotFound }
        case .channel(let id): if channels.at(id) == nil { throw .channelNotFound }
        case .verdict(let id): if verdicts.at(id) == nil { throw .verdictNotFound }
        case .books(let id): if books(of: id) == nil { throw .nothingToSeal }
        case .upkeep, .rentReturn: break
        }
        if index.costByTransaction[cost.transaction] != nil { throw .costBooked }
        let isReturn = cost.subject == .rentReturn
        if isReturn, expense(cost.coin).units < cost.units { throw .insufficientBalance }
        index.add(cost, at: costs.count)
        costs.append(cost)
        let mirror = AccountID(.chain, cost.coin)
        let charged = AccountID(.networkCost, cost.coin)
        move(
            Amount(cost.units), from: isReturn ? charged : mirror,
            to: isReturn ? mirror : charged, isReturn ? .rentReturn : .networkCost,
            UInt64(costs.count), at: time)
        events.append(.costBooked(cost.subject, cost.coin, units: cost.units))
    }

    /// What the chain charged for something, in the order it was booked. O(its costs).
    public func costs(of subject: ChainCost.Subject) -> [ChainCost] {
        (index.costsBySubject[subject] ?? []).map { costs[$0] }
    }

    /// The first dispersal that has a payment of a transaction on Solana. O(1).
    public func dispersal(paidBy transaction: Signature) -> DispersalID? {
        index.paidTogether[transaction]?.first
    }

    /// What the chain charged for a dispersal: all that its own transactions cost, and of one on
    /// Solana that paid for several dispersals the part of its payments. The parts of a transaction
    /// add up to what it cost; what does not divide is of the first. O(payments).
    public func charges(of dispersal: Dispersal) -> [ChainCost] {
        guard dispersal.rail == .solana else { return costs(of: .dispersal(dispersal.id)) }
        var own: [(transaction: Signature, count: UInt128)] = []
        var places: [Signature: Int] = [:]
        for payment in dispersal.payments where payment.state == .paid {
            guard let transaction = payment.transaction else { continue }
            if let place = places[transaction] {
                own[place].count += 1
            } else {
                places[transaction] = own.count
                own.append((transaction, 1))
            }
        }
        return own.compactMap { transaction, count in
            guard var cost = cost(of: transaction.bytes),
                let all = index.paidTogether[transaction]
            else { return nil }
            let (each, rest) = cost.units.quotientAndRemainder(dividingBy: UInt128(all.count))
            cost.units = each * count + (all.first == dispersal.id ? rest : 0)
            return cost
        }
    }

    /// What is booked of a transaction; `nil` if nothing is. O(1).
    public func cost(of transaction: [UInt8]) -> ChainCost? {
        index.costByTransaction[transaction].map { costs[$0] }
    }

    /// What a chain charged in all, less what it gave back.
    public func expense(_ coin: NativeCoin) -> Amount {
        guard let account = ledger.account(AccountID(.networkCost, coin)) else { return .zero }
        return account.creditsPosted - account.debitsPosted
    }
}

extension ChainCost: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        switch subject {
        case .batch(let id):
            writer.write(UInt8(1))
            writer.write(id)
        case .dispersal(let id):
            writer.write(UInt8(2))
            writer.write(id)
        case .upkeep: writer.write(UInt8(3))
        case .channel(let id):
            writer.write(UInt8(4))
            writer.write(id)
        case .verdict(let id):
            writer.write(UInt8(5))
            writer.write(id)
        case .rentReturn: writer.write(UInt8(6))
        case .books(let id):
            writer.write(UInt8(7))
            writer.write(id)
        }
        writer.write(coin.rawValue)
        writer.write(units)
        writer.write(gas)
        writer.write(transaction)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        switch try reader.readUInt8() {
        case 1: subject = .batch(try reader.read())
        case 2: subject = .dispersal(try reader.read())
        case 3: subject = .upkeep
        case 4: subject = .channel(try reader.read())
        case 5: subject = .verdict(try reader.read())
        case 6: subject = .rentReturn
        case 7: subject = .books(try reader.read())
        default: throw .invalidValue("cost")
        }
        guard let coin = NativeCoin(rawValue: try reader.readUInt32()) else {
            throw .invalidValue("coin")
        }
        self.coin = coin
        units = try reader.readUInt128()
        gas = try reader.readUInt64()
        transaction = try reader.readBytes(limit: 64)
    }
}
