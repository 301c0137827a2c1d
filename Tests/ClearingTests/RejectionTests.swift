import Clearing
import ClearingWorld
import Economics
import Primitives
import Testing

/// One row per rejection: a world, the command that is refused, and the number it is refused with.
struct RejectionRow: Sendable, CustomTestStringConvertible {
    let code: Rejection
    let make: @Sendable (inout World) -> Command
    var testDescription: String { "\(code.rawValue) \(code)" }

    init(_ code: Rejection, _ make: @escaping @Sendable (inout World) -> Command) {
        self.code = code
        self.make = make
    }
}

@Suite struct RejectionTests {
    @Test(arguments: registryRows + marketRows + jobRows + verdictRows + settlementRows)
    func isRefusedAndChangesNothing(_ row: RejectionRow) {
        var world =
            row.code == .notConfigured || row.code == .invalidParameters
            ? World.empty : World()
        let command = row.make(&world)
        let before = world.house.canonicalBytes()
        #expect(world.apply(command) == .failure(row.code))
        #expect(world.house.canonicalBytes() == before)
    }

    @Test func everyRejectionHasARow() {
        let rows = registryRows + marketRows + jobRows + verdictRows + settlementRows
        let missing = Rejection.allCases.filter { code in !rows.contains { $0.code == code } }
        #expect(missing.isEmpty)
        #expect(Set(Rejection.allCases.map(\.rawValue)).count == Rejection.allCases.count)
    }
}

private let registryRows: [RejectionRow] = [
    .init(.notConfigured) { _ in .pulse },
    .init(.invalidParameters) { _ in
        var parameters = Parameters()
        parameters.burnBasisPoints = 4_999
        return .configure(parameters, chain: 1)
    },
    .init(.limitExceeded) { _ in
        .issueKey(World.buyer, hash: .zero, label: String(repeating: "x", count: 300))
    },
    .init(.partyNotFound) { _ in .nameParty(PartyID(99), name: "who") },
    .init(.addressTaken) { _ in .registerParty(address: World.address(1)) },
    .init(.invalidName) { _ in .nameParty(World.buyer, name: "Not a slug") },
    .init(.nameTaken) { world in
        world.run(.nameParty(World.whole, name: "taken"))
        return .nameParty(World.buyer, name: "taken")
    },
    .init(.partyTombstoned) { world in
        for _ in 0..<2 {
            let job = world.audited { $0.only = [World.whole] }
            world.run(.recordVerdict(world.verdict(job, .outputMismatch, stage: 0)))
            world.seconds += 1_000
            world.run(.pulse)
            if world.house.parties[3].tombstoned { break }
            world.run(.postOffer(world.offer(node: 4, World.range(0, 30), price: 400)))
        }
        return .registerNode(World.whole, key: World.key(44), kernel: "")
    },
    .init(.nodeNotFound) { _ in .setPresence(NodeID(0), online: true) },
    .init(.nodeKeyTaken) { _ in .registerNode(World.buyer, key: World.key(1), kernel: "") },
    .init(.tooManyNodes) { world in
        for number in 0..<UInt64(Limits.nodesPerParty) {
            world.run(.registerNode(World.buyer, key: World.key(10_000 + number), kernel: ""))
        }
        return .registerNode(World.buyer, key: World.key(99_999), kernel: "")
    },
    .init(.modelNotFound) { _ in .enlistVerifier(NodeID(1), model: ModelID(2)) },
    .init(.modelExists) { _ in
        .registerModel(
            ModelDraft(
                name: "other", root: World.digest(1), layers: 1, context: 2, profile: .zero,
                manifest: []))
    },
    .init(.invalidModel) { _ in
        .registerModel(
            ModelDraft(
                name: "other", root: .zero, layers: 0, context: 2, profile: .zero, manifest: []))
    },
    .init(.keyExists) { world in
        world.run(.issueKey(World.buyer, hash: World.digest(3), label: ""))
        return .issueKey(World.whole, hash: World.digest(3), label: "")
    },
    .init(.keyNotFound) { world in
        world.run(.issueKey(World.buyer, hash: World.digest(3), label: ""))
        return .revokeKey(World.whole, hash: World.digest(3))
    },
    .init(.tooManyKeys) { world in
        for number in 0..<UInt64(Limits.keysPerParty) {
            world.run(.issueKey(World.buyer, hash: World.digest(number), label: ""))
        }
        return .issueKey(World.buyer, hash: World.digest(999), label: "")
    },
    .init(.alreadyEnlisted) { _ in .enlistVerifier(NodeID(5), model: World.model) },
]

private let marketRows: [RejectionRow] = [
    .init(.bondTooSmall) { world in
        world.run(.registerNode(World.buyer, key: World.key(60), kernel: ""))
        return .postOffer(world.offer(node: 6, World.range(0, 30), price: 1))
    },
    .init(.invalidLayers) { world in
        .postOffer(world.offer(node: 1, World.range(20, 31), price: 1))
    },
    .init(.invalidOffer) { world in
        var draft = world.offer(node: 1, World.range(0, 10), price: 1)
        draft.concurrency = 0
        return .postOffer(draft)
    },
    .init(.alreadyExpired) { world in
        var draft = world.offer(node: 1, World.range(0, 10), price: 1)
        draft.expiresAt = Timestamp(seconds: world.seconds + 1)
        return .postOffer(draft)
    },
    .init(.tooManyOffers) { world in
        let draft = world.offer(node: 1, World.range(0, 10), price: 1)
        for _ in 1..<Limits.offersPerNode { world.run(.postOffer(draft)) }
        return .postOffer(draft)
    },
    .init(.offerNotFound) { _ in .withdrawOffer(PartyID(1), OfferID(99)) },
    .init(.notYourOffer) { _ in .withdrawOffer(PartyID(2), OfferID(1)) },
    .init(.offerNotLive) { world in
        world.run(.withdrawOffer(PartyID(1), OfferID(1)))
        return .withdrawOffer(PartyID(1), OfferID(1))
    },
]

private let jobRows: [RejectionRow] = [
    .init(.requestAlreadyUsed) { world in
        let demand = world.demand()
        world.run(.openJob(demand))
        return .openJob(demand)
    },
    .init(.emptyPrompt) { world in .openJob(world.demand(prompt: 0)) },
    .init(.noOutputWanted) { world in .openJob(world.demand(output: 0)) },
    .init(.contextExceeded) { world in .openJob(world.demand(prompt: 2_000, output: 49)) },
    .init(.noOffers) { world in
        var demand = world.demand()
        demand.only = [PartyID(1), PartyID(2)]
        return .openJob(demand)
    },
    .init(.priceLimit) { world in
        var demand = world.demand()
        demand.maxInputPrice = Price(perMillion: 1)
        return .openJob(demand)
    },
    .init(.insufficientFunds) { world in
        world.run(
            .withdraw(World.buyer, asset: .usd, amount: world.balance(.available, World.buyer)))
        return .openJob(world.demand())
    },
    .init(.tooManyJobs) { world in
        for offer in world.house.offers {
            world.run(.withdrawOffer(offer.party, offer.id))
        }
        var draft = world.offer(node: 4, World.range(0, 30), price: 1)
        draft.concurrency = Limits.concurrency
        world.run(.postOffer(draft))
        world.run(.postOffer(draft))
        for _ in 0..<Limits.runningJobsPerBuyer { _ = world.open() }
        return .openJob(world.demand())
    },
    .init(.jobNotFound) { _ in .failJob(JobID(1), reason: .cancelled) },
    .init(.wrongJobState) { world in
        let job = world.open()
        world.run(.failJob(job, reason: .cancelled))
        return .failJob(job, reason: .cancelled)
    },
    .init(.staleAttempt) { world in
        .replaceStage(world.open(), attempt: 2, stage: 0, code: .abandoned)
    },
    .init(.noSuchStage) { world in
        .replaceStage(world.open(), attempt: 1, stage: 3, code: .abandoned)
    },
    .init(.noAlternative) { world in
        .replaceDoubted(world.open(), attempt: 1, stage: 1)
    },
    .init(.duplicateReceipt) { world in
        let job = world.open()
        var delivery = world.delivery(job)
        delivery.receipts[1] = delivery.receipts[0]
        return .submitReceipts(delivery)
    },
    .init(.receiptMisaddressed) { world in
        changed(&world) { $0.job = JobID(2) }
    },
    .init(.wrongSigner) { world in
        let job = world.open()
        var delivery = world.delivery(job)
        delivery.receipts[0] = World.sign(delivery.receipts[0].body, by: World.key(2))
        return .submitReceipts(delivery)
    },
    .init(.wrongWork) { world in changed(&world) { $0.weights = .zero } },
    .init(.wrongTokenCount) { world in changed(&world) { $0.outputTokens = 6 } },
    .init(.brokenChain) { world in changed(&world) { $0.inputRoot = .zero } },
    .init(.outputOverLimit) { world in
        let job = world.open()
        return .submitReceipts(world.delivery(job, output: 21))
    },
]

/// A delivery of a three-stage job whose second receipt was changed and signed again.
private func changed(_ world: inout World, _ change: (inout Receipt) -> Void) -> Command {
    let job = world.open()
    var delivery = world.delivery(job)
    var receipt = delivery.receipts[1].body
    change(&receipt)
    delivery.receipts[1] = World.sign(receipt, by: delivery.receipts[1].signer)
    return .submitReceipts(delivery)
}

private let verdictRows: [RejectionRow] = [
    .init(.notTheAuditor) { world in
        let job = world.audited()
        return .recordVerdict(world.verdict(job, .reproduced, by: 4))
    },
    .init(.malformedVerdict) { world in
        let job = world.audited()
        return .recordVerdict(world.verdict(job, .outputMismatch, stage: 3))
    },
    .init(.verdictNotFound) { _ in .openAppeal(VerdictID(1), by: World.whole) },
    .init(.notTheAccused) { world in
        convict(&world)
        return .openAppeal(VerdictID(1), by: World.buyer)
    },
    .init(.notAppealable) { world in
        convict(&world)
        world.seconds += 1_000
        return .openAppeal(VerdictID(1), by: World.whole)
    },
    .init(.alreadyAppealed) { world in
        convict(&world)
        world.run(.openAppeal(VerdictID(1), by: World.whole))
        return .openAppeal(VerdictID(1), by: World.whole)
    },
    .init(.noOpenAppeal) { world in
        convict(&world)
        return .resolveAppeal(VerdictID(1), upheld: true)
    },
    .init(.beaconReused) { world in
        world.run(.drawAudits(beacon: World.digest(3)))
        return .drawAudits(beacon: World.digest(3))
    },
]

/// Convicts the whole-model provider.
private func convict(_ world: inout World) {
    let job = world.audited { $0.only = [World.whole] }
    world.run(.recordVerdict(world.verdict(job, .outputMismatch, stage: 0)))
}

private let settlementRows: [RejectionRow] = [
    .init(.chainEventReplayed) { world in
        let reference = world.nextReference()
        let deposit = ChainObservation.deposited(account: World.address(6), chainUnits: 5)
        world.run(.observeChain(reference, deposit))
        return .observeChain(reference, deposit)
    },
    .init(.wrongChain) { world in
        var reference = world.nextReference()
        reference.chain = 1
        return .observeChain(reference, .bonded(account: World.address(6), chainUnits: 5))
    },
    .init(.invalidAmount) { world in
        .observeChain(
            world.nextReference(), .deposited(account: World.address(6), chainUnits: 1 << 110))
    },
    .init(.insufficientBalance) { _ in
        .withdraw(World.whole, asset: .tly, amount: Amount(1))
    },
    .init(.nothingToSettle) { _ in .cutBatch },
    .init(.batchOpen) { world in
        world.run(.withdraw(World.buyer, asset: .usd, amount: World.dollar))
        world.run(.cutBatch)
        world.run(.withdraw(World.buyer, asset: .usd, amount: World.dollar))
        return .cutBatch
    },
    .init(.wrongBatchState) { _ in .sealBatch(BatchID(1), root: .zero) },
    .init(.rootMismatch) { world in
        world.run(.withdraw(World.buyer, asset: .usd, amount: World.dollar))
        world.run(.cutBatch)
        world.run(.sealBatch(BatchID(1), root: World.digest(8)))
        return .observeChain(
            world.nextReference(), .rootCommitted(batch: BatchID(1), root: World.digest(9)))
    },
    .init(.epochNotOver) { world in
        world.seconds += 100
        world.run(.closeEpoch)
        return .closeEpoch
    },
    .init(.dispersalNotFound) { world in
        .observeChain(world.nextReference(), .dispersed(name: World.digest(1)))
    },
    .init(.wrongPaymentState) { world in
        world.payBuyer(key: 1)
        return .notePayment(DispersalID(1), payment: 0, .returned)
    },
    .init(.costBooked) { world in
        world.payBuyer(key: 1)
        let cost = ChainCost(
            .dispersal(DispersalID(1)), .wei, units: 5, transaction: World.digest(1).bytes)
        world.run(.bookCost(cost))
        return .bookCost(cost)
    },
    .init(.withdrawalKeyUsed) { world in
        world.payBuyer(key: 1)
        return .payOut(
            World.buyer, asset: .usd, amount: Amount(2_000_000), key: World.digest(1),
            quotes: World.quotes())
    },
    .init(.tooManyWithdrawals) { world in
        for key in 1...UInt64(Limits.withdrawalsPerHour) { world.payBuyer(key: key) }
        return .payOut(
            World.buyer, asset: .usd, amount: Amount(1_000_000), key: World.digest(90),
            quotes: World.quotes())
    },
    .init(.noPayoutRail) { _ in
        .payOut(
            World.buyer, asset: .usd, amount: Amount(1_000_000), key: World.digest(1),
            quotes: World.quotes { $0.pushFloat = nil })
    },
    .init(.channelNotFound) { _ in .closeChannel(ChannelID(1)) },
    .init(.channelExists) { world in
        world.openChannel(PartyID(1))
        return .openChannel(World.channel(PartyID(1), number: 2))
    },
    .init(.wrongChannelState) { world in
        world.openChannel(PartyID(1))
        world.run(.closeChannel(ChannelID(1)))
        return .closeChannel(ChannelID(1))
    },
    .init(.channelNotWanted) { _ in .openChannel(World.channel(PartyID(1))) },
    .init(.notTheLastLog) { world in
        .reverseChain(
            world.nextReference(), .deposited(account: World.address(6), chainUnits: 5),
            previous: nil)
    },
    .init(.recordBehind) { world in
        let pin = SolanaPin(owner: "a", base: .zero, count: 5, hash: .zero)
        world.run(.pinSolana(pin))
        return .pinSolana(SolanaPin(owner: "a", base: .zero, count: 4, hash: .zero))
    },
    .init(.recordNotPinned) { _ in .forgetSolana("a", round: 1) },
    .init(.depositorTaken) { world in
        world.run(.registerDepositor(PartyID(1), owner: World.solanaOwner(PartyID(1))))
        return .registerDepositor(PartyID(2), owner: World.solanaOwner(PartyID(1)))
    },
    .init(.depositorNotFound) { _ in .bookDeposit(World.transfer(1, from: PartyID(1), 5)) },
    .init(.depositBooked) { world in
        world.run(.registerDepositor(PartyID(1), owner: World.solanaOwner(PartyID(1))))
        world.run(.bookDeposit(World.transfer(1, from: PartyID(1), 5)))
        return .bookDeposit(World.transfer(1, from: PartyID(1), 5))
    },
    .init(.tooManyDeposits) { world in
        world.run(.registerDepositor(PartyID(1), owner: World.solanaOwner(PartyID(1))))
        for place in 0..<UInt32(Limits.waitingDeposits) {
            world.run(.bookDeposit(World.transfer(1, from: PartyID(1), 5, instruction: place)))
        }
        return .bookDeposit(World.transfer(2, from: PartyID(1), 5))
    },
    .init(.nothingToSeal) { _ in World.seal(1) },
    .init(.wrongBooks) { world in
        world.payBuyer(key: 1)
        world.payBuyer(key: 2)
        world.run(World.seal(1, at: 9))
        return World.seal(2, at: 8)
    },
]

extension World {
    /// Says under which books a dispersal is made.
    fileprivate static func seal(_ number: UInt64, at sequence: UInt64 = 1) -> Command {
        .sealDispersals(
            first: DispersalID(number), last: DispersalID(number),
            books: LiabilityCommitment(
                batch: .none, sequence: sequence, head: digest(1), depth: 4, totals: .zero,
                top: digest(2)))
    }

    /// Pays the buyer a chain unit on demand.
    fileprivate mutating func payBuyer(key: UInt64) {
        run(
            .payOut(
                World.buyer, asset: .usd, amount: Amount(1_000_000), key: World.digest(key),
                quotes: World.quotes()))
    }
}
