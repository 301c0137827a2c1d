import Chains
import Clearing
import Ledger
import Primitives

/// What the books say that the chain can be compared with, taken at one moment. In chain units.
struct BookView: Sendable {
    /// Somebody with money that may be stuck.
    struct Holder: Sendable {
        let account: EVMAddress
        let asset: Asset
        let amount: UInt128
        let since: Timestamp?
        /// The payment channel it is in.
        var channel: UInt64?
    }

    /// The block of the last log in the books.
    let block: UInt64
    /// Dollars that came in from the chain less those that went out.
    var mirror: UInt128 = 0
    /// All bonds, with executed slashes that are not on chain yet.
    var bonds: UInt128 = 0
    /// What was ever allotted, and of it claimed, by asset.
    var allotted: [Asset: UInt128] = [:]
    var claimed: [Asset: UInt128] = [:]
    var owed: [Asset: Amount] = [:]
    var inFlight: [Asset: UInt128] = [:]
    var openSlashes: [VerdictRecord] = []
    /// Slashes that were forgone, and whose requests the contract holds.
    var heldSlashes: [VerdictRecord] = []
    /// The first batch that is not on chain, and the one whose dispute a person has to look at.
    var open: Batch?
    var disputed: Batch?
    /// Every batch: which of them the chain knows is asked afterwards.
    let batches: [Batch]
    /// Dispersals that are open for long.
    var dispersals: [Dispersal] = []
    /// Providers with something on its way out, and parties that are shut out and have a bond.
    var leaving: [EVMAddress] = []
    var shutOut: [Holder] = []
    var ownerless: [Holder] = []
    var unclaimed: [Holder] = []
    var vouchers: [Holder] = []
    /// What is to be paid out and was not for long.
    let unpaid: UnpaidView
    /// Payment channels with money of the house's own that should move.
    var channels: [HouseChannel] = []

    /// Looks at all of the books. O(accounts + channels + lines of two batches), and
    /// O(log transfers) for each party that waits to be paid, unless that is known.
    ///
    /// - Parameters:
    ///   - payer: who pays on this chain, if anybody does.
    ///   - unpaid: who waits to be paid, if that was looked up a short while ago.
    init(
        _ house: borrowing ClearingHouse, payer: EVMAddress?, unpaid: UnpaidView?,
        at now: Timestamp, _ rules: StrandingRules
    ) {
        let payers = house.payers(payer)
        self.unpaid = unpaid ?? UnpaidView(house, except: payers, at: now, rules)
        block = house.chainCursor.block
        batches = house.batches
        if let chain = house.ledger.account(AccountID(.chain, .usd)) {
            mirror = Asset.usd.chainUnits(chain.debitsPosted - chain.creditsPosted)
        }
        for asset in Asset.allCases { owed[asset] = house.owed(asset) }
        openSlashes = house.unsettledSlashes
        heldSlashes = house.heldSlashes
        dispersals = house.openDispersals.filter {
            $0.isOpen && $0.madeAt + rules.overdue <= now
        }
        countBonds(house)
        countClaims(house)
        countBatches(house)
        findHolders(house, except: payers, at: now, rules)
        findUnclaimed(house, at: now, rules)
        findVouchers(house, at: now, rules)
        channels = house.channels.filter { $0.hasOwnMoney(payer) }
    }

    private mutating func countBonds(_ house: borrowing ClearingHouse) {
        var sum = Amount.zero
        for party in house.parties {
            for purpose in [Purpose.bonded, .unbonding] {
                guard let account = house.ledger.account(AccountID(purpose, .usd, of: party.id))
                else { continue }
                sum += account.creditsPosted - account.debitsPosted
            }
        }
        bonds = Asset.usd.chainUnits(sum)
        for slash in openSlashes { bonds += Asset.usd.chainUnits(slash.captured) }
    }

    private mutating func countClaims(_ house: borrowing ClearingHouse) {
        for asset in Asset.allCases {
            // What is sent or promised by voucher is in transit too, and not the contract's.
            let sent = house.sentUnits(asset)
            for party in house.parties {
                let all = party.allotted(asset)
                let waiting = house.leafUnits(asset, of: party.id, sent)
                allotted[asset, default: 0] += all
                claimed[asset, default: 0] += all - min(all, waiting)
            }
        }
    }

    private mutating func countBatches(_ house: borrowing ClearingHouse) {
        open = house.oldestUnsettledBatch
        disputed = house.batches.suffix(2).last { $0.state != .held }
        if disputed?.state != .disputed { disputed = nil }
        for batch in house.batches.reversed() {
            guard [.cut, .sealed, .held].contains(batch.state) else { break }
            for asset in Asset.allCases { inFlight[asset, default: 0] += batch.added(asset) }
        }
    }

    /// The batch of the last committed root.
    func committed(_ holdings: SettlementHoldings) -> Batch? {
        holdings.batch > 0 && holdings.batch <= UInt64(batches.count)
            ? batches[Int(holdings.batch) - 1] : nil
    }

    /// The sums of the leaves of the root that pays. O(batches + lines).
    func active(_ holdings: SettlementHoldings) -> [Asset: UInt128] {
        let root = holdings.root
        let batch = root == .zero ? nil : batches.last { $0.root == root }
        var sums: [Asset: UInt128] = [:]
        for line in batch?.lines ?? [] { sums[line.asset, default: 0] += line.cumulative }
        return sums
    }
}

extension ClearingHouse {
    /// What is in transit to a party as leaves of roots, in chain units: without what is `sent`.
    func leafUnits(_ asset: Asset, of party: PartyID, _ sent: [PartyID: UInt128]) -> UInt128 {
        let all = asset.chainUnits(balance(.inTransit, asset, of: party))
        return all - min(all, sent[party] ?? 0)
    }
}
