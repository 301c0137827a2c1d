import Economics
import Primitives
import Testing

/// Rewards by work and quality, by shares, and by delegation, to the unit.
@Suite struct DistributionTests {
    @Test func qualityMovesTheSplit() {
        let contributions = [
            Contribution(work: 100), Contribution(work: 100, quality: 500_000, paid: Amount(300)),
            Contribution(work: 50, quality: 1_000_000, paid: Amount(100)),
        ]
        #expect(
            RewardPolicy.work.split(Amount(500), among: contributions).shares
                == [200, 200, 100].map { Amount($0) })
        #expect(
            RewardPolicy.workTimesQuality.split(Amount(500), among: contributions).shares
                == [250, 125, 125].map { Amount($0) })
        #expect(
            RewardPolicy.paid.split(Amount(500), among: contributions).shares
                == [0, 375, 125].map { Amount($0) })
    }

    // RNP-001: 2 % of what was burned earns 2 % of what is minted.
    @Test func renderPaysByWhatWasBurned() {
        let contributions = [
            Contribution(work: 0, paid: Amount(2)), Contribution(work: 0, paid: Amount(98)),
        ]
        let (shares, rest) = RewardPolicy.paid.split(Amount(190_142), among: contributions)
        #expect(shares == [Amount(3_802), Amount(186_339)])
        #expect(rest == Amount(1))
    }

    @Test func noSplitLosesAUnit() {
        var random = SplitMix64(seed: 3)
        for _ in 0..<300 {
            let total = Amount(UInt128(random.next()) << (random.next() % 40))
            let contributions = (0..<(random.next() % 9)).map { _ in
                Contribution(
                    work: random.next() >> (random.next() % 64),
                    quality: UInt32(random.next() % 2_000_000), paid: Amount(UInt128(random.next()))
                )
            }
            for policy in RewardPolicy.allCases {
                let (shares, rest) = policy.split(total, among: contributions)
                #expect(shares.reduce(rest, +) == total)
                if contributions.contains(where: { policy.weight(of: $0) > 0 }) {
                    #expect(rest.units < UInt128(contributions.count))
                }
            }
        }
    }

    // opentensor/subtensor: owner cut 11,796 of 65,535, then half and half.
    @Test func bittensorsCuts() {
        let shares = RewardShares(owner: 11_796, validator: 32_767)
        let (owner, validator, delegators) = shares.divide(Amount(1_000_000_000))
        #expect(owner == Amount(179_995_422))
        #expect(validator == Amount(409_996_032))
        #expect(owner + validator + delegators == Amount(1_000_000_000))
        let all = RewardShares(owner: 65_535, validator: 65_535).divide(Amount(7))
        #expect(all == (Amount(7), .zero, .zero))
    }
}

/// F1 distribution: cosmos/cosmos-sdk, x/distribution/keeper/delegation_test.go, and properties.
@Suite struct DelegationPoolTests {
    private static let million: UInt128 = 1_000_000

    // TestCalculateRewardsMultiDelegator: 200,000 twice with half of it commission.
    @Test func twoDelegatorsShareWhatComesAfterTheSecond() throws {
        var pool = DelegationPool()
        let one = try pool.delegate(Amount(1_000_000))
        try pool.allocate(Amount(100_000))
        let two = try pool.delegate(Amount(1_000_000))
        try pool.allocate(Amount(100_000))
        #expect(pool.reward(of: one) == Amount(150_000))
        #expect(pool.reward(of: two) == Amount(50_000))
    }

    // TestCalculateRewardsAfterManySlashes: 50 % and again, a reward after each.
    @Test func slashesOfAllDoNotMoveTheSplit() throws {
        var pool = DelegationPool()
        let one = try pool.delegate(Amount(1_000_000 * DelegationPoolTests.million))
        #expect(pool.slash(perMillion: 500_000) == Amount(500_000 * DelegationPoolTests.million))
        try pool.allocate(Amount(5 * DelegationPoolTests.million))
        _ = pool.slash(perMillion: 500_000)
        try pool.allocate(Amount(5 * DelegationPoolTests.million))
        #expect(pool.reward(of: one) == Amount(10 * DelegationPoolTests.million))
        #expect(pool.stake(of: one) == Amount(250_000 * DelegationPoolTests.million))
    }

    // TestCalculateRewardsMultiDelegatorMultiSlash: two thirds and a third.
    @Test func whoComesAfterASlashHasMoreShares() throws {
        let million = DelegationPoolTests.million
        var pool = DelegationPool()
        let one = try pool.delegate(Amount(1_000_000 * million))
        try pool.allocate(Amount(150_000 * million))
        _ = pool.slash(perMillion: 500_000)
        let two = try pool.delegate(Amount(1_000_000 * million))
        try pool.allocate(Amount(150_000 * million))
        _ = pool.slash(perMillion: 500_000)
        #expect(pool.reward(of: one) == Amount(200_000 * million))
        #expect(pool.reward(of: two) == Amount(100_000 * million))
    }

    // TestCalculateRewardsMultiDelegatorMultWithdraw: nothing is left after a withdrawal.
    @Test func aWithdrawalStartsAnew() throws {
        var pool = DelegationPool()
        var one = try pool.delegate(Amount(1_000_000))
        try pool.allocate(Amount(10))
        var two = try pool.delegate(Amount(1_000_000))
        try pool.allocate(Amount(10))
        let first = pool.withdraw(one)
        let second = pool.withdraw(two)
        #expect((first.paid, second.paid) == (Amount(15), Amount(5)))
        (one, two) = (first.delegation, second.delegation)
        #expect(pool.reward(of: one) == .zero && pool.reward(of: two) == .zero)
        try pool.allocate(Amount(10))
        #expect(pool.reward(of: one) == Amount(5))
        try pool.allocate(Amount(10))
        #expect(pool.reward(of: two) == Amount(10))
    }

    @Test func aPoolThatWasWrittenGoesOnAlike() throws {
        var pool = DelegationPool()
        let one = try pool.delegate(Amount(7))
        try pool.allocate(Amount(100))
        let two = try pool.delegate(Amount(1_000))
        var writer = ByteWriter()
        writer.write(pool)
        writer.write([one, two])
        var reader = ByteReader(writer.bytes)
        var again: DelegationPool = try reader.read()
        let holders: [DelegationPool.Delegation] = try reader.readArray(limit: 2)
        try reader.finish()
        #expect(again == pool && holders == [one, two])
        for _ in 0..<3 {
            try pool.allocate(Amount(50))
            try again.allocate(Amount(50))
        }
        #expect(again == pool)
        #expect(again.reward(of: holders[0]) == pool.reward(of: one))
    }

    /// What a division leaves is carried into the next one, so sevenths add up to wholes however
    /// often: 140,000 cut-offs of four sevenths would be more than what is added back.
    @Test func whatDividingLeavesIsCarried() throws {
        var pool = DelegationPool()
        let holders = try (0..<7).map { _ in try pool.delegate(Amount(1)) }
        for _ in 0..<140_000 { try pool.allocate(Amount(1)) }
        for holder in holders { #expect(pool.reward(of: holder) == Amount(20_000)) }
    }

    @Test func anEmptyPoolTakesNoReward() throws {
        var pool = DelegationPool()
        #expect(throws: EconomicsError.nothingToDivideBy) { try pool.allocate(Amount(1)) }
        #expect(throws: EconomicsError.tooSmall) { try pool.delegate(.zero) }
        let one = try pool.delegate(Amount(5))
        _ = pool.slash(perMillion: 1_000_000)
        #expect(pool.stake(of: one) == .zero)
        #expect(throws: EconomicsError.nothingToDivideBy) { try pool.delegate(Amount(5)) }
    }

    /// Against the obvious way, which touches every delegation at every reward: never apart by more
    /// than a unit for each change since the last payment, and together to the unit.
    @Test(arguments: UInt64(1)...12)
    func sumsOfPayoutsAndDustAreTheSumOfRewards(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var pool = DelegationPool()
        var holders: [DelegationPool.Delegation] = []
        var naive: [(whole: UInt128, changes: UInt128)] = []
        var (stakeIn, stakeOut, rewards, paid) = (
            Amount.zero, Amount.zero, Amount.zero, Amount.zero
        )
        for _ in 0..<600 {
            switch random.next() % 6 {
            case 0, 1:
                let amount = Amount(UInt128(random.next() >> (random.next() % 50)) + 1)
                guard let holder = try? pool.delegate(amount) else { continue }
                holders.append(holder)
                naive.append((0, 0))
                stakeIn += amount
            case 2, 3:
                let reward = Amount(UInt128(random.next() >> (random.next() % 60)))
                if pool.shares == 0 { continue }
                for place in holders.indices {
                    let part = reward.scaled(
                        by: holders[place].shares, over: pool.shares, rounding: .down)
                    naive[place].whole += part?.units ?? 0
                    naive[place].changes += 1
                }
                try pool.allocate(reward)
                rewards += reward
            case 4 where !holders.isEmpty:
                let place = Int(random.next() % UInt64(holders.count))
                let reward = pool.reward(of: holders[place])
                #expect(reward.units >= naive[place].whole)
                #expect(reward.units <= naive[place].whole + naive[place].changes + 1)
                if random.next() & 1 == 0 {
                    let result = pool.withdraw(holders[place])
                    (paid, holders[place]) = (paid + result.paid, result.delegation)
                    naive[place] = (0, 0)
                } else {
                    let result = pool.undelegate(holders.remove(at: place))
                    naive.remove(at: place)
                    paid += result.paid
                    stakeOut += result.stake
                }
            default:
                stakeOut += pool.slash(perMillion: UInt32(random.next() % 300_000))
            }
            #expect(pool.rewardsHeld == rewards - paid)
            #expect(pool.stake == stakeIn - stakeOut)
        }
        let left = holders.count
        for holder in holders {
            let result = pool.undelegate(holder)
            paid += result.paid
            stakeOut += result.stake
        }
        #expect(stakeIn == stakeOut)
        let dust = pool.takeDust()
        #expect(paid + dust == rewards)
        #expect(dust.units <= UInt128(600 + left))
    }
}
