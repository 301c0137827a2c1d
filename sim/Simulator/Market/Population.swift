import Economics
import Primitives

/// How a provider behaves.
enum Strategy: UInt8, CaseIterable, Sendable {
    case honest = 0
    case lazy = 1
    case quantising = 2
    case spoofing = 3
    case selective = 4
    case colluding = 5
    case sybil = 6
    case whale = 7
    case wash = 8

    /// Whether it ever sells wrong work.
    var cheats: Bool { (Strategy.lazy.rawValue...Strategy.colluding.rawValue).contains(rawValue) }
}

/// Where a provider stands.
enum Presence: UInt8, Sendable {
    case outside = 0
    case active = 1
    /// Its bond is on its way out.
    case leaving = 2
    /// Convicted for good.
    case banned = 3
}

/// Providers, a column an attribute. Money is in chain units: micro-dollars and nano-tokens.
struct Providers: Sendable {
    var strategy: Column<UInt8>
    var hardware: Column<UInt8>
    var presence: Column<UInt8>
    /// Its own idea of a price; what it offers at can be another.
    var ask: Column<Int32>
    /// The bond it wants to have.
    var bond: Column<Int64>
    var dollars: Column<Int64>
    var tokens: Column<Int64>
    /// Tokens it sells in this step.
    var selling: Column<Int64>
    /// Its profit a step, as a moving mean of eight steps, and all of it.
    var meanProfit: Column<Int64>
    var totalProfit: Column<Int64>
    /// Steps in a row with a loss by the moving mean.
    var losses: Column<UInt16>
    /// The step in which a leaving one has its bond.
    var leavesAt: Column<Int32>
    /// What it had payable after the last step, in ledger units of dollars and tokens.
    var lastPayable: Column<Int64>
    var lastTally: Column<Int64>
    /// Jobs it cheats on in this step, and what computing costs it, in ledger units.
    var cheated: Column<UInt16>
    var spent: Column<Int64>
    /// Whether cheating pays, a bit for each kind of job.
    var tempted: Column<UInt32>
    /// Bond in force and on its way out as this step's orders find it, in chain units.
    var inForce: Column<Int64>
    var onItsWay: Column<Int64>

    init(_ count: Int) {
        strategy = Column(count, 0)
        hardware = Column(count, 0)
        presence = Column(count, 0)
        ask = Column(count, 0)
        bond = Column(count, 0)
        dollars = Column(count, 0)
        tokens = Column(count, 0)
        selling = Column(count, 0)
        meanProfit = Column(count, 0)
        totalProfit = Column(count, 0)
        losses = Column(count, 0)
        leavesAt = Column(count, 0)
        lastPayable = Column(count, 0)
        lastTally = Column(count, 0)
        cheated = Column(count, 0)
        spent = Column(count, 0)
        tempted = Column(count, 0)
        inForce = Column(count, 0)
        onItsWay = Column(count, 0)
    }

    mutating func visit(_ visitor: inout some ColumnVisitor) {
        visitor.visit(&strategy)
        visitor.visit(&hardware)
        visitor.visit(&presence)
        visitor.visit(&ask)
        visitor.visit(&bond)
        visitor.visit(&dollars)
        visitor.visit(&tokens)
        visitor.visit(&selling)
        visitor.visit(&meanProfit)
        visitor.visit(&totalProfit)
        visitor.visit(&losses)
        visitor.visit(&leavesAt)
        visitor.visit(&lastPayable)
        visitor.visit(&lastTally)
        visitor.visit(&cheated)
        visitor.visit(&spent)
        visitor.visit(&tempted)
    }

    mutating func visitScratch(_ visitor: inout some ColumnVisitor) {
        visitor.visit(&inForce)
        visitor.visit(&onItsWay)
    }
}

/// What a buyer is.
enum BuyerKind: UInt8, CaseIterable, Sendable {
    case person = 0
    case batch = 1
    case agent = 2
    case reseller = 3
    /// Belongs to a wash-trading provider.
    case wash = 4
}

/// Buyers. Their money comes from outside when they need it.
struct Buyers: Sendable {
    var kind: Column<UInt8>
    /// What work is worth to it, as an ask.
    var value: Column<Int32>

    init(_ count: Int) {
        kind = Column(count, 0)
        value = Column(count, 0)
    }

    mutating func visit(_ visitor: inout some ColumnVisitor) {
        visitor.visit(&kind)
        visitor.visit(&value)
    }
}

/// How a verifier behaves.
enum VerifierKind: UInt8, CaseIterable, Sendable {
    case honest = 0
    case lazy = 1
    case colluding = 2
    case griefing = 3
}

/// Verifiers.
struct Verifiers: Sendable {
    var kind: Column<UInt8>
    var dollars: Column<Int64>
    var lastPayable: Column<Int64>
    /// What re-executing costs in this step, in ledger units.
    var spent: Column<Int64>

    init(_ count: Int) {
        kind = Column(count, 0)
        dollars = Column(count, 0)
        lastPayable = Column(count, 0)
        spent = Column(count, 0)
    }

    mutating func visit(_ visitor: inout some ColumnVisitor) {
        visitor.visit(&kind)
        visitor.visit(&dollars)
        visitor.visit(&lastPayable)
        visitor.visit(&spent)
    }
}

/// What a trader goes by.
enum TraderKind: UInt8, CaseIterable, Sendable {
    case fundamental = 0
    case momentum = 1
    case noise = 2
}

/// Traders on the token's pool.
struct Traders: Sendable {
    var kind: Column<UInt8>
    var dollars: Column<Int64>
    var tokens: Column<Int64>
    /// What it trades in this step: tokens to sell if positive, dollars to spend if negative.
    var order: Column<Int64>

    init(_ count: Int) {
        kind = Column(count, 0)
        dollars = Column(count, 0)
        tokens = Column(count, 0)
        order = Column(count, 0)
    }

    mutating func visit(_ visitor: inout some ColumnVisitor) {
        visitor.visit(&kind)
        visitor.visit(&dollars)
        visitor.visit(&tokens)
        visitor.visit(&order)
    }
}

/// Spreads kinds over places so that every run of places has very nearly its shares of each.
enum Spread {
    /// A number below 1,000 for a place: multiples of the golden ratio, without their whole part
    /// (Weyl's sequence), from a start that the seed gives.
    static func part(_ place: Int, from start: UInt64) -> Int64 {
        let turn = start &+ UInt64(place) &* 0x9E37_79B9_7F4A_7C15
        return Int64(turn.multipliedFullWidth(by: 1_000).high)
    }

    /// The first kind, counted from 1, whose share the number falls into; 0 for the rest.
    static func pick(_ part: Int64, _ shares: [Int64]) -> UInt8 {
        var sum: Int64 = 0
        for (kind, share) in shares.enumerated() {
            sum += share
            if part < sum { return UInt8(kind + 1) }
        }
        return 0
    }
}
