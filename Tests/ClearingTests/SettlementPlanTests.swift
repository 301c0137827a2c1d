import Clearing
import ClearingWorld
import Primitives
import Testing

/// A row of the golden table: how many are due how much, what is quoted, and what is chosen.
/// The gas is reckoned by hand from the gas table of docs/reference/contracts.md.
struct PlanRow: Sendable, CustomTestStringConvertible {
    let name: String
    let payees: Int
    var units: UInt128 = 1_000_000
    var quotes = World.quotes()
    var isRootFree = true
    var isPoolFree = true
    var change: @Sendable (inout SettlementPlan.Position) -> Void = { _ in }
    /// Paid by root, push, voucher, Solana, carried, and by a pool's root if there is a sixth.
    let counts: [Int]
    let gas: UInt64
    var lamports: UInt64 = 0
    var testDescription: String { name }
}

private func quotes(_ change: (inout SettlementQuotes) -> Void) -> SettlementQuotes {
    World.quotes(change)
}

/// Quotes with a pool on Solana.
private func pooled(
    commit: UInt64 = 5_000, _ change: (inout SettlementQuotes) -> Void = { _ in }
) -> SettlementQuotes {
    World.quotes { quotes in
        quotes.pool = PoolQuote(
            pool: World.digest(700), commit: commit, activate: commit, claim: 5_000,
            record: 1_452_680)
        change(&quotes)
    }
}

private let commitAndActivate: UInt64 = 39_535 + 90_091

private let planRows: [PlanRow] = [
    .init(name: "nobody is due anything", payees: 0, counts: [0, 0, 0, 0, 0], gas: 0),
    .init(name: "one payee is sent it", payees: 1, counts: [0, 1, 0, 0, 0], gas: 72_425),
    .init(
        name: "seven are the last that are cheaper to send", payees: 7,
        counts: [0, 7, 0, 0, 0], gas: 63_400 + 7 * 9_025),
    .init(
        name: "from eight on one root is cheaper for the house", payees: 8,
        counts: [8, 0, 0, 0, 0], gas: commitAndActivate),
    .init(
        name: "two of three hold none of the token yet", payees: 3,
        quotes: quotes { $0.newHolders = NewHolders([]) },
        change: { $0.isNewHolder = $0.party.rawValue > 1 }, counts: [0, 3, 0, 0, 0],
        gas: 63_400 + 3 * 9_025 + 2 * 17_100),
    .init(
        name: "three who do not are dearer than a root", payees: 3,
        quotes: quotes { $0.newHolders = NewHolders([]) }, change: { $0.isNewHolder = true },
        counts: [3, 0, 0, 0, 0], gas: commitAndActivate),
    .init(
        name: "whoever claims pays for it too, so it changes nothing where everyone counts",
        payees: 500,
        quotes: quotes {
            $0.bearing = .everyone
            $0.batchesPerClaim = 7
            $0.newHolders = NewHolders([])
        }, change: { $0.isNewHolder = true }, counts: [500, 0, 0, 0, 0],
        gas: commitAndActivate + (500 * 57_872 + 6) / 7 + 500 * 17_100),
    .init(
        name: "nor where they are sent it", payees: 500,
        quotes: quotes {
            $0.bearing = .everyone
            $0.batchesPerClaim = 6
            $0.newHolders = NewHolders([])
        }, change: { $0.isNewHolder = true }, counts: [0, 500, 0, 0, 0],
        gas: 63_400 + 500 * (9_025 + 17_100)),
    .init(
        name: "a voucher is claimed by its payee", payees: 3,
        quotes: quotes {
            $0.vouches = true
            $0.gas.voucher = 10_000
            $0.newHolders = NewHolders([])
        }, change: { ($0.isNewHolder, $0.hasChannel) = (true, $0.party.rawValue == 2) },
        counts: [0, 2, 1, 0, 0], gas: 10_000 + 63_400 + 2 * (9_025 + 17_100)),
    .init(
        name: "a million leaves cost the same", payees: 1_000_000,
        counts: [1_000_000, 0, 0, 0, 0], gas: commitAndActivate),
    .init(
        name: "with the claims, five hundred are sent it", payees: 500,
        quotes: quotes { $0.bearing = .everyone }, counts: [0, 500, 0, 0, 0],
        gas: 63_400 + 500 * 9_025),
    .init(
        name: "the 501st wants a second transaction", payees: 501,
        quotes: quotes { $0.bearing = .everyone }, counts: [0, 501, 0, 0, 0],
        gas: 2 * 63_400 + 501 * 9_025),
    .init(
        name: "who claims every seventh batch is a leaf", payees: 500,
        quotes: quotes {
            $0.bearing = .everyone
            $0.batchesPerClaim = 7
        }, counts: [500, 0, 0, 0, 0], gas: commitAndActivate + (500 * 57_872 + 6) / 7),
    .init(
        name: "who claims every sixth is not", payees: 500,
        quotes: quotes {
            $0.bearing = .everyone
            $0.batchesPerClaim = 6
        }, counts: [0, 500, 0, 0, 0], gas: 63_400 + 500 * 9_025),
    .init(
        name: "without an account to send from there is a root", payees: 2,
        quotes: quotes { $0.pushFloat = nil }, counts: [2, 0, 0, 0, 0], gas: commitAndActivate),
    .init(
        name: "dust waits", payees: 3, units: 9,
        quotes: quotes { $0.minimum = AssetSums(usd: Amount(10_000_000), tly: .zero) },
        counts: [0, 0, 0, 0, 3], gas: 0),
    .init(
        name: "a cent is the least", payees: 3, units: 10,
        quotes: quotes { $0.minimum = AssetSums(usd: Amount(10_000_000), tly: .zero) },
        counts: [0, 3, 0, 0, 0], gas: 63_400 + 3 * 9_025),
    .init(
        name: "while a root waits, who can be is sent it, however many", payees: 30,
        isRootFree: false, counts: [0, 30, 0, 0, 0], gas: 63_400 + 30 * 9_025),
    .init(
        name: "and who cannot be waits too", payees: 30, isRootFree: false,
        change: { if $0.party.rawValue > 20 { $0.isPushable = false } },
        counts: [0, 20, 0, 0, 10], gas: 63_400 + 20 * 9_025),
    .init(
        name: "one leaf there must be takes all along", payees: 3,
        change: { if $0.party.rawValue == 2 { $0.isPushable = false } },
        counts: [3, 0, 0, 0, 0], gas: commitAndActivate),
    .init(
        name: "with the claims it is alone", payees: 3,
        quotes: quotes { $0.bearing = .everyone },
        change: { if $0.party.rawValue == 2 { $0.isPushable = false } },
        counts: [1, 2, 0, 0, 0], gas: commitAndActivate + 57_872 + 63_400 + 2 * 9_025),
    .init(
        name: "the account holds enough for two of three", payees: 3,
        quotes: quotes {
            $0.bearing = .everyone
            $0.pushFloat = AssetSums(usd: Amount(2_999_999_000_000), tly: .zero)
        }, counts: [1, 2, 0, 0, 0], gas: commitAndActivate + 57_872 + 63_400 + 2 * 9_025),
    .init(
        name: "a channel's voucher, where it is cheaper", payees: 3,
        quotes: quotes {
            $0.vouches = true
            $0.gas.voucher = 9_000
        },
        change: { if $0.party.rawValue == 2 { $0.hasChannel = true } },
        counts: [0, 2, 1, 0, 0], gas: 9_000 + 63_400 + 2 * 9_025),
    .init(
        name: "where it costs the same, the money itself is sent", payees: 3,
        quotes: quotes {
            $0.vouches = true
            $0.gas.voucher = 9_025
        },
        change: { if $0.party.rawValue == 2 { $0.hasChannel = true } },
        counts: [0, 3, 0, 0, 0], gas: 63_400 + 3 * 9_025),
    .init(
        name: "and not where it is dearer", payees: 3,
        quotes: quotes {
            $0.vouches = true
            $0.gas.voucher = 9_026
        },
        change: { if $0.party.rawValue == 2 { $0.hasChannel = true } },
        counts: [0, 3, 0, 0, 0], gas: 63_400 + 3 * 9_025),
    .init(
        name: "a voucher that is free is not one that there is not", payees: 3,
        quotes: quotes { $0.vouches = true },
        change: { $0.hasChannel = $0.party.rawValue == 2 },
        counts: [0, 2, 1, 0, 0], gas: 63_400 + 2 * 9_025),
    .init(
        name: "where the house signs none a channel is of no use", payees: 3,
        change: { $0.hasChannel = true }, counts: [0, 3, 0, 0, 0],
        gas: 63_400 + 3 * 9_025),
    .init(
        name: "with channels to all a settlement is free", payees: 900,
        quotes: quotes { $0.vouches = true }, change: { $0.hasChannel = true },
        counts: [0, 0, 900, 0, 0], gas: 0),
    .init(
        name: "a leaf of a root that there is anyway costs as little", payees: 30,
        quotes: quotes { $0.vouches = true },
        change: { $0.hasChannel = $0.party.rawValue == 2 },
        counts: [30, 0, 0, 0, 0], gas: commitAndActivate),
    .init(
        name: "while a root waits a voucher is better than nothing, whatever it costs", payees: 3,
        quotes: quotes {
            $0.vouches = true
            $0.gas.voucher = 90_000
            $0.pushFloat = nil
        },
        isRootFree: false, change: { $0.hasChannel = $0.party.rawValue < 3 },
        counts: [0, 0, 2, 0, 1], gas: 180_000),
    .init(
        name: "below the minimum there is no voucher", payees: 2, units: 9,
        quotes: quotes {
            $0.vouches = true
            $0.minimum = AssetSums(usd: Amount(10_000_000), tly: .zero)
        }, change: { $0.hasChannel = true }, counts: [0, 0, 0, 0, 2], gas: 0),
    .init(
        name: "Solana for whom it is wanted, 54 a transaction", payees: 56,
        quotes: quotes { $0.priorityLamports = 352 },
        change: { $0.wantsSolana = $0.party.rawValue > 1 }, counts: [0, 1, 0, 55, 0],
        gas: 72_425, lamports: 5_352 + 5_000 + 7),
    .init(
        name: "one payee offers little for its transaction, a root twice", payees: 1,
        quotes: pooled(commit: 15_000) { $0.priorityLamports = 351_000 },
        change: { $0.wantsSolana = true }, counts: [0, 0, 0, 1, 0, 0], gas: 0,
        lamports: 5_000 + 6_500),
    .init(
        name: "whose account there is empty waits", payees: 3,
        quotes: quotes { $0.solanaFloat = Amount(2_000_000_000_000) },
        change: { $0.wantsSolana = true }, counts: [0, 0, 0, 2, 1], gas: 0, lamports: 5_000),
    .init(
        name: "without that rail they are paid as others", payees: 2,
        quotes: quotes { $0.solanaFloat = nil }, change: { $0.wantsSolana = true },
        counts: [0, 2, 0, 0, 0], gas: 63_400 + 2 * 9_025),
    .init(
        name: "two full transactions there cost as much as a root", payees: 108,
        quotes: pooled(), change: { $0.wantsSolana = true }, counts: [0, 0, 0, 108, 0, 0],
        gas: 0, lamports: 10_000),
    .init(
        name: "from the 109th on a root of the pool is cheaper for the house", payees: 109,
        quotes: pooled(), change: { $0.wantsSolana = true }, counts: [0, 0, 0, 0, 0, 109],
        gas: 0, lamports: 10_000),
    .init(
        name: "with the claims it is not, whatever their number", payees: 5_000,
        quotes: pooled { $0.bearing = .everyone },
        change: { ($0.wantsSolana, $0.hasRecord) = (true, true) },
        counts: [0, 0, 0, 5_000, 0, 0], gas: 0, lamports: 93 * 5_000),
    .init(
        name: "but for who lets 55 batches pass", payees: 5_400,
        quotes: pooled {
            $0.bearing = .everyone
            $0.batchesPerClaim = 56
        }, change: { ($0.wantsSolana, $0.hasRecord) = (true, true) },
        counts: [0, 0, 0, 0, 0, 5_400], gas: 0, lamports: 10_000 + (5_400 * 5_000 + 55) / 56),
    .init(
        name: "of those one record that is to be made turns it", payees: 5_400,
        quotes: pooled {
            $0.bearing = .everyone
            $0.batchesPerClaim = 56
        }, change: { ($0.wantsSolana, $0.hasRecord) = (true, $0.party.rawValue > 1) },
        counts: [0, 0, 0, 5_400, 0, 0], gas: 0, lamports: 500_000),
    .init(
        name: "while a root waits there, the money is sent", payees: 200,
        quotes: pooled(), isPoolFree: false, change: { $0.wantsSolana = true },
        counts: [0, 0, 0, 200, 0, 0], gas: 0, lamports: 4 * 5_000),
    .init(
        name: "a root there takes the dust along", payees: 3,
        quotes: pooled(commit: 1) {
            $0.minimum = AssetSums(usd: Amount(2_000_000_000_000), tly: .zero)
        },
        change: {
            $0.wantsSolana = true
            if $0.party.rawValue == 2 { $0.units = 2_000_000 }
        }, counts: [0, 0, 0, 0, 0, 3], gas: 0, lamports: 2),
    .init(
        name: "and dust alone calls for none", payees: 3, units: 9,
        quotes: pooled(commit: 1) {
            $0.minimum = AssetSums(usd: Amount(10_000_000), tly: .zero)
        }, change: { $0.wantsSolana = true }, counts: [0, 0, 0, 0, 3, 0], gas: 0),
    .init(
        name: "a leaf wants its money in the vault at once", payees: 3,
        quotes: pooled(commit: 1) { $0.solanaFloat = Amount(2_000_000_000_000) },
        change: { $0.wantsSolana = true }, counts: [0, 0, 0, 0, 1, 2], gas: 0, lamports: 2),
    .init(
        name: "the payer's own claims wait for somebody else's root", payees: 2,
        change: { $0.isPayer = $0.party.rawValue == 2 }, counts: [0, 1, 0, 0, 1], gas: 72_425),
    .init(
        name: "or until they are worth one", payees: 2,
        quotes: quotes { $0.refundAbove = AssetSums(usd: Amount(1_000_000_000_000), tly: .zero) },
        change: { $0.isPayer = $0.party.rawValue == 2 }, counts: [2, 0, 0, 0, 0],
        gas: commitAndActivate),
]

/// Which way is chosen, and why.
@Suite struct SettlementPlanTests {
    @Test(arguments: planRows)
    func theTable(_ row: PlanRow) {
        var positions = (0..<row.payees).map {
            SettlementPlan.Position(PartyID(UInt64($0) + 1), .usd, units: row.units)
        }
        for place in positions.indices { row.change(&positions[place]) }
        let plan = SettlementPlan(
            positions, row.quotes, isRootFree: row.isRootFree, isPoolFree: row.isPoolFree)
        let counts = [PayoutRail.root, .push, .voucher, .solana].map { plan.count($0) }
        let pool = plan.count(.pool)
        let carried = row.payees - counts.reduce(pool, +)
        #expect(counts + [carried] + (row.counts.count > 5 ? [pool] : []) == row.counts)
        #expect(plan.gas == row.gas)
        #expect(plan.wei == UInt128(row.gas) * 3_000_000_000)
        #expect(plan.lamports == row.lamports)
    }

    /// Each asset is a transaction of its own.
    @Test func twoTokensAreTwoDispersals() {
        let positions = [
            SettlementPlan.Position(PartyID(1), .usd, units: 5),
            SettlementPlan.Position(PartyID(1), .tly, units: 5),
        ]
        let plan = SettlementPlan(
            positions, World.quotes { $0.bearing = .everyone }, isRootFree: true)
        #expect(plan.count(.push) == 2 && plan.gas == 2 * 72_425)
    }

    @Test func quotesThatAreBeyondNumbersAreReckonedAsTheGreatest() {
        let quotes = World.quotes {
            $0.gas.payee = .max
            $0.gas.commit = .max
            $0.gasPrice = .max
            $0.signatureLamports = .max
        }
        var solana = SettlementPlan.Position(PartyID(2), .usd, units: 5)
        solana.wantsSolana = true
        let plan = SettlementPlan(
            [SettlementPlan.Position(PartyID(1), .usd, units: 5), solana], quotes,
            isRootFree: true)
        #expect(plan.gas == .max && plan.wei == .max && plan.lamports == .max)
    }

    @Test func aPlanIsInTheJournalByItsQuotes() throws {
        let quotes = World.quotes {
            $0.bearing = .everyone
            $0.gas.voucher = 77
            $0.batchesPerClaim = 9
            $0.priorityLamports = 5
        }
        let command = Command.settle(quotes)
        #expect(try Command(canonicalBytes: command.canonicalBytes()) == command)
        #expect(command.canonicalBytes().first == 70)
        // That there are vouchers, and that they are dated, is a bit more each; without them the
        // bytes are those of before.
        let vouching = Command.settle(World.vouching { $0.bearing = .everyone })
        #expect(try Command(canonicalBytes: vouching.canonicalBytes()) == vouching)
        let plain = Command.settle(World.quotes { $0.bearing = .everyone }).canonicalBytes()
        let differing = zip(plain, vouching.canonicalBytes()).filter { $0 != $1 }
        #expect(plain.count == vouching.canonicalBytes().count && differing.count == 1)
        #expect(differing.first?.0 == 2 && differing.first?.1 == 0xC2)
        let undated = Command.settle(
            World.vouching {
                $0.bearing = .everyone
                $0.datesVouchers = false
            })
        let one = zip(plain, undated.canonicalBytes()).filter { $0 != $1 }
        #expect(one.map(\.1) == [0x82])
        #expect(try Command(canonicalBytes: undated.canonicalBytes()) == undated)
    }

    /// A pool is behind the rest, and a bit says that it is there.
    @Test func aPoolIsInTheJournal() throws {
        let plain = Command.settle(World.quotes()).canonicalBytes()
        let command = Command.settle(pooled())
        let bytes = command.canonicalBytes()
        #expect(try Command(canonicalBytes: bytes) == command)
        #expect(bytes.count == plain.count + 32 + 4 * 8)
        #expect(zip(plain, bytes).filter { $0 != $1 }.map(\.1) == [0x11])
        let both = Command.settle(pooled { $0.newHolders = NewHolders([]) })
        #expect(try Command(canonicalBytes: both.canonicalBytes()) == both)
    }

    /// Who holds none of a token is behind the rest, and no longer than is asked for.
    @Test func newHoldersAreInTheJournal() throws {
        let plain = Command.settle(World.quotes()).canonicalBytes()
        let holder = NewHolders.Holder(PartyID(7), .tly)
        for count in [0, 1, NewHolders.most] {
            let all = Array(repeating: holder, count: count)
            let command = Command.settle(World.quotes { $0.newHolders = NewHolders(all) })
            let bytes = command.canonicalBytes()
            #expect(try Command(canonicalBytes: bytes) == command)
            #expect(bytes.count == plain.count + 12 + 12 * count)
        }
        // One more than can be asked about, which nobody could have written.
        let most = Array(repeating: holder, count: NewHolders.most)
        var bytes = Command.settle(World.quotes { $0.newHolders = NewHolders(most) })
            .canonicalBytes()
        let count = plain.count + 8
        #expect(bytes[count] == UInt8(NewHolders.most))
        bytes[count] += 1
        bytes += bytes.suffix(12)
        #expect(throws: CodecError.self) { try Command(canonicalBytes: bytes) }
    }
}
