import Clearing
import ClearingWorld
import Economics
import Primitives
import Testing

/// Offers and demands made to get what is not due.
@Suite struct MarketGuardTests {
    private func price(_ dollars: UInt64) -> Price {
        Price(perMillion: dollars * 1_000_000_000_000)
    }

    /// An offer that is cheapest at the maximum and over a limit does not hide one that fits.
    @Test func anOfferOverALimitHidesNobody() {
        var world = World()
        world.run(.registerNode(World.buyer, key: World.key(70), kernel: ""))
        world.observe(.bonded(account: World.address(6), chainUnits: 100_000_000))
        world.run(.setPresence(NodeID(6), online: true))
        var decoy = world.offer(node: 6, World.range(0, World.layers), price: 1)
        decoy.inputPrice = price(10)
        decoy.outputPrice = .zero
        world.run(.postOffer(decoy))
        let job = world.open {
            $0.promptTokens = 1
            $0.maxTokens = 1_000
            $0.maxInputPrice = price(1)
            $0.maxOutputPrice = price(1)
        }
        #expect(world.house.job(job)?.pipeline.map(\.node) == [1, 2, 3].map(NodeID.init))
        var demand = world.demand()
        demand.maxInputPrice = Price(perMillion: 1)
        #expect(world.apply(.openJob(demand)) == .failure(.priceLimit))
    }

    /// Whoever takes over keeps to the buyer's limits, even where the hold would allow more.
    @Test func aReplacementKeepsTheLimits() {
        var world = World()
        world.run(.registerNode(World.buyer, key: World.key(70), kernel: ""))
        world.observe(.bonded(account: World.address(6), chainUnits: 100_000_000))
        world.run(.setPresence(NodeID(6), online: true))
        var dear = world.offer(node: 6, World.range(0, World.layers), price: 1)
        dear.inputPrice = price(50)
        dear.outputPrice = .zero
        world.run(.postOffer(dear))
        let job = world.open {
            $0.promptTokens = 1
            $0.maxTokens = 1_000
            $0.maxInputPrice = price(1)
            $0.ignore = [PartyID(4)]
        }
        world.run(.replaceStage(job, attempt: 1, stage: 0, code: .abandoned))
        #expect(world.house.job(job)?.failure == .noReplacement)
    }

    /// No pipeline can have more stages than a pipeline may, so nobody can hide others by narrow
    /// offers.
    @Test func offersAreWideEnough() {
        var world = World()
        world.run(
            .registerModel(
                ModelDraft(
                    name: "deep", root: World.digest(41), layers: 130, context: 2048,
                    profile: World.digest(2), manifest: [1])))
        var narrow = world.offer(node: 4, World.range(0, 2), price: 1)
        narrow.model = ModelID(2)
        #expect(world.apply(.postOffer(narrow)) == .failure(.invalidLayers))
        narrow.layers = World.range(0, 3)
        world.run(.postOffer(narrow))
    }

    /// Work that nobody paid a fee for, or that one bought from oneself, earns no emission.
    @Test func emissionIsForPaidWorkOfOthers() {
        var world = World()
        let own = world.deliver()
        world.seconds += 200
        world.run(.pulse)
        let fee = Amount(100_000 * 10 / 20 + 200_000 * 5 / 20)
        let backed = EmissionPolicy.backed(work: 150, fee: fee, parameters: world.parameters)
        #expect(world.house.job(own)?.state == .paid)
        #expect(world.house.parties[0].epochWork == backed)
        #expect(EmissionPolicy.backed(work: 150, fee: .zero, parameters: world.parameters) == 0)

        // The whole-model provider buys from itself.
        world.observe(.deposited(account: World.address(4), chainUnits: 1_000_000))
        _ = world.deliver {
            $0.buyer = World.whole
            $0.only = [World.whole]
        }
        world.seconds += 200
        world.run(.pulse)
        #expect(world.house.parties[3].epochWork == 0)
        #expect(world.house.parties[3].totalWork == 450)
    }

    /// The operator's fees leave with the next settlement, and no more than there are.
    @Test func theHouseCanTakeItsFees() {
        var world = World()
        _ = world.deliver()
        world.seconds += 200
        world.run(.pulse)
        let fees = world.balance(.fee)
        #expect(fees > .zero)
        let more = fees + Amount(1)
        #expect(
            world.apply(.collectFees(World.buyer, amount: more)) == .failure(.insufficientBalance))
        #expect(world.apply(.collectFees(PartyID(99), amount: fees)) == .failure(.partyNotFound))
        #expect(world.apply(.collectFees(World.buyer, amount: .zero)) == .failure(.invalidAmount))
        world.run(.collectFees(World.buyer, amount: fees))
        #expect(world.balance(.payable, World.buyer) == fees)
        #expect(world.balance(.fee) == .zero)
    }
}
