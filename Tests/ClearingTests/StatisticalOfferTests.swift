import Clearing
import ClearingWorld
import Primitives
import Testing

/// Work whose bytes nobody can hold anyone to: only for those who ask for it, and never judged.
@Suite struct StatisticalOfferTests {
    /// A world with a whole-model statistical offer, cheaper than all others, of node 1.
    private func world(_ change: (inout OfferDraft) -> Void = { _ in }) -> World {
        var world = World()
        var offer = world.offer(node: 1, World.range(0, World.layers), price: 10)
        offer.numerics = .statistical
        change(&offer)
        world.run(.postOffer(offer))
        return world
    }

    private func statistical(_ demand: inout Demand) {
        demand.acceptsStatistical = true
    }

    /// The delivery with receipts that name this profile.
    private func delivery(_ world: World, _ job: JobID, _ profile: Digest) -> Delivery {
        var delivery = world.delivery(job)
        delivery.receipts = delivery.receipts.map { receipt in
            var body = receipt.body
            body.profile = profile
            return World.sign(body, by: receipt.signer)
        }
        return delivery
    }

    @Test func onlyThoseWhoAskForItGetIt() {
        var world = world()
        let exact = world.open()
        #expect(world.house.job(exact)?.pipeline.count == 3)
        let any = world.open(statistical)
        #expect(world.house.job(any)?.pipeline.map(\.node) == [NodeID(1)])
        let offer = world.house.job(any).flatMap { world.house.offer($0.pipeline[0].offer) }
        #expect(offer?.draft.numerics == .statistical)
    }

    @Test func aReplacementIsAsExactAsTheDemand() {
        var world = world()
        for number in UInt64(2)...4 { world.run(.setPresence(NodeID(number), online: false)) }
        var demand = world.demand()
        #expect(world.apply(.openJob(demand)) == .failure(.noOffers))
        for number in UInt64(2)...4 { world.run(.setPresence(NodeID(number), online: true)) }
        demand.request = 900
        world.run(.openJob(demand))
        let job = JobID(UInt64(world.house.jobs.count))
        for number in UInt64(2)...4 { world.run(.setPresence(NodeID(number), online: false)) }
        world.run(.replaceStage(job, attempt: 1, stage: 1, code: .abandoned))
        #expect(world.house.job(job)?.failure == .noReplacement)
    }

    @Test func itIsOfferedAsWholeModelsOnly() {
        var world = World()
        var offer = world.offer(node: 1, World.range(0, World.layers - 1), price: 10)
        offer.numerics = .statistical
        #expect(world.apply(.postOffer(offer)) == .failure(.invalidLayers))
    }

    @Test func itsReceiptsMustNotClaimTheContract() {
        var world = world()
        let job = world.open(statistical)
        #expect(
            world.apply(.submitReceipts(delivery(world, job, World.digest(2))))
                == .failure(.wrongWork))
        world.run(.submitReceipts(delivery(world, job, Numerics.statisticalProfile)))
        #expect(world.house.job(job)?.state == .delivered)
        let exact = world.open()
        #expect(
            world.apply(.submitReceipts(delivery(world, exact, Numerics.statisticalProfile)))
                == .failure(.wrongWork))
    }

    @Test func itIsNeverDrawnAndPaidAfterItsWindowWithoutEmission() {
        var world = world()
        let job = world.open(statistical)
        world.run(.submitReceipts(delivery(world, job, Numerics.statisticalProfile)))
        let exact = world.audited()
        #expect(world.house.job(exact)?.state == .auditing)
        #expect(world.house.job(job)?.state == .delivered)
        // A conviction of the same node makes all its other work suspect, but not this.
        world.run(.recordVerdict(world.verdict(exact, .outputMismatch, stage: 0)))
        world.run(.drawAudits(beacon: World.digest(9_999)))
        #expect(world.house.job(job)?.state == .delivered)
        #expect(world.house.job(job)?.suspect == false)
        let before = world.house.parties[0].totalWork
        world.seconds += 200
        world.run(.pulse)
        #expect(world.house.job(job)?.state == .paid)
        #expect(world.balance(.payable, PartyID(1)) > .zero)
        #expect(world.house.parties[0].totalWork == before)
        #expect(world.house.parties[0].epochWork == 0)
    }

    /// Journals of before there were such offers read as they did, and give the same state hashes.
    @Test func exactRecordsKeepTheirBytes() throws {
        let world = World()
        var offer = world.offer(node: 1, World.range(0, 10), price: 10)
        let plain = offer.canonicalBytes()
        offer.numerics = .statistical
        let marked = offer.canonicalBytes()
        #expect(try OfferDraft(canonicalBytes: plain).numerics == .exact)
        #expect(try OfferDraft(canonicalBytes: marked) == offer)
        #expect(zip(plain, marked).count { $0 != $1 } == 1 && plain.count == marked.count)
        var old = ByteWriter()
        old.write(offer.node)
        old.write(offer.model)
        old.write(offer.layers)
        old.write(offer.weights)
        old.write(offer.inputPrice)
        old.write(offer.outputPrice)
        old.write(offer.concurrency)
        old.write(offer.context)
        old.write(offer.region)
        old.write(offer.expiresAt)
        #expect(plain == old.bytes)

        var demand = world.demand()
        for (fallbacks, accepts, flag) in [
            (false, false, UInt8(0)), (true, false, 1), (false, true, 2), (true, true, 3),
        ] {
            demand.allowFallbacks = fallbacks
            demand.acceptsStatistical = accepts
            var bytes = demand.canonicalBytes()
            #expect(bytes[bytes.count - 33] == flag)
            #expect(try Demand(canonicalBytes: bytes) == demand)
            bytes[bytes.count - 33] = 12
            #expect(throws: CodecError.self) { try Demand(canonicalBytes: bytes) }
        }
    }
}
