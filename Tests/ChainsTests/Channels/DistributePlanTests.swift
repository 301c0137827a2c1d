import Chains
import Cryptography
import Foundation
import Primitives
import Testing

/// Whom a channel's payout guards, and what it then fits.
struct DistributePlanTests {
    private let sender = SolanaAddress(SHA256.hash(Array("sender".utf8)))

    private func channel(_ shares: [UInt16]) throws -> PaymentChannel {
        let splits = try shares.enumerated().map { number, share in
            PaymentChannel.Split(try SVMNode.owner("split \(number)"), shareBps: share)
        }
        return try PaymentChannel(
            PaymentChannel.Terms(
                payer: try SVMNode.owner("payer"), payee: try SVMNode.owner("payee"),
                mint: SolanaAddress(ChannelWorld.seed("mint")), salt: 7, openSlot: 435_888_000,
                gracePeriod: 900, splits: splits, rentPayer: try SVMNode.owner("rent")))
    }

    private func state(
        _ channel: PaymentChannel, _ status: PaymentChannelStatus, deposit: UInt64 = 1_000,
        settled: UInt64 = 400, isWithdrawn: Bool = false
    ) throws -> PaymentChannelState {
        let terms = channel.terms
        var data = ByteWriter()
        data.writeRaw([1, 1, 255, status.rawValue])
        for number in [terms.salt, deposit, settled, 0, 0, isWithdrawn ? 9 : 0] {
            data.write(number)
        }
        data.write(terms.gracePeriod)
        data.write(channel.distributionHash)
        for party in [
            terms.payer, terms.payee, terms.authorizedSigner, terms.mint, terms.rentPayer,
        ] { data.write(party.value) }
        data.write(terms.openSlot)
        let account = SolanaAccount(owner: channel.program, lamports: 1, data: data.bytes)
        return try #require(PaymentChannelState(account, of: channel))
    }

    /// The owners that a plan guards, or the hold in its place; all accounts are ready but those
    /// that are told.
    private func outcome(
        _ channel: PaymentChannel, _ state: PaymentChannelState, isSealing: Bool = false,
        _ told: [SolanaAddress: TokenRecipient] = [:], makesMissing: Bool = true
    ) -> Result<DistributePlan, DistributeHold> {
        let terms = channel.terms
        var accounts: [SolanaAddress: TokenRecipient] = [
            terms.payee: .ready, terms.payer: .ready, sender: .ready,
            PaymentChannel.standardTreasury: .ready,
        ]
        for split in terms.splits { accounts[split.recipient] = .ready }
        accounts.merge(told) { $1 }
        do throws(DistributeHold) {
            return .success(
                try DistributePlan(
                    channel, state, isSealing: isSealing,
                    treasury: PaymentChannel.standardTreasury, sender: sender,
                    DistributeSight(accounts: accounts, decimals: 6), makesMissing: makesMissing))
        } catch { return .failure(error) }
    }

    private func guarded(_ outcome: Result<DistributePlan, DistributeHold>) throws
        -> [SolanaAddress]
    {
        try outcome.get().guarded
    }

    private func hold(_ outcome: Result<DistributePlan, DistributeHold>) -> DistributeHold? {
        guard case .failure(let hold) = outcome else { return nil }
        return hold
    }

    @Test func whoHasAShareIsGuarded() throws {
        let channel = try channel([2_500])
        let (payer, payee) = (channel.terms.payer, channel.terms.payee)
        let split = channel.terms.splits[0].recipient
        let open = try state(channel, .open)
        // A payer of an open channel is not paid: a sound account is guarded in case somebody
        // seals it in between, and another holds nobody up.
        #expect(try guarded(outcome(channel, open)) == [sender, split, payee, payer])
        for bad in [TokenRecipient.missing, .quarantined(.frozen)] {
            #expect(try guarded(outcome(channel, open, [payer: bad])) == [sender, split, payee])
        }
        let frozen: [SolanaAddress: TokenRecipient] = [payer: .quarantined(.frozen)]
        for (state, isSealing) in [(try state(channel, .sealed), false), (open, true)] {
            let found = hold(outcome(channel, state, isSealing: isSealing, frozen))
            #expect(found == DistributeHold(channel, owner: payer, .unfit(.frozen)))
            #expect(try guarded(outcome(channel, state, isSealing: isSealing)).contains(payer))
        }
        // Nothing is left for it, or it has it.
        for state in [
            try state(channel, .sealed, settled: 1_000),
            try state(channel, .sealed, isWithdrawn: true),
        ] { #expect(try guarded(outcome(channel, state, frozen)) == [sender, split, payee]) }
        // The splits take everything.
        let whole = try self.channel([6_000, 4_000])
        let paid = outcome(whole, try state(whole, .open), [payee: .quarantined(.frozen)])
        #expect(try !guarded(paid).contains(payee))
    }

    @Test func whatHoldsAChannelUp() throws {
        let channel = try channel([2_500])
        let open = try state(channel, .open)
        let split = channel.terms.splits[0].recipient
        let treasury = PaymentChannel.standardTreasury
        let reasons: [TokenRecipient.Reason] = [
            .frozen, .foreignOwner, .notATokenAccount, .uninitialised,
        ]
        for owner in [split, channel.terms.payee, sender, treasury] {
            for reason in reasons {
                let found = try #require(
                    hold(outcome(channel, open, [owner: .quarantined(reason)])))
                #expect(found == DistributeHold(channel, owner: owner, .unfit(reason)))
                #expect("\(found)".contains("\(owner) cannot be paid (\(reason.rawValue))"))
                #expect("\(found)".contains("nothing was sent"))
            }
            let waiting = hold(outcome(channel, open, [owner: .missing], makesMissing: false))
            #expect(
                waiting == (owner == sender ? nil : DistributeHold(channel, owner: owner, .missing))
            )
            let made = try outcome(channel, open, [owner: .missing]).get()
            #expect(made.makesTreasury == (owner == treasury))
        }
    }

    @Test func aFailedInstructionNamesWhoseAccountItWas() throws {
        let channel = try channel([2_500])
        for makesTreasury in [false, true] {
            var plan = DistributePlan(
                channel, treasury: PaymentChannel.standardTreasury, sender: sender, decimals: 6,
                guarding: [channel.terms.payee, sender, channel.terms.payee],
                makesTreasury: makesTreasury)
            #expect(plan.guarded == [sender, channel.terms.payee])
            plan.first = [channel.seal()]
            let all = plan.instructions
            for (place, instruction) in all.enumerated() {
                let isGuard = instruction.program == .token || instruction.data == [1]
                let owner = plan.guarded.last {
                    instruction.accounts.contains(
                        .init(channel.tokenAccount(of: $0), isWritable: true))
                }
                for words in [
                    "instruction \(place): code 17",
                    "Error processing Instruction \(place): custom program error: 0x11",
                ] {
                    let expected = isGuard && !(makesTreasury && place == 2) ? owner : nil
                    #expect(plan.culprit(in: words) == expected, "\(place)")
                }
            }
            #expect(all.count == (makesTreasury ? 8 : 7) && plan.culprit(in: "no number") == nil)
            let said = "\(plan.hold(after: "instruction \(all.count - 2): code 17"))"
            #expect(said.contains("\(channel.terms.payee) could not be paid any more"))
            #expect(plan.hold(after: "x").owner == nil && plan.hold(after: "x").isUndone)
        }
    }

    @Test func threeSplitsFitAndTwelveOverATable() throws {
        for (count, bytes) in [(0, 756), (3, 1_134), (4, 1_261), (12, nil), (13, nil), (32, nil)] {
            let channel = try channel(Array(repeating: 300, count: count))
            let plan = DistributePlan(
                channel, treasury: PaymentChannel.standardTreasury, sender: sender, decimals: 6,
                guarding: channel.terms.splits.map(\.recipient)
                    + [channel.terms.payee, channel.terms.payer])
            #expect(plan.fits() == (count <= 3) && plan.fitsOverTable == (count <= 12), "\(count)")
            // Whatever fits, nobody goes without a guard.
            #expect(plan.instructions.count == 2 + 2 * (count + 3))
            guard let bytes else { continue }
            do throws(SolanaError) {
                #expect(try plan.message(blockhash: .zero).transactionBytes == bytes)
            } catch {
                #expect(error == .tooLarge(bytes))
                let said = "\(plan.hold(error))"
                #expect(said.contains("\(bytes) bytes") && said.contains("channels table make"))
            }
        }
        let most = DistributePlan(
            guardingAllOf: try channel([UInt16](repeating: 1, count: 12)), sender: sender)
        #expect(most.fitsOverTable)
    }
}
