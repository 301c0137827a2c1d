import Clearing
import ClearingWorld
import Economics
import Ledger
import Primitives
import Testing

/// The books and the contract take the same from a bond, in whichever order things happen.
@Suite struct BondsOnChainTests {
    private static let provider = PartyID(4)

    private func dollars(_ micros: UInt128) -> Amount {
        Asset.usd.amount(chainUnits: micros) ?? .zero
    }

    private func convicted(_ world: inout World, stage: UInt16 = 0) -> VerdictRecord? {
        let job = world.audited { $0.only = [Self.provider] }
        world.run(.recordVerdict(world.verdict(job, .outputMismatch, stage: stage)))
        return world.house.verdicts.last
    }

    private func execute(_ world: inout World) {
        world.seconds += 1_000
        world.run(.pulse)
    }

    private func slash(_ record: VerdictRecord?, taken: UInt128? = nil, burned: UInt128? = nil)
        -> ChainObservation
    {
        guard let record else {
            return .slashed(account: .zero, chainUnits: 0, burned: 0, verdict: .zero)
        }
        return .slashed(
            account: World.address(4), chainUnits: taken ?? Asset.usd.chainUnits(record.captured),
            burned: burned ?? Asset.usd.chainUnits(record.burned), verdict: record.slashKey)
    }

    private func left(_ world: World) -> Amount {
        world.balance(.bonded, Self.provider) + world.balance(.unbonding, Self.provider)
    }

    /// Five per cent of a bond that is not divisible: whole chain units are taken, so that what is
    /// left can be withdrawn to the last one.
    @Test func aPenaltyIsWholeChainUnits() throws {
        var world = World()
        world.observe(.bonded(account: World.address(4), chainUnits: 7))
        let record = try #require(convicted(&world))
        #expect(record.captured == dollars(5_000_001))
        execute(&world)
        world.observe(slash(world.house.verdicts.first))
        let rest: UInt128 = 100_000_007 - 5_000_001
        world.observe(.unbondRequested(account: World.address(4), chainUnits: rest))
        world.observe(.bondWithdrawn(account: World.address(4), chainUnits: rest))
        #expect(left(world) == .zero)
    }

    /// Everything is asked back while a part is captured, then more is bonded: the contract cuts
    /// the new bond, the books the captured one, and the sum is the same.
    @Test func whatIsLeftLeavesFromEitherPot() throws {
        var world = World()
        _ = try #require(convicted(&world))
        world.observe(.unbondRequested(account: World.address(4), chainUnits: 100_000_000))
        world.observe(.bonded(account: World.address(4), chainUnits: 5_000_000))
        execute(&world)
        world.observe(slash(world.house.verdicts.first))
        world.observe(.bondWithdrawn(account: World.address(4), chainUnits: 100_000_000))
        #expect(left(world) == .zero)
        #expect(world.house.verdicts.first?.settledOnChain == true)
    }

    /// The contract had less than the books took: what was not burned pays first, then insurance;
    /// no provider and no buyer loses by it.
    @Test func aSlashThatTakesLessIsTheInsurancesLoss() throws {
        var world = World()
        _ = try #require(convicted(&world))
        execute(&world)
        let record = try #require(world.house.verdicts.first)
        let burn = world.balance(.burn)
        let insurance = world.balance(.insurance)
        #expect(burn == record.burned)
        world.observe(slash(record, taken: 1_000_000, burned: 500_000))
        let missing = record.captured - dollars(1_000_000)
        let gone = burn + insurance - world.balance(.burn) - world.balance(.insurance)
        // Half a dollar was burned on chain; the rest of what is gone is what never came.
        #expect(gone == dollars(500_000) + min(missing, burn - dollars(500_000) + insurance))
        #expect(world.balance(.burn) == .zero)
    }

    /// A job's evidence never holds two receipts of one stage, so no verdict on it can say so.
    @Test func equivocationIsNotForAnAuditorToSay() {
        var world = World()
        let job = world.audited { $0.only = [Self.provider] }
        let verdict = world.verdict(job, .equivocation, stage: 0)
        #expect(world.apply(.recordVerdict(verdict)) == .failure(.malformedVerdict))
        #expect(world.balance(.bonded, Self.provider) == dollars(100_000_000))
    }

    /// A job that nobody can audit now is audited when somebody can.
    @Test func anAuditWaitsForAnAuditor() {
        var world = World()
        world.run(.setPresence(NodeID(5), online: false))
        let job = world.audited { $0.only = [Self.provider] }
        #expect(world.house.job(job)?.state == .delivered)
        #expect(world.house.undrawnCount == 1)
        world.run(.setPresence(NodeID(5), online: true))
        world.run(.drawAudits(beacon: World.digest(9_999)))
        #expect(world.house.job(job)?.auditor == NodeID(5))
        #expect(world.house.undrawnCount == 0)
    }

    /// An auditor is given no more than it can answer in time.
    @Test func anAuditorHasALimit() {
        var world = World { $0.challengeWindow = .seconds(10_000) }
        world.observe(.deposited(account: World.address(6), chainUnits: 10_000_000))
        for _ in 0..<40 { _ = world.deliver { $0.only = [Self.provider] } }
        world.run(.drawAudits(beacon: World.digest(8_888)))
        #expect(world.house.nodes[4].openAudits == Limits.openAudits)
        #expect(world.house.undrawnCount == 8)
    }

    /// A node that was busy is left out for this job, and that is all.
    @Test func aNodeThatDeclinesIsNotBlamed() {
        var world = World()
        let job = world.open { $0.only = [Self.provider] }
        let events = world.run(.replaceStage(job, attempt: 1, stage: 0, code: .declined))
        #expect(events.contains(.faultNoted(NodeID(4), code: .declined, rung: .warn)))
        #expect(world.house.parties[3].livenessFaults == 0)
        #expect(world.house.parties[3].rewardLostUntil == .none)
        #expect(world.house.job(job)?.failedNodes == [NodeID(4)])
    }

    /// The contract finds no bond: the house writes the slash off once, and roots go on.
    @Test func aSlashThatFindsNoBondIsWrittenOff() throws {
        var world = World()
        let record = try #require(convicted(&world))
        #expect(world.apply(.writeOffSlash(record.id)) == .failure(.malformedVerdict))
        execute(&world)
        let events = world.run(.writeOffSlash(record.id))
        #expect(world.house.unsettledSlashes.isEmpty)
        #expect(world.balance(.burn) == .zero)
        // What burn and insurance could not cover is said aloud.
        let bounty = world.balance(.payable, World.verifier)
        let lost = events.compactMap { event -> Amount? in
            if case .bondShortfall(_, let amount) = event { amount } else { nil }
        }
        let covered = record.captured - (lost.first ?? .zero)
        #expect(covered <= record.captured - bounty)
        #expect(world.apply(.writeOffSlash(record.id)) == .failure(.malformedVerdict))
        #expect(world.house.ledger.checkInvariants().isEmpty)
    }

    /// More left the contract than the books have: booked all the same, and said aloud.
    @Test func moneyThatIsGoneIsBooked() throws {
        var world = World()
        _ = try #require(convicted(&world))
        world.observe(.unbondRequested(account: World.address(4), chainUnits: 100_000_000))
        let log = ChainObservation.bondWithdrawn(
            account: World.address(4), chainUnits: 100_000_000)
        let events = world.run(.observeChain(world.nextReference(), log))
        #expect(events.contains(.bondShortfall(Self.provider, amount: dollars(5_000_000))))
        #expect(world.balance(.unbonding, Self.provider) == .zero)
    }

    /// A verifier that is taking its bond out pays for a false accusation all the same.
    @Test func aFalseAccuserPaysFromWhatIsLeaving() throws {
        var world = World()
        let record = try #require(convicted(&world))
        world.observe(.unbondRequested(account: World.address(5), chainUnits: 100_000_000))
        world.run(.openAppeal(record.id, by: Self.provider))
        world.run(.resolveAppeal(record.id, upheld: true))
        #expect(world.balance(.unbonding, World.verifier) == dollars(99_000_000))
        #expect(left(world) == dollars(100_000_000))
    }

    /// Convictions that are still open do not count against each other: the ladder climbs with
    /// what was executed.
    @Test func openConvictionsAreNotPriors() {
        var world = World()
        let jobs = (0..<2).map { _ in world.deliver { $0.only = [Self.provider] } }
        world.run(.drawAudits(beacon: World.digest(7_777)))
        for job in jobs { world.run(.recordVerdict(world.verdict(job, .outputMismatch, stage: 0))) }
        #expect(world.house.verdicts.map(\.rung) == [.fivePercent, .fivePercent])
        world.run(.openAppeal(VerdictID(1), by: Self.provider))
        world.run(.resolveAppeal(VerdictID(1), upheld: true))
        execute(&world)
        #expect(world.house.parties[3].objectiveFaults == 1)
        #expect(!world.house.parties[3].tombstoned)
        #expect(left(world) == dollars(100_000_000 - 4_750_000))
    }
}
