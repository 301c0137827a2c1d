import Chains
import Cryptography
import Foundation
import Primitives
import Testing

/// The book of vouchers: what it refuses, what it claims when, and what it warns of.
@Suite struct VoucherBookTests {
    private func voucher(
        _ number: Int, _ amount: UInt128, expires: Int64 = 0
    ) throws -> Voucher {
        try ChannelWorld.payment(number).voucher(
            amount, expiresAt: expires, by: SVMNode.key("payer \(number)"))
    }

    /// A book with channels 0..<count of 1,000 each.
    private func book(_ count: Int, _ policy: VoucherPolicy = VoucherPolicy()) throws -> VoucherBook
    {
        var book = VoucherBook(policy: policy)
        for number in 0..<count {
            _ = try book.apply(
                .opened(.payment(try ChannelWorld.payment(number)), ChannelWorld.open(1_000)),
                at: .at(1))
        }
        return book
    }

    private func id(_ number: Int) throws -> Digest {
        try ChannelWorld.payment(number).address.value
    }

    @Test func everyRefusalAndNothingChanged() throws {
        var policy = VoucherPolicy()
        policy.maximumChannels = 2
        policy.maximumRows = 2
        var book = try book(2, policy)
        _ = try book.apply(.accepted(try voucher(0, 100), spends: 60), at: .at(10))
        _ = try book.apply(
            .seen(
                try id(1),
                ChannelSighting(
                    deposit: 1_000, claimed: 0, phase: .closing(deadline: 900), height: 2)),
            at: .at(10))
        let third = ChannelTerms.payment(try ChannelWorld.payment(2))
        let first = ChannelTerms.payment(try ChannelWorld.payment(0))
        let row = ChannelClaim.Row(try voucher(0, 100), total: 100)
        let over = ChannelClaim.Row(try voucher(0, 100), total: 101)
        let unsigned = ChannelClaim.Row(try voucher(0, 200), total: 200)
        let foreign = ChannelClaim.Row(try voucher(2, 100), total: 100)
        let forged = Voucher(
            channel: try id(0), cumulative: 500, signature: try voucher(1, 500).signature)
        let rows: [(ChannelRefusal, VoucherInput)] = [
            (.channelExists, .opened(first, ChannelWorld.open(1))),
            (.tooManyChannels, .opened(third, ChannelWorld.open(1))),
            (.unknownChannel, .seen(try id(2), ChannelWorld.open(1))),
            (.unknownChannel, .accepted(try voucher(2, 1), spends: 0)),
            (.unknownChannel, .spent(try id(2), 1)),
            (.closing, .accepted(try voucher(1, 10), spends: 0)),
            (.notHigher, .accepted(try voucher(0, 100), spends: 0)),
            (.notHigher, .accepted(try voucher(0, 99), spends: 0)),
            (.overDeposit, .accepted(try voucher(0, 1_001), spends: 0)),
            (.expired, .accepted(try voucher(0, 101, expires: 10), spends: 0)),
            // It would count until after now, but not for an hour.
            (.expired, .accepted(try voucher(0, 101, expires: 3_610), spends: 0)),
            (.expired, .accepted(try voucher(0, 101, expires: -1), spends: 0)),
            (.badSignature, .accepted(forged, spends: 0)),
            (.overspent, .accepted(try voucher(0, 150), spends: 91)),
            (.overspent, .accepted(try voucher(0, 150), spends: .max)),
            (.overspent, .spent(try id(0), 41)),
            (.claimSize, .claiming(ChannelClaim(id: .zero, rows: []))),
            (.claimSize, .claiming(ChannelClaim(id: .zero, rows: [row, row, row]))),
            (.claimUnderWay, .claiming(ChannelClaim(id: .zero, rows: [row, row]))),
            (.overspent, .claiming(ChannelClaim(id: .zero, rows: [over]))),
            (.overspent, .claiming(ChannelClaim(id: .zero, rows: [unsigned]))),
            (.unknownChannel, .claiming(ChannelClaim(id: .zero, rows: [foreign]))),
            (.noSuchClaim, .ended(.zero, isSettled: true)),
        ]
        let before = book.stateBytes
        for (place, row) in rows.enumerated() {
            #expect(throws: row.0, "row \(place)") { try book.apply(row.1, at: .at(10)) }
            #expect(book.stateBytes == before, "row \(place) changed something")
        }
        _ = try book.apply(.claiming(ChannelClaim(id: .zero, rows: [row])), at: .at(10))
        #expect(throws: ChannelRefusal.claimUnderWay) {
            try book.apply(
                .claiming(ChannelClaim(id: ChannelWorld.seed("x"), rows: [row])), at: .at(10))
        }
        #expect(throws: ChannelRefusal.claimUnderWay) {
            try book.apply(.claiming(ChannelClaim(id: .zero, rows: [row])), at: .at(10))
        }
        // A voucher may come while the last one is claimed, and what is claimed is the floor.
        _ = try book.apply(.accepted(try voucher(0, 101), spends: 41), at: .at(11))
        _ = try book.apply(.ended(.zero, isSettled: true), at: .at(12))
        let entry = try #require(book.entry(try id(0)))
        #expect(entry.spent == 101 && entry.available == 0 && entry.claim == nil)
        #expect(entry.sighting.claimed == 100 && entry.unclaimed(at: 12) == 1)
    }

    @Test func whatIsClaimedWhen() throws {
        var policy = VoucherPolicy()
        policy.minimumClaim = 50
        var book = try book(4, policy)
        _ = try book.apply(.accepted(try voucher(0, 100), spends: 0), at: .at(1_000))
        _ = try book.apply(.accepted(try voucher(1, 49), spends: 0), at: .at(1_000))
        _ = try book.apply(.accepted(try voucher(2, 1, expires: 10_000), spends: 0), at: .at(1_000))
        _ = try book.apply(.accepted(try voucher(3, 1), spends: 0), at: .at(1_000))
        #expect(book.due(at: 4_599).isEmpty)
        #expect(book.due(at: 4_600) == [try id(0)])
        #expect(Set(book.due(at: 1_000, everything: true)).count == 4)
        // A look does not start the hour anew, and neither does a later voucher.
        _ = try book.apply(.seen(try id(0), ChannelWorld.open(1_000, height: 9)), at: .at(4_000))
        _ = try book.apply(.accepted(try voucher(0, 101), spends: 0), at: .at(4_100))
        #expect(book.due(at: 4_600) == [try id(0)])
        // What expires in an hour is claimed, however little; then what is closing.
        #expect(book.due(at: 6_400) == [try id(2), try id(0)])
        _ = try book.apply(
            .seen(
                try id(3),
                ChannelSighting(
                    deposit: 1_000, claimed: 0, phase: .closing(deadline: 9_000), height: 3)),
            at: .at(4_500))
        #expect(book.due(at: 4_500) == [try id(3)])
        #expect(book.due(at: 6_400) == [try id(3), try id(2), try id(0)])
        // A refused claim waits ten minutes, unless it is urgent.
        let claim = ChannelClaim(
            id: ChannelWorld.seed("a"), rows: [.init(try voucher(0, 101), total: 101)])
        _ = try book.apply(.claiming(claim), at: .at(4_600))
        #expect(book.due(at: 4_600) == [try id(3)] && book.openClaims == [claim])
        #expect(
            try book.apply(.ended(claim.id, isSettled: false), at: .at(4_600))
                == [.refused(try id(0))])
        #expect(book.due(at: 5_199) == [try id(3)])
        #expect(book.due(at: 5_200) == [try id(3), try id(0)])
        // A closed channel is never claimed.
        _ = try book.apply(
            .seen(
                try id(3),
                ChannelSighting(deposit: 1_000, claimed: 0, phase: .closed, height: 4)),
            at: .at(5_200))
        #expect(book.due(at: 5_200, everything: true).contains(try id(3)) == false)
    }

    @Test func anExpiredVoucherFallsBackOnTheLastThatLasts() throws {
        var book = try book(1)
        _ = try book.apply(.accepted(try voucher(0, 100), spends: 100), at: .at(10))
        let short = try voucher(0, 200, expires: 5_000)
        _ = try book.apply(.accepted(short, spends: 50), at: .at(20))
        let entry = try #require(book.entry(try id(0)))
        #expect(entry.claimable(at: 4_999) == short && entry.unclaimed(at: 4_999) == 200)
        #expect(entry.claimable(at: 5_000)?.cumulative == 100)
        #expect(entry.unclaimed(at: 5_000) == 100)
        #expect(
            try book.apply(.tick, at: .at(1_400))
                == [.expiring(try id(0), at: 5_000, unclaimed: 200)])
        #expect(try book.apply(.tick, at: .at(1_401)).isEmpty)
        // Fifty were given for what nobody can claim any more.
        #expect(try book.apply(.tick, at: .at(5_000)) == [.lost(try id(0), 50)])
    }

    @Test func theWatchOfWithdrawals() throws {
        var book = try book(1)
        _ = try book.apply(.accepted(try voucher(0, 300), spends: 300), at: .at(10))
        let closing = ChannelSighting(
            deposit: 1_000, claimed: 100, phase: .closing(deadline: 10_000), height: 2)
        #expect(
            try book.apply(.seen(try id(0), closing), at: .at(100))
                == [.closing(try id(0), deadline: 10_000, unclaimed: 200)])
        #expect(try book.apply(.seen(try id(0), closing), at: .at(101)).isEmpty)
        #expect(try book.apply(.tick, at: .at(6_399)).isEmpty)
        #expect(
            try book.apply(.tick, at: .at(6_400))
                == [.deadlineNear(try id(0), deadline: 10_000, unclaimed: 200)])
        #expect(try book.apply(.tick, at: .at(6_401)).isEmpty)
        // An older look changes nothing; the payer's taking it back does.
        _ = try book.apply(
            .seen(try id(0), ChannelWorld.open(1_000, claimed: 300)), at: .at(6_402))
        #expect(book.entry(try id(0))?.sighting == closing)
        let taken = ChannelSighting(deposit: 150, claimed: 100, phase: .open, height: 3)
        #expect(
            try book.apply(.seen(try id(0), taken), at: .at(10_001)) == [.lost(try id(0), 150)])
        #expect(book.entry(try id(0))?.unclaimed(at: 10_001) == 50)
    }

    /// Random walks: what was spent was signed, what is due is unclaimed, a refused input changes
    /// nothing, and the log and the state give the same book.
    @Test(arguments: [1, 2, 3] as [UInt64]) func walks(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        func pick(_ limit: UInt64) -> UInt64 { random.next() % limit }
        let channels = try (0..<4).map { try ChannelWorld.payment($0) }
        let keys = try (0..<4).map { try SVMNode.key("payer \($0)") }
        var book = VoucherBook(policy: VoucherPolicy())
        var log: [(VoucherInput, Int64)] = []
        var accepted = 0
        for step in 0..<1_500 {
            let now = Int64(step * 40)
            let number = Int(pick(4))
            let channel = channels[number]
            let id = channel.address.value
            let entry = book.entry(id)
            let input: VoucherInput
            switch pick(10) {
            case 0: input = .opened(.payment(channel), ChannelWorld.open(UInt128(pick(9_000))))
            case 1:
                let claimed = entry?.sighting.claimed ?? 0
                let phases: [ChannelPhase] = [.open, .open, .closing(deadline: now + 900), .closed]
                input = .seen(
                    id,
                    ChannelSighting(
                        deposit: claimed + UInt128(pick(9_000)), claimed: claimed,
                        phase: phases[Int(pick(4))], height: UInt64(step)))
            case 2: input = .spent(id, UInt128(pick(300)))
            case 3:
                let due = book.due(at: now, everything: true).compactMap { book.entry($0) }
                let rows = due.compactMap { one in
                    one.claimable(at: now).map {
                        ChannelClaim.Row($0, total: min($0.cumulative, one.sighting.deposit))
                    }
                }
                for one in due { #expect(one.unclaimed(at: now) > 0 && one.claim == nil) }
                input = .claiming(
                    ChannelClaim(id: ChannelWorld.seed("\(seed) \(step)"), rows: rows))
            case 4:
                let id = book.openClaims.first?.id ?? .zero
                input = .ended(id, isSettled: pick(3) > 0)
            case 5: input = .tick
            default:
                let amount = (entry?.best?.cumulative ?? 0) + UInt128(pick(120))
                let end = pick(3) == 0 ? now + Int64(pick(20_000)) : 0
                input = .accepted(
                    try channel.voucher(amount, expiresAt: end, by: keys[number]),
                    spends: UInt128(pick(100)))
            }
            let before = book
            do throws(ChannelRefusal) {
                _ = try book.apply(input, at: .at(now))
                log.append((input, now))
                if case .accepted = input { accepted += 1 }
            } catch {
                #expect(book.stateBytes == before.stateBytes, "\(error) changed something")
            }
            let after = book.entry(id)
            if let old = before.entry(id), let new = after {
                #expect(new.spent >= old.spent)
                #expect((new.best?.cumulative ?? 0) >= (old.best?.cumulative ?? 0))
                #expect(new.spent <= new.best?.cumulative ?? 0)
            }
            #expect(try VoucherInput(canonicalBytes: input.canonicalBytes()) == input)
        }
        #expect(accepted > 40)
        let again = try VoucherBook(policy: VoucherPolicy(), stateBytes: book.stateBytes)
        #expect(again.stateBytes == book.stateBytes)
        var replayed = VoucherBook(policy: VoucherPolicy())
        for (input, now) in log { _ = try replayed.apply(input, at: .at(now)) }
        #expect(replayed.stateBytes == book.stateBytes)
    }

    /// Service may be given when `take` returns: by then the voucher is written down.
    @Test func aVoucherIsDurableBeforeItIsTaken() async throws {
        let desk = ChannelDesk()
        let channel = try ChannelWorld.payment(0)
        let good = try voucher(0, 10)
        try await running(try desk.store()) {}
        let store = try desk.store()
        try await running(store) {
            try await store.take(.opened(.payment(channel), ChannelWorld.open(1_000)))
            try await store.take(.accepted(good, spends: 4))
        }
        let again = try desk.store()
        #expect(again.look { $0.entry(channel.address.value)?.best } == good)
        #expect(again.look { $0.entry(channel.address.value)?.spent } == 4)
        // A full disk: the voucher is not taken, so no service is given for it.
        desk.fail(at: desk.records.count)
        let refused = try desk.store()
        let more = try voucher(0, 20)
        try await running(refused) {
            do {
                try await refused.take(.accepted(more, spends: 10))
                Issue.record("a voucher was taken that is not written down")
            } catch {
                guard case VoucherStoreError.notDurable = error else { throw error }
            }
        }
        let last = try desk.store()
        #expect(last.look { $0.entry(channel.address.value)?.best } == good)
    }
}
