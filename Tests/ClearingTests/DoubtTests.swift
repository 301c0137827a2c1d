import Clearing
import ClearingWorld
import Economics
import Primitives
import Testing

/// A stage that is only doubted: another node takes over if there is one, and otherwise nothing
/// happens. Both are one decision, so what changes after the doubt arose ends no job.
@Suite struct DoubtTests {
    /// A world whose job runs on nodes 1 to 3, with a spare for the middle stage (offer 5).
    private func world(concurrency: UInt16 = 4) -> (World, JobID) {
        var world = World()
        world.run(.registerNode(World.buyer, key: World.key(70), kernel: ""))
        world.observe(.bonded(account: World.address(6), chainUnits: 100_000_000))
        world.run(.setPresence(NodeID(6), online: true))
        let job = world.open()
        var spare = world.offer(node: 6, World.range(10, 20), price: 90)
        spare.concurrency = concurrency
        world.run(.postOffer(spare))
        return (world, job)
    }

    private func nodes(_ world: World, _ job: JobID) -> [NodeID]? {
        world.house.job(job)?.pipeline.map(\.node)
    }

    /// The doubt is refused without a trace, and the job ends as if nothing had been.
    private func expectNothingHappens(_ world: inout World, _ job: JobID) {
        let before = world.house.canonicalBytes()
        let answer = world.apply(.replaceDoubted(job, attempt: 1, stage: 1))
        #expect(answer == .failure(.noAlternative))
        #expect(world.house.canonicalBytes() == before)
        world.run(.submitReceipts(world.delivery(job)))
        #expect(world.house.job(job)?.state == .delivered)
    }

    @Test func theSpareTakesOverAndNobodyIsBlamed() throws {
        var (world, job) = world()
        let events = world.run(.replaceDoubted(job, attempt: 1, stage: 1))
        #expect(events.contains(.faultNoted(NodeID(2), code: .declined, rung: .warn)))
        #expect(events.contains(.stageReplaced(job, attempt: 2)))
        #expect(nodes(world, job) == [1, 6, 3].map(NodeID.init))
        #expect(world.house.job(job)?.failedNodes == [NodeID(2)])
        #expect(world.house.offers[1].running == 0)
        #expect(world.house.parties[1].exposure == .zero)
        #expect(world.house.parties[1].livenessFaults == 0)
        #expect(
            world.apply(.replaceDoubted(job, attempt: 1, stage: 1)) == .failure(.staleAttempt))
        #expect(world.apply(.replaceDoubted(job, attempt: 2, stage: 3)) == .failure(.noSuchStage))
        let bytes = Command.replaceDoubted(job, attempt: 2, stage: 1).canonicalBytes()
        #expect(bytes[0] == 34)
        #expect(
            try Command(canonicalBytes: bytes) == .replaceDoubted(job, attempt: 2, stage: 1))
    }

    @Test func aSpareThatWasTakenBackMeanwhileEndsNoJob() {
        var (world, job) = world()
        world.run(.withdrawOffer(World.buyer, OfferID(5)))
        expectNothingHappens(&world, job)
    }

    @Test func aSpareThatWentAwayMeanwhileEndsNoJob() {
        var (world, job) = world()
        world.run(.setPresence(NodeID(6), online: false))
        expectNothingHappens(&world, job)
    }

    @Test func aSpareThatAnotherJobTookMeanwhileEndsNoJob() {
        var (world, job) = world(concurrency: 1)
        let other = world.open()
        #expect(nodes(world, other) == [1, 6, 3].map(NodeID.init))
        expectNothingHappens(&world, job)
    }

    /// The whole model elsewhere is no reason to throw away what runs.
    @Test func aWholeNewPipelineIsNotStartedForADoubt() {
        var (world, job) = world()
        world.run(.setPresence(NodeID(6), online: false))
        #expect(world.house.node(NodeID(4))?.online == true)
        expectNothingHappens(&world, job)
    }

    @Test func theLastAttemptIsNotGivenUpForADoubt() {
        var (world, job) = world()
        for attempt in UInt32(1)...4 {
            // The node that failed an attempt is not matched again: a new one for each.
            world.run(.registerNode(World.buyer, key: World.key(80 + UInt64(attempt)), kernel: ""))
            let node = UInt64(world.house.nodes.count)
            world.run(.setPresence(NodeID(node), online: true))
            world.run(.postOffer(world.offer(node: node, World.range(10, 20), price: 90)))
            world.run(.replaceDoubted(job, attempt: attempt, stage: 1))
        }
        let answer = world.apply(.replaceDoubted(job, attempt: 5, stage: 1))
        #expect(answer == .failure(.noAlternative))
        #expect(world.house.job(job)?.state == .running)
    }
}
