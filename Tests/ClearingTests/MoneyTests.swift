import Clearing
import ClearingWorld
import Economics
import Ledger
import Primitives
import Testing

/// Where the money goes, to the unit.
@Suite struct MoneyTests {
    /// 10 prompt tokens at 3 x 0.1 and 5 output tokens at 3 x 0.2 dollars per million.
    private let pipelineCost = Amount(3 * (10 * 100_000 + 5 * 200_000))

    @Test func aDeliveredJobMovesWhatWasUsedAndFreesTheRest() {
        var world = World()
        let before = world.balance(.available, World.buyer)
        let job = world.open()
        #expect(world.house.job(job)?.pipeline.map(\.party) == [1, 2, 3].map(PartyID.init))
        #expect(world.house.job(job)?.hold == Amount(3 * (10 * 100_000 + 20 * 200_000)))
        world.run(.submitReceipts(world.delivery(job)))
        #expect(world.balance(.escrow) == pipelineCost)
        #expect(world.balance(.available, World.buyer) == before - pipelineCost)
    }

    @Test func escrowIsPaidAtTheEndOfTheWindow() {
        var world = World()
        let job = world.deliver()
        world.seconds += 50
        world.run(.pulse)
        #expect(world.house.job(job)?.state == .delivered)
        world.seconds += 100
        world.run(.pulse)
        #expect(world.house.job(job)?.state == .paid)
        #expect(world.balance(.escrow) == .zero)
        let stage = Amount(pipelineCost.units / 3)
        let fee = Amount(stage.units / 20)
        for party in UInt64(1)...3 {
            #expect(world.balance(.payable, PartyID(party)) == stage - fee)
        }
        #expect(world.balance(.fee) == Amount(3 * fee.units))
        #expect(world.house.parties[0].totalWork == 150)
    }

    /// What cannot be judged is not charged, whatever the others signed: or two friends could sell
    /// one layer's work as a whole model's.
    @Test func anAnswerWithAnUnsignedStageCostsNothing() {
        var world = World()
        let before = world.balance(.available, World.buyer)
        let job = world.open()
        var delivery = world.delivery(job)
        delivery.receipts.remove(at: 1)
        let events = world.run(.submitReceipts(delivery))
        #expect(
            events.contains(.faultNoted(NodeID(2), code: .receiptWithheld, rung: .withholdUnit)))
        #expect(world.house.job(job)?.failure == .unsigned)
        #expect(world.balance(.escrow) == .zero)
        #expect(world.balance(.available, World.buyer) == before)
        #expect(world.house.parties.map(\.livenessFaults) == [0, 1, 0, 0, 0, 0])
        #expect(world.house.parties.allSatisfy { $0.exposure == .zero && $0.totalWork == 0 })
    }

    @Test func aFailedJobCostsNothing() {
        var world = World()
        let before = world.balance(.available, World.buyer)
        let job = world.open()
        #expect(world.balance(.available, World.buyer) < before)
        world.run(.failJob(job, reason: .cancelled))
        #expect(world.balance(.available, World.buyer) == before)
        #expect(world.house.parties.allSatisfy { $0.exposure == .zero })
    }

    @Test func aJobThatRunsTooLongIsReleased() {
        var world = World()
        let before = world.balance(.available, World.buyer)
        let job = world.open()
        world.seconds += 601
        world.run(.pulse)
        #expect(world.house.job(job)?.failure == .timedOut)
        #expect(world.balance(.available, World.buyer) == before)
    }

    @Test func aLostStageIsReplacedByTheNextCheapest() {
        var world = World()
        world.run(.registerNode(World.buyer, key: World.key(70), kernel: ""))
        world.observe(.bonded(account: World.address(6), chainUnits: 100_000_000))
        world.run(.setPresence(NodeID(6), online: true))
        let job = world.open()
        world.run(.postOffer(world.offer(node: 6, World.range(10, 20), price: 90)))
        world.run(.setPresence(NodeID(2), online: false))
        let events = world.run(.replaceStage(job, attempt: 1, stage: 1, code: .abandoned))
        #expect(events.contains(.stageReplaced(job, attempt: 2)))
        #expect(world.house.job(job)?.pipeline.map(\.node) == [1, 6, 3].map(NodeID.init))
        #expect(world.house.offers[1].running == 0)
        #expect(world.house.parties[1].exposure == .zero)
    }

    @Test func aJobThatCannotGoOnIsRefunded() {
        var world = World()
        let before = world.balance(.available, World.buyer)
        let job = world.open()
        world.run(.setPresence(NodeID(4), online: false))
        world.run(.replaceStage(job, attempt: 1, stage: 0, code: .abandoned))
        #expect(world.house.job(job)?.failure == .noReplacement)
        #expect(world.balance(.available, World.buyer) == before)
    }

    @Test func anAuditThatReproducesPaysEveryone() {
        var world = World()
        let job = world.audited()
        #expect(world.house.job(job)?.auditor == NodeID(5))
        world.run(.recordVerdict(world.verdict(job, .reproduced)))
        #expect(world.house.job(job)?.state == .paid)
        // Half of the job's cost is due, but the house has only earned its fee so far.
        #expect(world.balance(.payable, World.verifier) == Amount(pipelineCost.units / 20))
        #expect(world.balance(.fee) == .zero)
    }

    @Test func anUnansweredAuditPaysTheStagesAndFaultsTheVerifier() {
        var world = World()
        let job = world.audited()
        world.seconds += 60
        world.run(.pulse)
        #expect(world.house.job(job)?.state == .paid)
        #expect(world.house.parties[4].livenessFaults == 1)
        #expect(world.house.nodes[4].openAudits == 0)
    }

    @Test func aConvictionRefundsTheBuyerAndSlashesOnlyTheGuilty() {
        var world = World()
        let before = world.balance(.available, World.buyer)
        let job = world.audited { $0.only = [PartyID(1), PartyID(2), PartyID(3)] }
        world.run(.recordVerdict(world.verdict(job, .outputMismatch, stage: 1)))
        #expect(world.house.job(job)?.state == .disputed)
        #expect(world.balance(.payable, PartyID(1)) > .zero)
        #expect(world.house.offer(OfferID(2))?.state == .revoked)
        world.seconds += 201
        let events = world.run(.pulse)
        let penalty = Amount(5 * World.dollar.units)
        let burned = Amount(penalty.units / 2)
        #expect(
            events.contains(
                .slashExecuted(VerdictID(1), PartyID(2), amount: penalty, burned: burned)))
        #expect(world.balance(.available, World.buyer) == before)
        #expect(world.balance(.bonded, PartyID(2)) == Amount(95 * World.dollar.units))
        #expect(world.balance(.bonded, PartyID(1)) == Amount(100 * World.dollar.units))
        #expect(world.balance(.burn) == burned)
        // 50 times the job's cost is less than a fifth of the penalty.
        let bounty = Amount(50 * pipelineCost.units)
        #expect(world.balance(.payable, World.verifier) == bounty)
        #expect(world.house.job(job)?.state == .refunded)
        #expect(world.balance(.escrow) == .zero)
        #expect(world.house.ledger.checkInvariants().isEmpty)
    }

    @Test func anUpheldAppealPaysTheAccusedAndFaultsTheVerifier() {
        var world = World()
        let job = world.audited { $0.only = [World.whole] }
        world.run(.recordVerdict(world.verdict(job, .outputMismatch, stage: 0)))
        world.run(.openAppeal(VerdictID(1), by: World.whole))
        world.run(.resolveAppeal(VerdictID(1), upheld: true))
        #expect(world.house.job(job)?.state == .paid)
        #expect(world.balance(.bonded, World.whole) == Amount(100 * World.dollar.units))
        #expect(world.balance(.payable, World.whole) > .zero)
        #expect(world.balance(.bonded, World.verifier) == Amount(99 * World.dollar.units))
        #expect(world.house.verdicts.last?.code == .falseAccusation)
        #expect(world.house.parties[3].objectiveFaults == 0)
    }

    @Test func aConvictedNodesOtherJobsAreAllAudited() {
        var world = World { $0.auditRatePerMillion = 1 }
        let first = world.deliver { $0.only = [World.whole] }
        let second = world.deliver { $0.only = [World.whole] }
        // With a rate of one in a million nothing is drawn; force the first by hand.
        world.run(.configure(world.parameters.auditing(1_000_000), chain: 31337))
        world.run(.drawAudits(beacon: World.digest(1)))
        #expect(world.house.job(first)?.state == .auditing)
        world.run(.recordVerdict(world.verdict(first, .outputMismatch, stage: 0)))
        #expect(
            world.house.job(second)?.state == .auditing || world.house.job(second)?.suspect == true)
    }

    @Test func bondThatIsLeavingCanStillBeTaken() {
        var world = World()
        world.observe(.unbondRequested(account: World.address(4), chainUnits: 100_000_000))
        #expect(world.balance(.unbonding, World.whole) == Amount(100 * World.dollar.units))
        let refused = world.apply(.openJob(with(world.demand()) { $0.only = [World.whole] }))
        #expect(refused == .failure(.noOffers))
    }

    @Test func settlementPaysEachAddressWhatItEarnedOnce() {
        var world = World()
        _ = world.deliver()
        world.seconds += 200
        world.run(.pulse)
        world.run(.closeEpoch)
        world.run(.cutBatch)
        let batch = world.house.batches[0]
        #expect(batch.lines.count == 6)
        let usd = batch.lines.first { $0.party == PartyID(1) && $0.asset == .usd }
        // 1,900,000 ledger units are 1.9 chain units: one is paid, the dust stays.
        #expect(usd?.cumulative == 1)
        #expect(world.balance(.payable, PartyID(1)) == Amount(900_000))
        world.run(.sealBatch(BatchID(1), root: World.digest(4)))
        world.observe(.rootCommitted(batch: BatchID(1), root: World.digest(4)))
        #expect(world.house.batches[0].state == .confirmed)
        world.observe(.claimed(account: World.address(1), asset: .usd, chainUnits: 1))
        #expect(world.balance(.inTransit, PartyID(1)) == .zero)
        let again = ChainObservation.claimed(account: World.address(1), asset: .usd, chainUnits: 1)
        #expect(
            world.apply(.observeChain(world.nextReference(), again))
                == .failure(.insufficientBalance))
    }

    /// A journal of before there were commitments decodes, and leads to the state hashes that were
    /// recorded in it: its batches have the bytes they had.
    @Test func aBatchWithoutACommitmentKeepsItsBytes() throws {
        var old = World()
        _ = old.deliver()
        old.seconds += 200
        old.run(.pulse)
        old.run(.closeEpoch)
        old.run(.cutBatch)
        let root = World.digest(4)
        let commitment = World.commitment(BatchID(1), old.house)
        let bare = Command.sealBatch(BatchID(1), root: root)
        let full = Command.sealBatch(BatchID(1), root: root, liabilities: commitment)
        #expect(bare.canonicalBytes() == [54, 1, 0, 0, 0, 0, 0, 0, 0] + root.bytes)
        #expect(
            full.canonicalBytes() == [57] + bare.canonicalBytes().dropFirst()
                + commitment.canonicalBytes())
        #expect(try Command(canonicalBytes: bare.canonicalBytes()) == bare)
        #expect(try Command(canonicalBytes: full.canonicalBytes()) == full)
        let other = Command.sealBatch(
            BatchID(1), root: root, liabilities: World.commitment(BatchID(2), old.house))
        #expect(old.apply(other) == .failure(.wrongBatchState))
        old.seconds -= 1
        var new = old
        old.run(bare)
        new.run(full)
        #expect(old.house.lastCommitted == nil)
        #expect(new.house.lastCommitted?.liabilities == commitment)
        let (before, after) = (old.house.canonicalBytes(), new.house.canonicalBytes())
        #expect(after.count == before.count + commitment.canonicalBytes().count)
        // The state's byte of the only batch is the first that differs: it has its top bit set.
        let first = try #require(before.indices.first { before[$0] != after[$0] })
        #expect(before[first] == BatchState.sealed.rawValue)
        #expect(after[first] == BatchState.sealed.rawValue | 0x80)
    }

    @Test func emissionIsSharedByVerifiedWork() {
        var world = World()
        _ = world.deliver()
        _ = world.deliver { $0.only = [World.whole] }
        world.seconds += 200
        world.run(.pulse)
        world.run(.closeEpoch)
        let shares = world.house.epochs[0].shares
        #expect(shares.map(\.party) == [1, 2, 3, 4].map(PartyID.init))
        #expect(shares.map(\.work) == [150, 150, 150, 450])
        #expect(shares[3].amount.units == world.parameters.initialEmission.units / 2)
    }

    private func with(_ demand: Demand, _ change: (inout Demand) -> Void) -> Demand {
        var changed = demand
        change(&changed)
        return changed
    }
}

extension Parameters {
    fileprivate func auditing(_ rate: UInt32) -> Parameters {
        var changed = self
        changed.auditRatePerMillion = rate
        return changed
    }
}
