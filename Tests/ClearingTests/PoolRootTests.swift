import Clearing
import ClearingWorld
import Ledger
import Primitives
import Testing

/// Roots of a pool on Solana: whose money is where, at each stage.
@Suite struct PoolRootTests {
    private let pool = World.digest(700)
    private let cents: UInt128 = 10_000_000_000

    /// A world in which parties 1 to 4 are owed their number in cents on Solana; 3 and 4 share an
    /// owner.
    private func due() -> World {
        var world = World()
        for party in UInt64(1)...4 { earn(&world, party, cents: UInt128(party)) }
        for party in UInt64(1)...4 {
            world.run(.setPayout(PartyID(party), PayoutSettings(solana: owner(party))))
        }
        return world
    }

    private func owner(_ party: UInt64) -> Digest { World.digest(400 + min(party, 3)) }

    private func earn(_ world: inout World, _ party: UInt64, cents count: UInt128) {
        let amount = Amount(count * cents)
        world.observe(
            .deposited(
                account: World.address(UInt8(party)), chainUnits: Asset.usd.chainUnits(amount)))
        world.run(.withdraw(PartyID(party), asset: .usd, amount: amount))
    }

    private func settle(_ world: inout World, each: UInt64 = 1) -> [Event] {
        world.run(.settle(World.quotes { $0.pool = World.poolQuote(each) }))
    }

    private func amounts(_ world: World, _ purpose: Purpose) -> [UInt128] {
        (1...5).map { world.balance(purpose, PartyID($0)).units / cents }
    }

    private func refused(_ world: inout World, _ note: PoolNote) -> Bool {
        world.apply(.notePool(DispersalID(1), note)) == .failure(.wrongPaymentState)
    }

    private func sums(_ world: World, _ dispersal: UInt64) -> [UInt128] {
        world.house.poolLeaves(of: DispersalID(dispersal)).map(\.cumulative).sorted()
    }

    @Test func thePayerTakesOverTheClaimsWhenTheRootPays() throws {
        var world = due()
        let owed = world.house.owed(.usd)
        #expect(settle(&world).contains(.dispersalMade(DispersalID(1))))
        let made = try #require(world.house.openPoolRoot)
        #expect(made.rail == .pool && made.root?.pool == pool && made.root?.stage == .due)
        #expect(made.payments.map(\.receiver) == (1...4).map { .solana(owner($0)) })
        #expect(world.house.settlements.last?.lamports == 2)
        #expect(amounts(world, .inTransit) == [1, 2, 3, 4, 0])
        let leaves = world.house.poolLeaves(of: made.id)
        #expect(leaves.map(\.cumulative).sorted() == [10_000, 20_000, 70_000])
        #expect(leaves.map(\.owner) == leaves.map(\.owner).sorted())
        #expect(world.house.owed(to: owner(4), through: pool) == 70_000)
        #expect(world.house.poolOwners(of: PartyID(4)).map(\.owner) == [owner(4)])

        // Before it is committed it cannot pay, nor be dropped.
        #expect(refused(&world, .active) && refused(&world, .disputed) && refused(&world, .again))
        let first = World.signature(1)
        #expect(
            world.run(.notePool(made.id, .committed(epoch: 1, first)))
                == [.poolRootMoved(made.id, .committed, epoch: 1)])
        #expect(refused(&world, .committed(epoch: 2, first)) && refused(&world, .again))
        #expect(amounts(world, .inTransit) == [1, 2, 3, 4, 0])
        let events = world.run(.notePool(made.id, .active))
        #expect(events.first == .poolRootMoved(made.id, .active, epoch: 1) && events.count == 5)
        #expect(amounts(world, .inTransit) == [0, 0, 0, 0, 0])
        #expect(amounts(world, .payable) == [0, 0, 0, 0, 10])
        #expect(world.house.owed(.usd) == owed && world.house.openPoolRoot == nil)
        #expect(world.house.dispersals[0].payments.allSatisfy { $0.transaction == first })
        #expect(refused(&world, .active))
        #expect(world.house.lastPaying(in: pool) == made.id)
        #expect(world.house.ledger.checkInvariants().isEmpty)
    }

    /// The next root says all that was ever owed, and nothing is taken out of it by what was paid.
    @Test func leavesAreCumulative() throws {
        var world = due()
        _ = settle(&world)
        world.run(.notePool(DispersalID(1), .committed(epoch: 1, World.signature(1))))
        world.run(.notePool(DispersalID(1), .active))
        earn(&world, 2, cents: 5)
        _ = settle(&world)
        let second = try #require(world.house.openPoolRoot)
        #expect(sums(world, 1) == [10_000, 20_000, 70_000])
        #expect(sums(world, 2) == [10_000, 70_000, 70_000])
        #expect(world.house.poolSums(pool) == (100_000, 100_000))
        #expect(second.openUnits == 50_000)
        // A pool of another place begins with nothing.
        #expect(world.house.owed(to: owner(2), through: World.digest(701)) == 0)
        #expect(world.house.poolRoot(committedIn: pool, epoch: 1)?.id == DispersalID(1))
        #expect(world.house.poolRoot(committedIn: pool, epoch: 2) == nil)
    }

    /// What is dropped waits for a person's word, and its money is moved once.
    @Test func aDroppedRootIsCommittedAnewWithoutItsMoney() throws {
        var world = due()
        _ = settle(&world)
        let id = DispersalID(1)
        world.run(.notePool(id, .committed(epoch: 3, World.signature(1))))
        #expect(world.house.poolSums(pool) == (100_000, 100_000))
        world.run(.notePool(id, .disputed))
        #expect(world.house.poolSums(pool) == (100_000, 0))
        #expect(refused(&world, .committed(epoch: 4, nil)) && refused(&world, .disputed))
        world.run(.notePool(id, .again))
        let root = try #require(world.house.dispersals[0].root)
        #expect(root.stage == .due && root.isFunded && root.funding == World.signature(1))
        // An epoch that was used does not come again.
        #expect(refused(&world, .committed(epoch: 3, World.signature(2))))
        world.run(.notePool(id, .committed(epoch: 4, World.signature(2))))
        #expect(world.house.dispersals[0].root?.funding == World.signature(1))
        // Taken for dropped by mistake: what pays, the chain says.
        world.run(.notePool(id, .disputed))
        world.run(.notePool(id, .active))
        #expect(amounts(world, .payable) == [0, 0, 0, 0, 10])
        #expect(world.house.lastPaying(in: pool) == id && world.house.lastEpoch(of: pool) == 4)
        // Nor can a later root have been committed under one of these epochs.
        earn(&world, 1, cents: 1)
        _ = settle(&world)
        let next = Command.notePool(DispersalID(2), .committed(epoch: 4, World.signature(2)))
        #expect(world.apply(next) == .failure(.wrongPaymentState))
        world.run(.notePool(DispersalID(2), .committed(epoch: 5, World.signature(3))))
    }

    /// What was never committed can be given up: nobody is owed through the pool what came back.
    @Test func aRootThatWasNeverCommittedIsGivenUp() throws {
        var world = due()
        _ = settle(&world)
        world.run(.notePool(DispersalID(1), .returned))
        #expect(amounts(world, .payable) == [1, 2, 3, 4, 0])
        #expect(amounts(world, .inTransit) == [0, 0, 0, 0, 0])
        #expect(world.house.openPoolRoot == nil && world.house.openDispersals.isEmpty)
        #expect(world.house.owed(to: owner(4), through: pool) == 0)
        #expect(world.house.poolSums(pool) == (0, 0) && sums(world, 1) == [])
        #expect(try world.house.restored().owed(to: owner(4), through: pool) == 0)
        #expect(refused(&world, .returned) && refused(&world, .committed(epoch: 1, nil)))
        // The next one has it all again, and once committed it is not given up.
        _ = settle(&world)
        #expect(sums(world, 2) == [10_000, 20_000, 70_000])
        world.run(.notePool(DispersalID(2), .committed(epoch: 1, nil)))
        world.run(.notePool(DispersalID(2), .disputed))
        world.run(.notePool(DispersalID(2), .again))
        #expect(
            world.apply(.notePool(DispersalID(2), .returned)) == .failure(.wrongPaymentState))
    }

    /// While a root waits the money is sent, less what the root will still take of the account.
    @Test func oneRootAtATime() throws {
        var world = due()
        _ = settle(&world)
        earn(&world, 1, cents: 1)
        earn(&world, 2, cents: 2)
        func float(_ cents: UInt128) -> Command {
            .settle(
                World.quotes {
                    $0.pool = World.poolQuote()
                    $0.solanaFloat = Amount(cents * self.cents)
                })
        }
        #expect(world.apply(float(10)) == .failure(.nothingToSettle))
        world.run(float(12))
        #expect(world.house.dispersals.last?.rail == .solana)
        #expect(world.house.dispersals.last?.payments.map(\.party) == [PartyID(1)])
        // In the vault it is taken of the account no more.
        world.run(.notePool(DispersalID(1), .committed(epoch: 1, nil)))
        world.run(float(3))
        #expect(world.house.dispersals.last?.payments.map(\.party) == [PartyID(2)])
        #expect(world.house.dispersals.map(\.rail) == [.pool, .solana, .solana])
        #expect(
            world.apply(.notePool(DispersalID(2), .active)) == .failure(.wrongPaymentState))
        #expect(
            world.apply(.notePool(DispersalID(9), .active)) == .failure(.dispersalNotFound))
    }

    /// Snapshots have every stage, and what is derived from it.
    @Test func everyStageIsInASnapshot() throws {
        var world = due()
        _ = settle(&world)
        let id = DispersalID(1)
        let notes: [PoolNote] = [
            .committed(epoch: 7, World.signature(1)), .disputed, .again,
            .committed(epoch: 8, nil), .active,
        ]
        for note in notes {
            let command = Command.notePool(id, note)
            #expect(try Command(canonicalBytes: command.canonicalBytes()) == command)
            #expect(command.canonicalBytes().first == 88)
            world.run(command)
            let copy = try world.house.restored()
            #expect(copy.dispersals == world.house.dispersals)
            #expect(copy.owed(to: owner(4), through: pool) == 70_000)
            #expect(copy.poolOwners(of: PartyID(2)).map(\.owner) == [owner(2)])
            #expect(copy.lastEpoch(of: pool) == world.house.lastEpoch(of: pool))
            #expect(copy.lastPaying(in: pool) == world.house.lastPaying(in: pool))
            #expect(copy.poolSums(pool) == world.house.poolSums(pool))
            #expect(copy.openPoolRoot?.id == world.house.openPoolRoot?.id)
        }
        for bad: [UInt8] in [[88, 1, 0, 0, 0, 0, 0, 0, 0, 0], [88, 1, 0, 0, 0, 0, 0, 0, 0, 6]] {
            #expect(throws: CodecError.self) { try Command(canonicalBytes: bad) }
        }
    }
}
