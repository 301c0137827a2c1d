import Chains
import Cryptography
import Primitives
import Testing

/// What a pool says next of a root of a house's: a table of everything that a final block may show.
@Suite struct PayoutPoolStepTests {
    private let pool = PayoutPool(
        program: SolanaAddress(Digest(words: (1, 0, 0, 7))),
        opener: SolanaAddress(Digest(words: (2, 0, 0, 7))),
        mint: SolanaAddress(Digest(words: (3, 0, 0, 7))), cluster: Digest(words: (4, 0, 0, 7)))

    /// A root of the pool by a letter, which stands for its hash and its sum.
    private struct Root {
        let letter: UInt64
        let epoch: UInt64

        var root: Digest { Digest(words: (letter, 1, 1, 1)) }
    }

    private func claims(_ letter: UInt64) -> PayoutPoolRoot.Claims {
        PayoutPoolRoot.Claims(Digest(words: (letter, 1, 1, 1)), total: letter)
    }

    /// The account's bytes as docs/reference/solana-payout-program.md has them.
    private func state(
        epoch: UInt64, active: Root?, waiting: Bool = false, letter: UInt64 = 0, from: UInt64 = 0
    ) throws -> PayoutPoolState {
        var bytes = ByteWriter()
        bytes.write(UInt64(0x314C_4F4F_5048_4358))
        for number in [
            9, epoch, active?.epoch ?? 0, active?.letter ?? 0, 0, waiting ? letter : 0, from, 0,
        ] {
            bytes.write(number)
        }
        bytes.write(UInt8(255))
        bytes.write(waiting)
        for _ in 0..<6 { bytes.write(UInt8(0)) }
        let roots = [active?.root ?? .zero, Digest(words: (letter, 1, 1, 1))]
        let words =
            roots + [.zero, .zero, PayoutPool.domain, pool.cluster, pool.address.value]
            + [pool.mint.value, pool.vault.value, pool.token.value, pool.opener.value]
        for word in words + Array(repeating: Digest.zero, count: 19 - words.count) {
            bytes.write(word)
        }
        let account = SolanaAccount(owner: pool.program, lamports: 1, data: bytes.bytes)
        let state = try #require(PayoutPoolState(account, program: pool.program))
        #expect(state.pool == pool && (state.waiting != nil) == waiting)
        return state
    }

    private func step(
        _ state: PayoutPoolState, _ stage: PayoutPoolRoot.Stage, epoch: UInt64 = 0,
        before: UInt64? = nil, at slot: UInt64 = 100
    ) -> PayoutPoolStep {
        PayoutPoolStep(
            state,
            PayoutPoolRoot(claims(5), stage, epoch: epoch, after: before.map { claims($0) }),
            at: slot)
    }

    @Test func fromNothingToPaying() throws {
        let fresh = try state(epoch: 0, active: nil)
        #expect(step(fresh, .due) == .commit(epoch: 1))
        let waits = try state(epoch: 1, active: nil, waiting: true, letter: 5, from: 120)
        #expect(step(waits, .due) == .isCommitted(epoch: 1))
        #expect(step(waits, .committed, epoch: 1, at: 119) == .wait)
        #expect(step(waits, .committed, epoch: 1, at: 120) == .activate)
        let pays = try state(epoch: 1, active: Root(letter: 5, epoch: 1))
        #expect(step(pays, .committed, epoch: 1) == .isActive)
        // Made active before anybody looked.
        #expect(step(pays, .due) == .isCommitted(epoch: 1))
    }

    @Test func theNextGoesOnFromTheOneThatPays() throws {
        let pays = try state(epoch: 4, active: Root(letter: 3, epoch: 4))
        #expect(step(pays, .due, before: 3) == .commit(epoch: 5))
        let waits = try state(
            epoch: 5, active: Root(letter: 3, epoch: 4), waiting: true, letter: 5, from: 100)
        #expect(step(waits, .due, before: 3) == .isCommitted(epoch: 5))
        #expect(step(waits, .committed, epoch: 5, before: 3) == .activate)
    }

    @Test func whatIsDroppedWaitsForAWord() throws {
        let gone = try state(epoch: 5, active: Root(letter: 3, epoch: 4))
        #expect(step(gone, .committed, epoch: 5, before: 3) == .isDropped)
        #expect(step(gone, .dropped, epoch: 5, before: 3) == .wait)
        // At the word it is to be committed under the next epoch.
        #expect(step(gone, .due, epoch: 5, before: 3) == .commit(epoch: 6))
        // Taken for dropped, and it pays.
        let pays = try state(epoch: 5, active: Root(letter: 5, epoch: 5))
        #expect(step(pays, .dropped, epoch: 5, before: 3) == .isActive)
    }

    /// A node that is behind says nothing of what is known already.
    @Test func anOlderViewIsNoNews() throws {
        let behind = try state(epoch: 4, active: Root(letter: 3, epoch: 4))
        #expect(step(behind, .committed, epoch: 5, before: 3) == .wait)
        #expect(step(behind, .due, epoch: 5, before: 3) == .wait)
        let last = try state(epoch: .max, active: Root(letter: 3, epoch: 4))
        #expect(step(last, .due, before: 3) == .wait)
    }

    @Test func aRootOfAnotherHandIsTold() throws {
        func isForeign(_ step: PayoutPoolStep, _ letter: UInt64) -> Bool {
            if case .foreign(let root) = step { root.total == letter } else { false }
        }
        let waits = try state(epoch: 1, active: nil, waiting: true, letter: 6, from: 1)
        let pays = try state(epoch: 2, active: Root(letter: 6, epoch: 2))
        for stage in [PayoutPoolRoot.Stage.due, .committed, .dropped] {
            #expect(isForeign(step(waits, stage), 6), "\(stage)")
            #expect(isForeign(step(pays, stage, epoch: 1, before: 3), 6), "\(stage)")
        }
        // Ours again, by somebody else, once it was known to be dropped; or before its own epoch.
        let again = try state(epoch: 2, active: nil, waiting: true, letter: 5, from: 1)
        #expect(isForeign(step(again, .dropped, epoch: 1), 5))
        // With nothing to do a pool has the root that pays, and none that waits.
        let quiet = try state(epoch: 4, active: Root(letter: 3, epoch: 4))
        #expect(PayoutPoolStep.foreign(in: quiet, paying: claims(3), since: 4) == nil)
        #expect(PayoutPoolStep.foreign(in: quiet, paying: nil, since: 0)?.total == 3)
        #expect(PayoutPoolStep.foreign(in: quiet, paying: claims(4), since: 0)?.total == 3)
        #expect(PayoutPoolStep.foreign(in: waits, paying: nil, since: 1)?.epoch == 1)
        // Older than what is known: it was the house's own then.
        #expect(PayoutPoolStep.foreign(in: quiet, paying: claims(9), since: 5) == nil)
        #expect(step(quiet, .due, epoch: 5, before: 9) == .wait)
    }

    /// The calls of a message are read as the program reads them.
    @Test func callsAreRead() throws {
        let key = SolanaAddress(Digest(words: (9, 9, 9, 9)))
        func call(_ instructions: [SolanaInstruction]) throws -> PayoutPoolCall? {
            try SolanaMessage(
                [.computeLimit(1)] + instructions, payer: key, blockhash: pool.cluster
            ).payoutPoolCall
        }
        let root = PayoutRoot(
            epoch: 77, root: pool.cluster, total: 5, journalHead: pool.cluster,
            liabilities: pool.cluster)
        let transfer = SolanaInstruction.transfer(
            1, of: pool.mint, decimals: 6, from: key, to: pool.vault, authority: key)
        let (program, place) = (pool.program, pool.address)
        #expect(
            try call([transfer, pool.commit(root, settler: key)])
                == PayoutPoolCall(
                    program: program, pool: place,
                    .commit(epoch: 77, root: pool.cluster, total: 5)))
        #expect(
            try call([pool.activate()])
                == PayoutPoolCall(program: program, pool: place, .activate))
        for other in [pool.dispute(epoch: 1, guardian: key), pool.takeRoles(), transfer] {
            #expect(try call([other]) == nil)
        }
    }
}
