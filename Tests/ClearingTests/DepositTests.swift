import Clearing
import ClearingWorld
import Ledger
import Primitives
import Testing

/// Dollars that come in on Solana: who is credited with what, when, and that the contract owes no
/// more for it.
@Suite struct DepositTests {
    private let cent: UInt64 = 10_000
    private let one = PartyID(1)
    private let two = PartyID(2)

    /// A house that takes deposits of parties 1 and 2, whose payer has nothing to sell.
    private func world() -> World {
        var world = World()
        world.run(.takeDeposits(payer: World.payerAddress))
        for party in [one, two] {
            world.run(.registerDepositor(party, owner: World.solanaOwner(party)))
        }
        return world
    }

    private func cents(_ world: World, _ purpose: Purpose, _ party: PartyID) -> UInt128 {
        world.balance(purpose, party).units / (UInt128(cent) * 1_000_000)
    }

    /// What the payer has coming from the contract.
    private func held(_ world: World) -> UInt128 {
        cents(world, .payable, World.payer) + cents(world, .available, World.payer)
    }

    /// The payer pays so many chain units in for itself.
    private func earn(_ units: UInt128, _ world: inout World) {
        world.observe(.deposited(account: World.payerAddress, chainUnits: units))
    }

    private func waiting(_ world: World) -> [UInt64] {
        world.house.deposits.map { $0.waiting / cent }
    }

    /// What the payer sold, by the ledger's own transfers.
    private func sold(_ house: ClearingHouse) -> Amount {
        var sum = Amount.zero
        var number: UInt128 = 1
        while let transfer = house.ledger.transfer(TransferID(number)) {
            if transfer.code == TransferReason.depositSale.rawValue { sum += transfer.amount }
            number += 1
        }
        return sum
    }

    @Test func aDepositBuysWhatThePayerIsPaidForAPush() throws {
        var world = world()
        world.owe(two, units: 30_000)
        let owed = world.house.owed(.usd)
        // Nothing to sell: it waits, and nobody is owed more than before.
        let events = world.run(.bookDeposit(World.transfer(1, from: one, 5 * cent)))
        #expect(events == [.depositBooked(DepositID(1), one, units: 5 * cent)])
        #expect(cents(world, .available, one) == 0 && waiting(world) == [5])
        #expect(world.house.owed(.usd) == owed)
        // The payer pushes three cents to party 2, and so has them coming; it sells them at once.
        world.run(.settle(World.quotes()))
        let name = try #require(world.house.dispersals.first).name
        let paid = world.run(.observeChain(world.nextReference(), .dispersed(name: name)))
        let three = Amount(UInt128(3 * cent) * 1_000_000)
        #expect(paid.last == .depositCredited(DepositID(1), one, amount: three))
        #expect(cents(world, .available, one) == 3 && waiting(world) == [2])
        #expect(cents(world, .payable, World.payer) == 0)
        #expect(world.house.owed(.usd) == owed && sold(world.house) == three)
        // What it is credited with is spent like any other money.
        world.run(.withdraw(one, asset: .usd, amount: three))
        // The rest follows; what is beyond the deposit stays the payer's.
        earn(70_000, &world)
        #expect(cents(world, .available, one) == 2 && waiting(world) == [0])
        #expect(held(world) == 5)
        #expect(world.house.ledger.checkInvariants().isEmpty)
    }

    @Test func whoCameFirstIsCreditedFirst() {
        var world = world()
        world.run(.bookDeposit(World.transfer(1, from: one, 5 * cent)))
        world.run(.bookDeposit(World.transfer(2, from: two, 5 * cent)))
        world.run(.bookDeposit(World.transfer(3, from: one, 5 * cent)))
        earn(70_000, &world)
        #expect(waiting(world) == [0, 3, 5])
        #expect(cents(world, .available, one) == 5 && cents(world, .available, two) == 2)
        #expect(world.house.waitingDeposits.map(\.id) == [DepositID(2), DepositID(3)])
        earn(90_000, &world)
        #expect(waiting(world) == [0, 0, 0] && world.house.waitingDeposits.isEmpty)
        #expect(cents(world, .available, one) == 10 && cents(world, .available, two) == 5)
        #expect(held(world) == 1)
        // With nothing waiting a deposit is credited by its own command.
        world.run(.bookDeposit(World.transfer(4, from: two, 1 * cent)))
        #expect(cents(world, .available, two) == 6 && held(world) == 0)
    }

    /// By what the payer deposits for itself, too: so a house that pays nobody can credit.
    @Test func whatThePayerCouldSpendIsSoldToo() {
        var world = world()
        world.run(.bookDeposit(World.transfer(1, from: one, 5 * cent)))
        earn(40_000, &world)
        #expect(held(world) == 0 && cents(world, .available, one) == 4)
        // To the unit: a unit less than is missing leaves a unit waiting.
        earn(9_999, &world)
        #expect(world.house.deposits[0].waiting == 1)
        earn(3, &world)
        #expect(waiting(world) == [0])
        #expect(world.balance(.available, World.payer) == Amount(2_000_000))
    }

    @Test func whatThePayerOwesIsNotSold() throws {
        var world = world()
        // The payer's bond left the chain although a verdict had taken it: it owes the house.
        world.owe(two, units: 10_000)
        world.run(.settle(World.quotes { $0.pushFloat = nil }))
        let account = World.payerAddress
        world.observe(.unbondRequested(account: account, chainUnits: 100_000_000))
        world.observe(.bondWithdrawn(account: account, chainUnits: 100_030_000))
        #expect(world.house.party(World.payer)?.debt == Amount(30_000_000_000))
        world.run(.bookDeposit(World.transfer(1, from: one, 5 * cent)))
        earn(50_000, &world)
        #expect(waiting(world) == [3] && held(world) == 3)
        #expect(world.house.ledger.checkInvariants().isEmpty)
    }

    @Test func eachTransferIsBookedOnce() throws {
        var world = world()
        let transfer = World.transfer(1, from: one, 5 * cent)
        world.run(.bookDeposit(transfer))
        #expect(world.apply(.bookDeposit(transfer)) == .failure(.depositBooked))
        // With another sum or owner it is still the same place of the chain.
        var other = World.transfer(1, from: two, 7 * cent)
        #expect(world.apply(.bookDeposit(other)) == .failure(.depositBooked))
        #expect(world.house.deposit(of: other)?.transfer == transfer)
        other.instruction = 1
        world.run(.bookDeposit(other))
        #expect(waiting(world) == [5, 7])
        #expect(world.house.deposits.map(\.party) == [one, two])
    }

    @Test func anOwnerIsOnePartys() {
        var world = world()
        let owner = World.solanaOwner(one)
        #expect(world.apply(.registerDepositor(two, owner: owner)) == .failure(.depositorTaken))
        #expect(world.apply(.removeDepositor(two, owner: owner)) == .failure(.depositorNotFound))
        world.run(.bookDeposit(World.transfer(1, from: one, 5 * cent)))
        world.run(.removeDepositor(one, owner: owner))
        #expect(world.house.depositor(owner) == nil && world.house.depositors(of: one).isEmpty)
        let next = World.transfer(2, from: one, 5 * cent)
        #expect(world.apply(.bookDeposit(next)) == .failure(.depositorNotFound))
        // What came before is the party's; what comes after, the next one's.
        world.run(.registerDepositor(two, owner: owner))
        world.run(.bookDeposit(next))
        #expect(world.house.deposits.map(\.party) == [one, two])
    }

    /// When the settlement key changes the new account has the dollars, and sells.
    @Test func anotherPayerSellsWhatWaits() {
        var world = World()
        world.run(.registerDepositor(one, owner: World.solanaOwner(one)))
        world.run(.bookDeposit(World.transfer(1, from: one, 5 * cent)))
        world.owe(World.payer, units: 20_000)
        #expect(waiting(world) == [5])
        world.run(.takeDeposits(payer: World.payerAddress))
        #expect(waiting(world) == [3])
        world.owe(two, units: 90_000)
        #expect(waiting(world) == [3])
        world.run(.takeDeposits(payer: World.address(2)))
        #expect(waiting(world) == [0] && cents(world, .payable, two) == 6)
        // To itself a payer has nothing to sell: it has the dollars there and the claim here.
        world.run(.registerDepositor(two, owner: World.solanaOwner(two)))
        let own = World.transfer(2, from: two, 50 * cent)
        world.run(.bookDeposit(own))
        #expect(waiting(world) == [0, 0] && cents(world, .payable, two) == 6)
        #expect(cents(world, .available, two) == 0)
    }

    @Test func soManyWaitAndNoMore() throws {
        var world = world()
        for number in 0..<UInt32(Limits.waitingDeposits) {
            let transfer = World.transfer(1, from: one, 1, instruction: number)
            world.run(.bookDeposit(transfer))
        }
        let more = World.transfer(2, from: two, cent)
        #expect(world.apply(.bookDeposit(more)) == .failure(.tooManyDeposits))
        #expect(Rejection.tooManyDeposits.isTransient)
        // Payments go on, and make room.
        earn(1, &world)
        world.run(.bookDeposit(more))
        #expect(world.house.waitingDeposits.count == Limits.waitingDeposits)
    }

    @Test func aHouseIsReadBackAsItWas() throws {
        var world = world()
        let before = World().house.canonicalBytes().count
        world.run(.bookDeposit(World.transfer(1, from: one, 5 * cent)))
        world.run(.bookDeposit(World.transfer(2, from: two, 6 * cent)))
        earn(80_000, &world)
        var twin = world
        twin.house = try world.house.restored()
        #expect(twin.house.canonicalBytes() == world.house.canonicalBytes())
        #expect(world.house.canonicalBytes().count > before + 200)
        for command in [
            Command.bookDeposit(World.transfer(1, from: one, 5 * cent)),
            .bookDeposit(World.transfer(3, from: one, 2 * cent)),
            .registerDepositor(PartyID(3), owner: World.solanaOwner(one)),
        ] {
            #expect(twin.apply(command) == world.apply(command))
        }
        earn(50_000, &twin)
        earn(50_000, &world)
        #expect(twin.house.canonicalBytes() == world.house.canonicalBytes())
        #expect(waiting(twin) == [0, 0, 0])
        let bytes = world.house.canonicalBytes()
        for cut in 1..<400 {
            var reader = ByteReader(Array(bytes.dropLast(cut)))
            var copy = ClearingHouse()
            #expect(throws: CodecError.self) { try copy.restore(from: &reader) }
        }
    }

    /// Random walks of deposits, payments, withdrawals and changes of the payer.
    @Test(arguments: UInt64(1)...6) func booksNeverPromiseWhatIsNotThere(_ seed: UInt64) throws {
        var world = World()
        var random = SplitMix64(seed: seed)
        var credited: [PartyID: UInt128] = [:]
        var accepted = 0
        for _ in 0..<2_000 {
            let command =
                random.below(2) == 0
                ? world.depositCommand(&random) : world.command(17, &random)
            guard case .success(let events) = world.apply(command) else { continue }
            for event in events {
                guard case .depositCredited(_, let party, let amount) = event else { continue }
                credited[party, default: 0] += Asset.usd.chainUnits(amount)
                accepted += 1
            }
            try check(world.house, credited)
        }
        #expect(accepted > 1, "\(accepted) sales")
    }

    private func check(_ house: ClearingHouse, _ credited: [PartyID: UInt128]) throws {
        #expect(house.ledger.checkInvariants().isEmpty)
        // What the mirror holds and what is owed is the same with deposits as without.
        let equity = [Purpose.fee, .burn, .insurance, .captured].reduce(Amount.zero) {
            $0 + house.balance($1, .usd)
        }
        let mirror = try #require(house.ledger.account(AccountID(.chain, .usd)))
        #expect(house.owed(.usd) + equity + mirror.creditsPosted == mirror.debitsPosted)
        let all = credited.values.reduce(0, +)
        #expect(Asset.usd.chainUnits(sold(house)) == all)
        #expect(house.deposits.reduce(0) { $0 + UInt128($1.credited) } >= all)
        // Nobody waits for what the payer could sell.
        guard let payer = house.depositPayer, !house.waitingDeposits.isEmpty else { return }
        let held =
            house.balance(.payable, .usd, of: payer) + house.balance(.available, .usd, of: payer)
        let debt = house.party(payer)?.debt ?? .zero
        #expect(Asset.usd.chainUnits(held - min(held, debt)) == 0)
    }
}
