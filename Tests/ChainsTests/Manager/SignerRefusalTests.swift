import Chains
import Cryptography
import Primitives
import Testing

/// What a signer's policy refuses holds nothing else up, and what the chain charged is known.
@Suite struct SignerRefusalTests {
    private func refuse(_ bench: inout ManagerBench, _ draft: EVMTransaction) throws {
        try bench.take(
            .declined(
                draft: draft.signingHash, by: bench.key.address, nonce: draft.nonce, "no (8)"))
    }

    private func signs(_ actions: [EVMManagerAction]) -> [EVMTransaction] {
        actions.compactMap { if case .sign(let draft, _) = $0 { draft } else { nil } }
    }

    @Test func theNonceOfARefusedIntentIsTheNextOnes() throws {
        var bench = try ManagerBench(ManagerBench.policy { $0.inFlight = 1 })
        let other = bench.intent(2, value: 2_000)
        try bench.take(.submit(bench.intent(1)))
        try bench.take(.submit(other))
        let first = try #require(bench.drafts().first)
        try refuse(&bench, first)
        let actions = bench.done()
        #expect(actions.contains(.report(bench.intent(1).id, .failed(.declined("no (8)")))))
        let second = try #require(signs(actions).first)
        #expect(second.nonce == first.nonce && second != first)
        #expect(
            bench.manager.status(of: bench.intent(1).id) == .closed(.failed(.declined("no (8)"))))
        // What is refused late, or a signature that comes late, says nothing about the next one.
        try refuse(&bench, first)
        #expect(bench.done() == [])
        let hash = try bench.sign(second)
        #expect(
            bench.manager.status(of: other.id)
                == .inFlight(nonce: second.nonce, transactions: [hash]))
    }

    @Test func aRefusedNonceBelowOneThatBeganIsFilled() throws {
        var bench = try ManagerBench()
        try bench.take(.submit(bench.intent(1)))
        try bench.take(.submit(bench.intent(2)))
        let drafts = bench.drafts()
        let hash = try bench.sign(drafts[1])
        _ = bench.done()
        try refuse(&bench, drafts[0])
        let filler = try #require(bench.drafts().first)
        #expect(filler.nonce == drafts[0].nonce && filler.to == bench.key.address)
        #expect(filler.value == 0 && filler.data.isEmpty)
        // For an empty transaction it is asked again, and a person is told once.
        try refuse(&bench, filler)
        #expect(bench.done() == [.alert(.stuck(bench.key.address, nonce: filler.nonce))])
        try bench.pass(11)
        try refuse(&bench, filler)
        #expect(signs(bench.done()) == [filler])
        let empty = try bench.sign(filler)
        bench.count += 2
        let filled = bench.include(empty, at: 90)
        let inclusion = bench.include(hash, at: 90)
        try bench.look()
        try bench.look()
        let status = bench.manager.status(of: bench.intent(1).id)
        #expect(status == .closed(.failed(.declined("no (8)"))))
        #expect(bench.manager.status(of: bench.intent(2).id) == .closed(.settled(inclusion)))
        let (charged, mark) = bench.manager.charges(after: EVMChargeMark())
        #expect(charged == [inclusion, filled])
        #expect(bench.manager.charges(after: mark).found == [])
    }

    @Test func aRefusedReplacementLeavesWhatItWasToReplace() throws {
        var bench = try ManagerBench()
        let first = try bench.send(bench.intent(1))
        bench.market = EVMFeeMarket(baseFee: 20_000_000_000, tip: 2_000_000_000)
        try bench.look(after: 50)
        try bench.pass(50)
        let draft = try #require(bench.drafts().first)
        try refuse(&bench, draft)
        #expect(bench.done() == [.alert(.stuck(bench.key.address, nonce: 5))])
        // It is given to the nodes again as it is, and wins.
        try bench.pass(25)
        let isSent = bench.done().contains {
            if case .broadcast(first, _) = $0 { true } else { false }
        }
        #expect(isSent)
        bench.count = 6
        let inclusion = bench.include(first, at: 95)
        bench.head = 110
        try bench.look()
        try bench.look()
        #expect(bench.manager.status(of: bench.intent(1).id) == .closed(.settled(inclusion)))
    }

    @Test func refusalsAndChargesOutliveTheProcess() throws {
        var bench = try ManagerBench()
        for number: UInt64 in 1...3 { try bench.take(.submit(bench.intent(number))) }
        let drafts = bench.drafts()
        for draft in drafts.dropFirst() { try bench.sign(draft) }
        try refuse(&bench, drafts[0])
        let filler = try #require(bench.drafts().first)
        let input = EVMManagerInput.declined(
            draft: filler.signingHash, by: bench.key.address, nonce: 5, "words")
        #expect(try EVMManagerInput(canonicalBytes: input.canonicalBytes()) == input)
        let begun = bench.manager.stateBytes
        #expect(try EVMManager(policy: bench.manager.policy, stateBytes: begun).stateBytes == begun)
        bench.count = 6
        bench.include(try bench.sign(filler), at: 90)
        try bench.look()
        try bench.look()
        let ended = bench.manager.stateBytes
        let again = try EVMManager(policy: bench.manager.policy, stateBytes: ended)
        #expect(again.stateBytes == ended)
        let charged = again.charges(after: EVMChargeMark()).found
        #expect(charged.count == 1 && charged == bench.manager.charges(after: .init()).found)
        // What is not shown as an end yet is charged later.
        let unsaid = Set([bench.intent(1).id])
        let (early, mark) = again.charges(after: EVMChargeMark(), before: unsaid)
        #expect(early + again.charges(after: mark).found == charged)
    }
}
