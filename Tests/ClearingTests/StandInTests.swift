import Clearing
import ClearingWorld
import Economics
import Primitives
import Testing

/// Nodes that compute a stage along: who could take it over, and that one does.
@Suite struct StandInTests {
    /// A world whose job runs on nodes 1 to 3, with node 6 able to have the middle stage (offer 5).
    private func world(price: UInt64 = 90, concurrency: UInt16 = 4) -> (World, JobID) {
        var world = World()
        world.run(.registerNode(World.buyer, key: World.key(70), kernel: ""))
        world.observe(.bonded(account: World.address(6), chainUnits: 100_000_000))
        world.run(.setPresence(NodeID(6), online: true))
        let job = world.open()
        var offer = world.offer(node: 6, World.range(10, 20), price: price)
        offer.concurrency = concurrency
        world.run(.postOffer(offer))
        return (world, job)
    }

    private func takeOver(
        _ job: JobID, attempt: UInt32 = 1, stage: UInt16 = 1, code: FaultCode = .abandoned,
        node: UInt64 = 6
    ) -> Command {
        .replaceByStandIn(
            job, attempt: attempt, stage: stage, code: code, standIn: NodeID(node))
    }

    /// Nobody is found, and taking over is refused without a trace.
    private func expectNobody(_ world: inout World, _ job: JobID) {
        #expect(world.house.standIns(for: job, stage: 1) == [])
        let before = world.house.canonicalBytes()
        #expect(world.apply(takeOver(job)) == .failure(.noAlternative))
        #expect(world.house.canonicalBytes() == before)
    }

    @Test func theStandInTakesOver() throws {
        var (world, job) = world()
        #expect(world.house.standIns(for: job, stage: 1) == [NodeID(6)])
        #expect(world.house.standIns(for: job, stage: 0) == [])
        #expect(world.house.standIns(for: job, stage: 3) == [])
        let events = world.run(takeOver(job))
        #expect(
            events.contains(.faultNoted(NodeID(2), code: .abandoned, rung: .withholdUnit)))
        #expect(events.contains(.stageReplaced(job, attempt: 2)))
        #expect(world.house.job(job)?.pipeline.map(\.node) == [1, 6, 3].map(NodeID.init))
        #expect(world.house.job(job)?.failedNodes == [NodeID(2)])
        #expect(world.house.offers[1].running == 0)
        #expect(world.house.offers[4].running == 1)
        #expect(world.house.parties[1].exposure == .zero)
        #expect(world.apply(takeOver(job)) == .failure(.staleAttempt))
        world.run(.submitReceipts(world.delivery(job)))
        #expect(world.house.job(job)?.state == .delivered)
    }

    @Test func theCheapestIsFoundFirst() throws {
        var (world, job) = world()
        world.run(.registerNode(World.buyer, key: World.key(71), kernel: ""))
        world.run(.setPresence(NodeID(7), online: true))
        world.run(.postOffer(world.offer(node: 7, World.range(10, 20), price: 80)))
        #expect(world.house.standIns(for: job, stage: 1) == [7, 6].map(NodeID.init))
    }

    @Test func whatDoesNotFitIsRefused() throws {
        var (world, job) = world()
        #expect(world.apply(takeOver(job, stage: 3)) == .failure(.noSuchStage))
        #expect(world.apply(takeOver(job, code: .outputMismatch)) == .failure(.noSuchStage))
        #expect(world.apply(takeOver(job, node: 99)) == .failure(.nodeNotFound))
        #expect(world.apply(takeOver(JobID(9))) == .failure(.jobNotFound))
        // A node that has a stage of the job already, or none of these layers.
        #expect(world.apply(takeOver(job, node: 3)) == .failure(.noAlternative))
        #expect(world.apply(takeOver(job, stage: 0)) == .failure(.noAlternative))
        let command = takeOver(job)
        #expect(command.canonicalBytes()[0] == 35)
        #expect(try Command(canonicalBytes: command.canonicalBytes()) == command)
    }

    @Test func whoIsDearerThanWhatIsHeldIsNobody() {
        var (world, job) = world(price: 1_000)
        expectNobody(&world, job)
    }

    @Test func whoWentAwayIsNobody() {
        var (world, job) = world()
        world.run(.setPresence(NodeID(6), online: false))
        expectNobody(&world, job)
    }

    @Test func whoIsFullIsNobody() {
        var (world, job) = world(concurrency: 1)
        let other = world.open()
        #expect(world.house.job(other)?.pipeline[1].node == NodeID(6))
        expectNobody(&world, job)
    }

    @Test func whoTookTheOfferBackIsNobody() {
        var (world, job) = world()
        world.run(.withdrawOffer(World.buyer, OfferID(5)))
        expectNobody(&world, job)
    }
}
