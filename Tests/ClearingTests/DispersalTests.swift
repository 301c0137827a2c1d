import Clearing
import ClearingWorld
import Economics
import Ledger
import Primitives
import Testing

/// What is sent, and what becomes of it, to the unit.
@Suite struct DispersalTests {
    private let cents: UInt128 = 10_000_000_000

    /// A world in which parties 1 to 4 are owed their number in cents.
    private func due() -> World {
        var world = World()
        for party in UInt64(1)...4 {
            let amount = Amount(UInt128(party) * cents)
            world.observe(
                .deposited(
                    account: World.address(UInt8(party)),
                    chainUnits: Asset.usd.chainUnits(amount)))
            world.run(.withdraw(PartyID(party), asset: .usd, amount: amount))
        }
        return world
    }

    private func amounts(_ world: World, _ purpose: Purpose) -> [UInt128] {
        (1...5).map { world.balance(purpose, PartyID($0)).units / cents }
    }

    @Test func thePayerTakesOverTheClaimsOfThoseItPaid() throws {
        var world = due()
        let owed = world.house.owed(.usd)
        let events = world.run(.settle(World.quotes()))
        #expect(events.contains(.dispersalMade(DispersalID(1))))
        let dispersal = try #require(world.house.dispersals.first)
        #expect(dispersal.payments.map(\.units) == [10_000, 20_000, 30_000, 40_000])
        #expect(dispersal.payments.map(\.receiver) == (1...4).map { .evm(World.address($0)) })
        #expect(dispersal.name == Digest(words: (3, 1, 4, 1)) && dispersal.payer == World.payer)
        #expect(amounts(world, .payable) == [0, 0, 0, 0, 0])
        #expect(amounts(world, .inTransit) == [1, 2, 3, 4, 0])
        #expect(world.house.batches.isEmpty && world.house.settlements.count == 1)
        world.observe(.dispersed(name: dispersal.name))
        #expect(amounts(world, .inTransit) == [0, 0, 0, 0, 0])
        #expect(amounts(world, .payable) == [0, 0, 0, 0, 10])
        #expect(world.house.owed(.usd) == owed)
        #expect(world.house.openDispersals.isEmpty)
        #expect(world.house.dispersals[0].transaction != .zero)
        // What the chain says twice is booked once.
        #expect(
            world.apply(.observeChain(world.nextReference(), .dispersed(name: dispersal.name)))
                == .failure(.wrongPaymentState))
        // The payer's own claim is a leaf as soon as it is worth a root.
        world.run(
            .settle(
                World.quotes { $0.refundAbove = AssetSums(usd: Amount(10 * cents), tly: .zero) }))
        #expect(world.house.batches.last?.lines.map(\.party) == [World.payer])
        #expect(world.house.batches.last?.lines.map(\.cumulative) == [100_000])
    }

    /// A dispersal that a reorganisation took out of the chain is to be made again, and every claim
    /// is where it was before.
    @Test func aDispersalThatIsGoneIsDueAgain() throws {
        var world = due()
        world.run(.settle(World.quotes()))
        let name = try #require(world.house.dispersals.first).name
        let before = world.nextReference()
        world.run(.observeChain(before, .deposited(account: World.address(6), chainUnits: 7)))
        let owed = world.house.owed(.usd)
        let reference = world.nextReference()
        world.run(.observeChain(reference, .dispersed(name: name)))
        #expect(world.house.openDispersals.isEmpty)
        world.run(.reverseChain(reference, .dispersed(name: name), previous: before))
        #expect(world.house.openDispersals.map(\.id) == [DispersalID(1)])
        #expect(world.house.dispersals[0].payments.allSatisfy { $0.state == .due })
        #expect(world.house.dispersals[0].transaction == .zero)
        #expect(amounts(world, .inTransit) == [1, 2, 3, 4, 0])
        #expect(amounts(world, .payable) == [0, 0, 0, 0, 0])
        #expect(world.house.owed(.usd) == owed)
        #expect(
            world.apply(.reverseChain(before, .dispersed(name: name), previous: nil))
                == .failure(.wrongPaymentState))
        world.run(.observeChain(world.nextReference(), .dispersed(name: name)))
        #expect(amounts(world, .payable) == [0, 0, 0, 0, 10])
        #expect(world.house.ledger.checkInvariants().isEmpty)
    }

    /// A claim that is a leaf by now stays one: the house lends the payer what is missing, or
    /// reverses nothing.
    @Test func aPayerThatIsPaidAlreadyOwesTheHouse() throws {
        for hasMoney in [false, true] {
            var world = due()
            if hasMoney {
                let job = world.audited { $0.only = [World.whole] }
                world.run(.recordVerdict(world.verdict(job, .outputMismatch, stage: 0)))
                world.seconds += 1_000
                world.run(.pulse)
            }
            world.run(.settle(World.quotes()))
            let first = try #require(world.house.dispersals.first)
            let paid = first.payments.reduce(0) { $0 + $1.units }
            let reference = world.nextReference()
            world.run(.observeChain(reference, .dispersed(name: first.name)))
            world.run(.settle(World.quotes { $0.refundAbove = .zero }))
            let held = (1...5).map { world.balance(.inTransit, PartyID($0)) }
            let command = Command.reverseChain(
                reference, .dispersed(name: first.name), previous: nil)
            if hasMoney {
                world.run(command)
                #expect(world.balance(.inTransit, World.payer) == held[4])
                #expect(world.balance(.inTransit, PartyID(4)) == Amount(4 * cents))
                #expect(world.house.party(World.payer)?.debt.units == paid * 1_000_000)
            } else {
                #expect(world.apply(command) == .failure(.insufficientBalance))
                #expect((1...5).map { world.balance(.inTransit, PartyID($0)) } == held)
            }
            #expect(world.house.ledger.checkInvariants().isEmpty)
        }
    }

    @Test func whoCannotReceiveHoldsNobodyUp() throws {
        var world = due()
        world.run(.settle(World.quotes()))
        world.run(.splitDispersal(DispersalID(1)))
        #expect(
            world.house.dispersals[0].payments.map(\.state) == Array(repeating: .moved, count: 4))
        #expect(world.house.openDispersals.map(\.id) == [2, 3].map { DispersalID($0) })
        #expect(Set(world.house.dispersals.map(\.name)).count == 3)
        world.observe(.dispersed(name: world.house.dispersals[2].name))
        world.run(.splitDispersal(DispersalID(2)))
        world.observe(.dispersed(name: world.house.dispersals[3].name))
        let events = world.run(.splitDispersal(DispersalID(5)))
        #expect(
            events == [
                .paymentReturned(
                    DispersalID(5), PartyID(2), asset: .usd, amount: Amount(2 * cents))
            ])
        #expect(amounts(world, .payable) == [0, 2, 0, 0, 8])
        #expect(amounts(world, .inTransit) == [0, 0, 0, 0, 0])
        // From now on it is a leaf, until it says anew how it is to be paid.
        world.run(.settle(World.quotes()))
        #expect(world.house.batches.last?.lines.contains { $0.party == PartyID(2) } == true)
        #expect(world.house.party(PartyID(2))?.isPushable == false)
        world.run(.setPayout(PartyID(2), PayoutSettings()))
        #expect(world.house.party(PartyID(2))?.isPushable == true)
        #expect(
            world.apply(.splitDispersal(DispersalID(1))) == .failure(.wrongPaymentState))
    }

    /// What another account was to send is planned anew, and nobody is to blame.
    @Test func whatIsGivenUpIsPayableAgain() throws {
        var world = due()
        world.run(.settle(World.quotes()))
        let first = try #require(world.house.dispersals.first)
        #expect(world.house.dispersal(named: first.name) == first)
        #expect(world.house.dispersal(named: World.digest(5)) == nil)
        let command = Command.returnDispersal(first.id)
        #expect(try Command(canonicalBytes: command.canonicalBytes()) == command)
        #expect(world.run(command).count == 4)
        #expect(amounts(world, .payable) == [1, 2, 3, 4, 0])
        #expect(amounts(world, .inTransit) == [0, 0, 0, 0, 0])
        #expect(world.house.openDispersals.isEmpty)
        #expect(world.house.parties.allSatisfy { $0.isPushable })
        #expect(world.apply(command) == .failure(.wrongPaymentState))
        #expect(
            world.apply(.returnDispersal(DispersalID(9))) == .failure(.dispersalNotFound))
        world.run(.settle(World.quotes()))
        #expect(world.house.openDispersals.map(\.id) == [DispersalID(2)])
    }

    @Test func onSolanaEachPaymentHasItsOwnEnd() throws {
        var world = due()
        for party in UInt64(1)...3 {
            world.run(.setPayout(PartyID(party), PayoutSettings(solana: World.digest(party))))
        }
        world.run(.settle(World.quotes()))
        let sent = world.house.dispersals.map { ($0.rail, $0.payments.count) }
        #expect(sent.map(\.0) == [.push, .solana] && sent.map(\.1) == [1, 3])
        let id = DispersalID(2)
        let signature = World.signature(9)
        world.run(.notePayment(id, payment: 0, .paid(signature)))
        world.run(.notePayment(id, payment: 1, .quarantined))
        #expect(
            world.apply(.notePayment(id, payment: 1, .quarantined))
                == .failure(.wrongPaymentState))
        #expect(
            world.apply(.notePayment(id, payment: 3, .returned)) == .failure(.wrongPaymentState))
        #expect(amounts(world, .inTransit) == [0, 2, 3, 4, 0])
        world.run(.notePayment(id, payment: 1, .returned))
        world.run(.notePayment(id, payment: 2, .paid(signature)))
        #expect(amounts(world, .payable) == [0, 2, 0, 0, 4])
        #expect(world.house.dispersals[1].payments[0].transaction == signature)
        #expect(!world.house.dispersals[1].isOpen)
        // A dispersal on Solana is no business of the contract's.
        #expect(
            world.apply(
                .observeChain(
                    world.nextReference(), .dispersed(name: world.house.dispersals[1].name)))
                == .failure(.wrongPaymentState))
    }

    /// A payment that is put aside is called off once its party has named another account, or none,
    /// and after a month though it has not.
    @Test func whatIsPutAsideIsNotForEver() throws {
        var world = due()
        for party in UInt64(1)...4 {
            world.run(.setPayout(PartyID(party), PayoutSettings(solana: World.digest(party))))
        }
        world.run(.settle(World.quotes()))
        for payment in UInt32(0)...2 {
            world.run(.notePayment(DispersalID(1), payment: payment, .quarantined))
        }
        func forsaken() -> [Bool] {
            let dispersal = world.house.dispersals[0]
            return dispersal.payments.indices.map {
                world.house.isForsaken(dispersal, payment: $0)
            }
        }
        #expect(forsaken() == [false, false, false, false])
        world.run(.setPayout(PartyID(2), PayoutSettings(solana: World.digest(9))))
        world.run(.setPayout(PartyID(3), PayoutSettings()))
        world.run(.setPayout(PartyID(4), PayoutSettings(solana: World.digest(8))))
        #expect(forsaken() == [false, true, true, false])
        let end = world.house.dispersals[0].madeAt + .seconds(30 * 86_400)
        for (time, isOver) in [(Timestamp(nanoseconds: end.nanoseconds - 1), false), (end, true)] {
            _ = try world.house.apply(.pulse, at: time).get()
            #expect(forsaken() == [isOver, true, true, false])
        }
    }

    @Test func whatIsOnItsWayIsNotCountedTwice() {
        var world = due()
        let held = AssetSums(usd: Amount(11 * cents), tly: .zero)
        world.run(.settle(World.quotes { $0.pushFloat = held }))
        world.observe(.deposited(account: World.address(4), chainUnits: 20_000))
        let ask = Command.payOut(
            PartyID(4), asset: .usd, amount: Amount(2 * cents), key: World.digest(1),
            quotes: World.quotes { $0.pushFloat = held })
        #expect(world.apply(ask) == .failure(.noPayoutRail))
        world.observe(.dispersed(name: world.house.dispersals[0].name))
        world.run(ask)
    }

    @Test func aWithdrawalTakesWhatIsEarnedFirst() throws {
        var world = due()
        world.observe(.deposited(account: World.address(3), chainUnits: 50_000))
        let ask = Command.payOut(
            PartyID(3), asset: .usd, amount: Amount(4 * cents), key: World.digest(1),
            quotes: World.quotes())
        world.run(ask)
        #expect(world.balance(.payable, PartyID(3)) == .zero)
        #expect(world.balance(.available, PartyID(3)) == Amount(4 * cents))
        #expect(world.balance(.inTransit, PartyID(3)) == Amount(4 * cents))
        let made = try #require(world.house.withdrawal(of: PartyID(3), key: World.digest(1)))
        #expect(made.payments.map(\.units) == [40_000] && made.rail == .push)
        #expect(world.apply(ask) == .failure(.withdrawalKeyUsed))
        // Another party may use the same key.
        #expect(world.house.withdrawal(of: PartyID(4), key: World.digest(1)) == nil)
        for amount in [Amount(1), Amount(1_500_000), .zero] {
            #expect(
                world.apply(
                    .payOut(
                        PartyID(3), asset: .usd, amount: amount, key: World.digest(2),
                        quotes: World.quotes())) == .failure(.invalidAmount))
        }
        #expect(
            world.apply(
                .payOut(
                    PartyID(3), asset: .usd, amount: Amount(5 * cents), key: World.digest(2),
                    quotes: World.quotes())) == .failure(.insufficientBalance))
        // After an hour there is room for more.
        world.seconds += 3_601
        for key in 10..<14 {
            world.run(
                .payOut(
                    PartyID(3), asset: .usd, amount: Amount(cents), key: World.digest(UInt64(key)),
                    quotes: World.quotes()))
        }
    }

    @Test func whatAChainChargesIsAnExpenseInItsOwnCoin() throws {
        var world = due()
        world.run(.settle(World.quotes()))
        let subject = ChainCost.Subject.dispersal(DispersalID(1))
        let first = ChainCost(
            subject, .wei, units: 98_500 * 3_000_000_000, gas: 98_500,
            transaction: World.digest(1).bytes)
        let second = ChainCost(subject, .wei, units: 7, gas: 1, transaction: World.digest(2).bytes)
        world.run(.bookCost(first))
        world.run(.bookCost(second))
        #expect(world.house.costs(of: subject) == [first, second])
        #expect(world.house.expense(.wei) == Amount(98_500 * 3_000_000_000 + 7))
        #expect(world.house.expense(.lamports) == .zero)
        #expect(world.house.ledger.checkInvariants().isEmpty)
        let totals = world.house.ledger.trialBalance()
        #expect(totals.contains { $0.ledger == NativeCoin.wei.rawValue && $0.isBalanced })
        for wrong in [
            ChainCost(subject, .wei, units: 0, transaction: World.digest(3).bytes),
            ChainCost(subject, .wei, units: 5, transaction: [1]),
        ] {
            #expect(throws: (any Error).self) { try world.apply(.bookCost(wrong)).get() }
        }
        let copy = try world.house.restored()
        #expect(copy.costs(of: subject) == [first, second])
        #expect(copy.canonicalBytes() == world.house.canonicalBytes())
    }

    /// Of a transaction on Solana that paid for several dispersals each bears its payments' part.
    @Test func whatPaysSeveralDispersalsIsChargedToEach() throws {
        var world = due()
        for party in UInt64(1)...3 {
            world.run(.setPayout(PartyID(party), PayoutSettings(solana: World.digest(party))))
        }
        world.run(
            .payOut(
                PartyID(3), asset: .usd, amount: Amount(cents), key: World.digest(1),
                quotes: World.quotes()))
        world.run(.settle(World.quotes()))
        let (one, many) = (DispersalID(1), DispersalID(3))
        let (shared, alone) = (World.signature(9), World.signature(8))
        // The later dispersal is told of first.
        world.run(.notePayment(many, payment: 0, .paid(shared)))
        world.run(.notePayment(many, payment: 1, .paid(shared)))
        world.run(.notePayment(one, payment: 0, .paid(shared)))
        world.run(.notePayment(many, payment: 2, .paid(alone)))
        for (transaction, lamports) in [(shared, UInt128(5_003)), (alone, 5_000)] {
            world.run(
                .bookCost(
                    ChainCost(
                        .dispersal(many), .lamports, units: lamports,
                        transaction: transaction.bytes)))
        }
        for house in [world.house, try world.house.restored()] {
            func charged(_ id: DispersalID) -> [UInt128] {
                house.charges(of: house.dispersal(id)!).map(\.units)
            }
            #expect(charged(many) == [3_334, 5_000] && charged(one) == [1_669])
            #expect(house.dispersal(paidBy: shared) == one)
            #expect(house.expense(.lamports) == Amount(10_003))
        }
    }

    /// What is not used leaves the bytes of a state, and so its hash, as they were.
    @Test func aHouseWithoutPlansHasTheStateOfBefore() throws {
        var world = due()
        let before = world.house.canonicalBytes()
        world.run(.setPayout(PartyID(1), PayoutSettings(keep: Amount(5))))
        #expect(world.house.canonicalBytes().count > before.count)
        world.run(.setPayout(PartyID(1), PayoutSettings()))
        // Only the time of the last command differs.
        #expect(world.house.canonicalBytes().count == before.count)
        #expect(!world.house.hasDispersals)
    }
}

extension ClearingHouse {
    fileprivate var hasDispersals: Bool { !dispersals.isEmpty || !settlements.isEmpty }
}
