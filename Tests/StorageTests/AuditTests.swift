import Clearing
import Cryptography
import Economics
import Foundation
import Ledger
import Primitives
import Storage
import Testing

/// A short, complete history of a house: two parties, a provider's offer, a paid job.
struct History {
    let key: Ed25519.PrivateKey
    var house = ClearingHouse()
    var commands: [Command] = []

    init(honestSignature: Bool = true, jobs: UInt64 = 1) throws {
        key = try #require(Ed25519.PrivateKey(seed: Array(repeating: 3, count: 32)))
        let provider = try #require(EVMAddress(Array(repeating: 1, count: 20)))
        let buyer = try #require(EVMAddress(Array(repeating: 2, count: 20)))
        let layers = try #require(LayerRange(0, 4))
        let root = Digest(words: (1, 1, 1, 1))
        run(.configure(Parameters(), chain: 31337))
        run(.registerParty(address: provider))
        run(.registerParty(address: buyer))
        run(.observeChain(log(1), .bonded(account: provider, chainUnits: 100_000_000)))
        run(.observeChain(log(2), .deposited(account: buyer, chainUnits: 10_000_000)))
        run(.registerNode(PartyID(1), key: key.publicKey, kernel: "numerics-v1/scalar"))
        run(.setPresence(NodeID(1), online: true))
        run(
            .registerModel(
                ModelDraft(
                    name: "smol", root: root, layers: 4, context: 2048, profile: root,
                    manifest: [1])))
        run(
            .postOffer(
                OfferDraft(
                    node: NodeID(1), model: ModelID(1), layers: layers, weights: root,
                    inputPrice: Price(perMillion: 100_000_000_000),
                    outputPrice: Price(perMillion: 200_000_000_000), concurrency: 4,
                    context: 2048, region: "", expiresAt: Timestamp(seconds: 1 << 32))))
        for job in 1...jobs {
            run(
                .openJob(
                    Demand(
                        buyer: PartyID(2), request: UInt128(job), model: ModelID(1),
                        promptTokens: 10,
                        maxTokens: 20, input: root)))
            let receipt = Receipt(
                job: JobID(job), attempt: 1, stage: 0, stages: 1, layers: layers, model: root,
                weights: root, profile: root, positions: 14, promptTokens: 10, outputTokens: 5,
                inputRoot: root, outputRoot: root, startedAt: .zero, finishedAt: .zero,
                previous: .zero)
            var signed = receipt.signed(by: key)
            if !honestSignature {
                let nothing = try #require(Signature(Array(repeating: 0, count: 64)))
                signed = Signed(body: receipt, signer: key.publicKey, signature: nothing)
            }
            run(
                .submitReceipts(
                    Delivery(
                        job: JobID(job), attempt: 1, outputTokens: 5, output: root,
                        receipts: [signed])))
        }
    }

    func log(_ block: UInt64) -> ChainReference {
        ChainReference(
            chain: 31337, block: block, logIndex: 0, blockHash: .zero, transaction: .zero)
    }

    static func time(_ place: Int) -> Timestamp { Timestamp(seconds: UInt64(place) + 1_000) }

    mutating func run(_ command: Command) {
        switch house.apply(command, at: History.time(commands.count)) {
        case .success: commands.append(command)
        case .failure(let rejection): Issue.record("\(command) was rejected: \(rejection)")
        }
    }

    /// Journals the commands, two a batch.
    func write(to journal: any Journal) throws {
        _ = try journal.verify()
        for start in stride(from: 0, to: commands.count, by: 2) {
            let places = start..<min(start + 2, commands.count)
            try journal.append(
                places.map {
                    JournalEntry(
                        time: History.time($0), command: commands[$0].canonicalBytes())
                })
        }
    }
}

@Suite struct AuditTests {
    @Test func anAuditReachesTheLiveState() throws {
        let history = try History()
        let scratch = try Scratch()
        let journal = try SQLiteJournal(path: scratch.journal)
        try history.write(to: journal)
        let last = StateCheckpoint(
            sequence: journal.head.sequence, stateHash: history.house.stateHash)
        try journal.record(last)
        // While the writer has it open, and after.
        for _ in 0..<2 {
            let report = try auditJournal(at: scratch.journal, expecting: journal.head.point)
            #expect(report.head == journal.head)
            #expect(report.commands == UInt64(history.commands.count))
            #expect(report.stateHash == history.house.stateHash)
            #expect(report.house.canonicalBytes() == history.house.canonicalBytes())
            #expect(report.checkpoints == 1)
            #expect(report.signatures == 1)
            #expect(report.trialBalance == history.house.ledger.trialBalance())
            #expect(report.trialBalance.count == 1)
            #expect(report.isSound)
            try journal.close()
        }
    }

    @Test(arguments: JournalKind.all)
    func everyJournalReplaysToTheLiveState(_ kind: JournalKind) throws {
        let history = try History()
        let home = try kind.makeHome()
        let journal = try home.open()
        try history.write(to: journal)
        try journal.record(
            StateCheckpoint(
                sequence: journal.head.sequence, stateHash: history.house.stateHash))
        let reference = MemoryJournal()
        try history.write(to: reference)
        #expect(journal.head == reference.head)
        try journal.close()
        let again = try home.open()
        let report = try auditJournal(again, expecting: reference.head.point)
        #expect(report.house.canonicalBytes() == history.house.canonicalBytes())
        #expect(report.checkpoints == 1)
        #expect(report.isSound)
        try again.close()
    }

    @Test func aBadSignatureIsNamed() throws {
        let history = try History(honestSignature: false)
        let journal = MemoryJournal()
        try history.write(to: journal)
        let report = try auditJournal(journal)
        #expect(report.signatures == 0)
        #expect(!report.isSound)
        let bad = try #require(report.badSignatures.first)
        #expect(report.badSignatures.count == 1)
        #expect(bad.record == "receipt")
        #expect(bad.signer == history.key.publicKey)
        // The eleventh command, two a batch.
        #expect(bad.sequence == 6)
        #expect(bad.command == 0)
    }

    /// They are checked in pieces of 512 on all processors, and named in the journal's order.
    @Test func manyBadSignaturesAreNamedInOrder() throws {
        let jobs = 1_700
        let journal = MemoryJournal()
        try History(honestSignature: false, jobs: UInt64(jobs)).write(to: journal)
        let bad = try auditJournal(journal).badSignatures
        // Nine commands come before the first job, two a batch, and each job is two commands.
        #expect(bad.map(\.sequence) == (0..<jobs).map { UInt64(6 + $0) })
        #expect(bad.allSatisfy { $0.command == 0 })
    }

    @Test func anotherHistoryThanThePublishedOneIsFound() throws {
        let history = try History()
        let journal = MemoryJournal()
        try history.write(to: journal)
        let points = journal.batches.map(\.head.point)
        for point in points + [ChainPoint(sequence: 0, hash: .zero)] {
            #expect(throws: Never.self) { try auditJournal(journal, expecting: point) }
        }
        let wrong = ChainPoint(sequence: 2, hash: points[2].hash)
        #expect(throws: JournalError.unexpectedHash(wrong, found: points[1].hash)) {
            try auditJournal(journal, expecting: wrong)
        }
        let late = ChainPoint(sequence: 99, hash: points[1].hash)
        #expect(throws: JournalError.unexpectedHash(late, found: nil)) {
            try auditJournal(journal, expecting: late)
        }
    }

    @Test func anotherStateThanTheRecordedOneIsFound() throws {
        let history = try History()
        let journal = MemoryJournal()
        try history.write(to: journal)
        try journal.record(StateCheckpoint(sequence: 3, stateHash: history.house.stateHash))
        #expect(throws: JournalError.stateDiverged(3)) { try auditJournal(journal) }
    }

    @Test func aCommandThatIsRefusedOrUnreadableHaltsTheReplay() throws {
        let history = try History()
        let refused = MemoryJournal()
        try history.write(to: refused)
        let next = refused.head.time + .seconds(1)
        // The same request of the same buyer again.
        try refused.append([
            JournalEntry(time: next, command: Command.pulse.canonicalBytes()),
            JournalEntry(
                time: next + .seconds(1), command: history.commands[9].canonicalBytes()),
        ])
        #expect(
            throws: JournalError.doesNotReplay(
                7, command: 1, rejection: Rejection.requestAlreadyUsed.rawValue)
        ) { try auditJournal(refused) }

        let unreadable = MemoryJournal()
        try unreadable.append([JournalEntry(time: next, command: [0xFE])])
        guard case .undecodable(1, command: 0, _) = errorOfAudit(unreadable) else {
            Issue.record("an unknown command was not found")
            return
        }
        let trailing = MemoryJournal()
        try trailing.append([
            JournalEntry(time: next, command: history.commands[0].canonicalBytes() + [0])
        ])
        #expect(errorOfAudit(trailing) == .undecodable(1, command: 0, .trailingBytes))
    }

    /// A history whose last batch of the journal seals a settlement that was cut before.
    private func sealed(
        _ change: (LiabilityCommitment) -> LiabilityCommitment = { $0 }
    ) throws -> MemoryJournal {
        var history = try History()
        let dollar = Amount(1_000_000_000_000)
        history.run(.withdraw(PartyID(2), asset: .usd, amount: dollar))
        history.run(.cutBatch)
        let journal = MemoryJournal()
        try history.write(to: journal)
        let tree = LiabilityTree.booked(
            history.house.liabilities(), batch: BatchID(1), sequence: journal.head.sequence,
            head: journal.head.hash, salt: salt)
        let seal = Command.sealBatch(
            BatchID(1), root: journal.head.hash, liabilities: change(tree.commitment))
        let next = journal.head.time + .seconds(1)
        try journal.append([JournalEntry(time: next, command: seal.canonicalBytes())])
        return journal
    }

    private var salt: [UInt8] { Array(repeating: 4, count: 32) }

    @Test func whatASettlementSaysIsOwedIsWhatTheBooksOwe() throws {
        let journal = try sealed()
        let report = try auditJournal(journal)
        #expect(report.liabilityCommitments == 1)
        #expect(report.liabilityFaults.isEmpty)
        #expect(report.isSound)
        let commitment = try #require(report.house.lastCommitted?.liabilities)
        #expect(commitment.totals[.usd] == Amount(110_000_000_000_000))
        let tree = try LiabilityTree.replayed(commitment, from: journal, salt: salt)
        #expect(tree.commitment == commitment)
        let buyer = try #require(report.house.party(PartyID(2))?.address)
        let proof = try #require(tree.proof(of: buyer))
        #expect(throws: Never.self) { try proof.verify(root: commitment.root, holder: buyer) }
        let other = try LiabilityTree.replayed(
            commitment, from: journal, salt: Array(repeating: 5, count: 32))
        #expect(other.commitment.totals == commitment.totals)
        #expect(other.commitment.top != commitment.top)
    }

    @Test func aSettlementThatOwesOtherSumsOrAtAnotherMomentIsNamed() throws {
        func copy(
            _ old: LiabilityCommitment, sequence: UInt64? = nil, head: Digest? = nil,
            totals: AssetSums? = nil
        ) -> LiabilityCommitment {
            LiabilityCommitment(
                batch: old.batch, sequence: sequence ?? old.sequence, head: head ?? old.head,
                depth: old.depth, totals: totals ?? old.totals, top: old.top)
        }
        let less = AssetSums(usd: Amount(109_999_999_999_999), tly: .zero)
        let lies: [((LiabilityCommitment) -> LiabilityCommitment, String)] = [
            ({ copy($0, totals: less) }, "are not what the books owe after 7"),
            ({ copy($0, head: .zero) }, "are of another journal"),
            ({ copy($0, sequence: $0.sequence - 1) }, "are of no moment between"),
            ({ copy($0, sequence: $0.sequence + 1) }, "are of no moment between"),
        ]
        for (lie, words) in lies {
            let report = try auditJournal(try sealed(lie))
            #expect(report.liabilityCommitments == 0)
            #expect(report.liabilityFaults.count == 1)
            #expect(report.liabilityFaults.first?.contains(words) == true)
            #expect(!report.isSound)
        }
        let foreign = try sealed { copy($0, head: .zero) }
        let commitment = try #require(try auditJournal(foreign).house.lastCommitted?.liabilities)
        let point = ChainPoint(sequence: commitment.sequence, hash: .zero)
        #expect(
            throws: JournalError.unexpectedHash(point, found: foreign.batches[6].hash)
        ) { try LiabilityTree.replayed(commitment, from: foreign, salt: salt) }
    }

    /// A history whose last batch of the journal says under which books its dispersal is made.
    private func dispersed(
        last: UInt64 = 1,
        _ change: (LiabilityCommitment) -> LiabilityCommitment = { $0 }
    ) throws -> MemoryJournal {
        var history = try History()
        var quotes = SettlementQuotes(
            gasPrice: 1, payer: try #require(EVMAddress(Array(repeating: 9, count: 20))),
            minimum: .zero, refundAbove: .zero, name: .zero)
        quotes.pushFloat = AssetSums(usd: Amount(1 << 80), tly: .zero)
        let journal = MemoryJournal()
        history.run(
            .payOut(
                PartyID(2), asset: .usd, amount: Amount(1_000_000), key: .zero, quotes: quotes))
        try history.write(to: journal)
        let tree = LiabilityTree.booked(
            history.house.liabilities(), batch: .none, sequence: journal.head.sequence,
            head: journal.head.hash, salt: salt)
        if last > 1 {
            let more = Command.payOut(
                PartyID(2), asset: .usd, amount: Amount(1_000_000),
                key: Digest(words: (0, 0, 0, 1)),
                quotes: quotes)
            let time = journal.head.time + .seconds(1)
            try journal.append([JournalEntry(time: time, command: more.canonicalBytes())])
        }
        let seal = Command.sealDispersals(
            first: DispersalID(1), last: DispersalID(last), books: change(tree.commitment))
        let next = journal.head.time + .seconds(1)
        try journal.append([JournalEntry(time: next, command: seal.canonicalBytes())])
        return journal
    }

    @Test func theBooksOfADispersalAreThoseByWhichItWasDecided() throws {
        let report = try auditJournal(try dispersed())
        #expect(report.liabilityCommitments == 1 && report.isSound)
        #expect(report.house.books(of: DispersalID(1))?.totals[.usd].units == 110_000_000_000_000)
        let early = try auditJournal(try dispersed(last: 2))
        #expect(early.liabilityFaults.first?.contains("before these were decided") == true)
        func changed(
            sequence: UInt64 = 0, head: Digest? = nil, usd: UInt128 = 0
        ) throws -> String? {
            let journal = try dispersed { old in
                LiabilityCommitment(
                    batch: old.batch, sequence: old.sequence - sequence, head: head ?? old.head,
                    depth: old.depth,
                    totals: AssetSums(
                        usd: Amount(old.totals[.usd].units - usd), tly: old.totals[.tly]),
                    top: old.top)
            }
            let report = try auditJournal(journal)
            #expect(!report.isSound && report.liabilityCommitments == 0)
            return report.liabilityFaults.first
        }
        #expect(try changed(usd: 1)?.contains("are not what the books owe") == true)
        #expect(try changed(head: .zero)?.contains("are of another journal") == true)
        #expect(try changed(sequence: 1)?.contains("are of no moment") == true)
    }

    /// A history whose last batch says under which books its voucher is.
    private func promised(
        more: Bool = false, late: Bool = false,
        sums: (ClearingHouse) -> [VoucherSum] = { $0.unsealedVouchers }
    ) throws -> MemoryJournal {
        var history = try History()
        let receiver = try #require(EVMAddress(Array(repeating: 8, count: 20)))
        let payer = try #require(EVMAddress(Array(repeating: 9, count: 20)))
        let draft = ChannelDraft(
            party: PartyID(2), asset: .usd, payer: payer, receiver: receiver, contract: payer,
            token: receiver, withdrawDelay: 900, salt: .zero, key: Digest(words: (1, 2, 3, 4)),
            deposit: 1_000_000)
        history.run(.setPayout(PartyID(2), PayoutSettings(channel: receiver)))
        history.run(.openChannel(draft))
        history.run(.observeChain(history.log(90), .channelMoved(draft.key, .deposited(1_000_000))))
        var quotes = SettlementQuotes(
            gasPrice: 1, payer: payer, minimum: .zero, refundAbove: .zero, name: .zero)
        quotes.vouches = true
        func promise() {
            history.run(.withdraw(PartyID(2), asset: .usd, amount: Amount(1_000_000_000)))
            history.run(.settle(quotes))
        }
        promise()
        let journal = MemoryJournal()
        try history.write(to: journal)
        // A promise leaves what is owed as it was.
        func books() -> LiabilityCommitment {
            LiabilityTree.booked(
                history.house.liabilities(), batch: .none, sequence: journal.head.sequence,
                head: journal.head.hash, salt: salt
            ).commitment
        }
        let early = books()
        if more {
            for command in [
                Command.withdraw(PartyID(2), asset: .usd, amount: Amount(1_000_000_000)),
                .settle(quotes),
            ] {
                try journal.append([
                    JournalEntry(
                        time: journal.head.time + .seconds(1), command: command.canonicalBytes())
                ])
            }
        }
        let seal = Command.sealVouchers(sums(history.house), books: late ? books() : early)
        try journal.append([
            JournalEntry(time: journal.head.time + .seconds(1), command: seal.canonicalBytes())
        ])
        return journal
    }

    @Test func theBooksOfAVoucherAreThoseByWhichItWasPromised() throws {
        let report = try auditJournal(try promised())
        #expect(report.liabilityCommitments == 1 && report.isSound)
        #expect(report.house.seal(ofVouchers: ChannelID(1))?.sum.cumulative == 1_000)
        // The first sum alone had been promised at those books, so that they are not the second's.
        #expect(try auditJournal(try promised(more: true)).isSound)
        let early = try auditJournal(
            try promised(more: true) { _ in [VoucherSum(ChannelID(1), cumulative: 2_000)] })
        #expect(early.liabilityFaults.first?.contains("before these were promised") == true)
        let late = try auditJournal(
            try promised(more: true, late: true) { _ in
                [VoucherSum(ChannelID(1), cumulative: 2_000)]
            })
        #expect(late.liabilityCommitments == 1 && late.isSound)
    }

    private func errorOfAudit(_ journal: any Journal) -> JournalError? {
        do throws(JournalError) {
            _ = try auditJournal(journal)
            return nil
        } catch {
            return error
        }
    }
}
