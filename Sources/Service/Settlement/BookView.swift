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
    /// The sums of the leaves of the root that pays, and its batch.
    var active: [Asset: UInt128] = [:]
    var inFlight: [Asset: UInt128] = [:]
    var openSlashes: [VerdictRecord] = []
    /// Slashes that were forgone, and whose requests the contract holds.
    var heldSlashes: [VerdictRecord] = []
    /// The first batch that is not on chain, and the one whose dispute a person has to look at.
    var open: Batch?
    var disputed: Batch?
    /// Dispersals that are open for long.
    var dispersals: [Dispersal] = []
    /// Providers with something on its way out, and parties that are shut out and have a bond.
    var leaving: [EVMAddress] = []
    var shutOut: [Holder] = []
    var ownerless: [Holder] = []
    var unclaimed: [Holder] = []

    /// Looks at all of the books. O(accounts + lines of two batches).
    init(
        _ house: borrowing ClearingHouse, activeRoot: Digest, at now: Timestamp,
        _ rules: StrandingRules
    ) {
        block = house.chainCursor.block
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
        countBatches(house, activeRoot)
        findHolders(house, at: now, rules)
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

    private mutating func countBatches(_ house: borrowing ClearingHouse, _ activeRoot: Digest) {
        open = house.oldestUnsettledBatch
        disputed = house.batches.suffix(2).last { $0.state != .held }
        if disputed?.state != .disputed { disputed = nil }
        for asset in Asset.allCases { active[asset] = 0 }
        let batch = house.batches.last { $0.root == activeRoot && $0.state != .cut }
        for line in batch?.lines ?? [] { active[line.asset, default: 0] += line.cumulative }
        for batch in house.batches.reversed() {
            guard [.cut, .sealed, .held].contains(batch.state) else { break }
            for asset in Asset.allCases { inFlight[asset, default: 0] += batch.added(asset) }
        }
    }

    private mutating func findHolders(
        _ house: borrowing ClearingHouse, at now: Timestamp, _ rules: StrandingRules
    ) {
        for party in house.parties {
            let available = Asset.usd.chainUnits(house.balance(.available, .usd, of: party.id))
            let isOwnerless = party.keys.isEmpty && party.nodes.isEmpty && party.name.isEmpty
            if isOwnerless, available > 0, party.createdAt + rules.ownerless <= now {
                ownerless.append(
                    Holder(
                        account: party.address, asset: .usd, amount: available,
                        since: party.createdAt))
            }
            let bonded = house.balance(.bonded, .usd, of: party.id)
            if party.tombstoned, !bonded.isZero {
                shutOut.append(
                    Holder(
                        account: party.address, asset: .usd,
                        amount: Asset.usd.chainUnits(bonded), since: nil))
            }
            if !house.balance(.unbonding, .usd, of: party.id).isZero {
                leaving.append(party.address)
            }
        }
        // What an old batch allots and was not claimed was not claimed for at least so long.
        let old = house.batches.last { $0.state == .confirmed && $0.cutAt + rules.unclaimed <= now }
        let sent = Dictionary(
            uniqueKeysWithValues: Asset.allCases.map { ($0, house.sentUnits($0)) })
        for line in old?.lines ?? [] {
            guard let party = house.party(line.party) else { continue }
            let waiting = house.leafUnits(line.asset, of: party.id, sent[line.asset] ?? [:])
            let all = party.allotted(line.asset)
            let taken = all - min(all, waiting)
            guard line.cumulative > taken else { continue }
            unclaimed.append(
                Holder(
                    account: line.address, asset: line.asset, amount: line.cumulative - taken,
                    since: old?.cutAt))
        }
    }
}

extension ClearingHouse {
    /// What is in transit to a party as leaves of roots, in chain units: without what is `sent`.
    func leafUnits(_ asset: Asset, of party: PartyID, _ sent: [PartyID: UInt128]) -> UInt128 {
        let all = asset.chainUnits(balance(.inTransit, asset, of: party))
        return all - min(all, sent[party] ?? 0)
    }
}
