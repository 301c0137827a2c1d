import Chains
import Cryptography
import Foundation
import Primitives
import Testing

/// Channels byte for byte as eth-account, eth-abi and solders make them
/// (`Tests/Harness/make_channel_vectors.py`).
@Suite struct ChannelVectorTests {
    private struct Vectors: Decodable {
        let batch: [Batch]
        let three: Three
        let payment: [Payment]
        let packed: [Packed]
    }

    private struct Batch: Decodable {
        let chainID: UInt64
        let contract, signerKey, payerKey, channelId, amount, voucherDigest, signature: String
        let refundDigest, claimDigest, depositSalt, depositDigest, authorization: String
        let collectorData: String
        let config: BatchConfigVector
        let calls: [String]
    }

    private struct Three: Decodable {
        let authorizerKey, digest, call: String
    }

    private struct Payment: Decodable {
        struct Split: Decodable {
            let recipient: String
            let shareBps: UInt16
        }
        struct Call: Decodable {
            struct Account: Decodable {
                let address: String
                let isSigner, isWritable: Bool
            }
            let program, data: String
            let accounts: [Account]
        }
        let payer, payee, mint, authorizedSigner, rentPayer, token, salt, openSlot: String
        let grace: UInt32
        let splits: [Split]
        let signerSeed, address, amount, payload, hash, signature: String
        let expires: Int64
        let instructions: [Call]
    }

    private struct Packed: Decodable {
        let count, bytes: Int
        let message: String
    }

    private static let vectors = Result {
        try JSONDecoder().decode(
            Vectors.self,
            from: Data(
                contentsOf: Project.root.appendingPathComponent(
                    "Tests/ChainsTests/Vectors/channels.json")))
    }

    private func channel(_ row: Batch) throws -> BatchChannel {
        try BatchChannel(
            row.config.config(), chainID: row.chainID, contract: address(row.contract))
    }

    @Test func idsDigestsAndSignaturesOfBatchChannels() throws {
        for row in try Self.vectors.get().batch {
            let channel = try channel(row)
            let amount = try #require(UInt128(row.amount))
            let key = try #require(Secp256k1.PrivateKey(try hex(row.signerKey)))
            #expect(channel.id.hex == row.channelId)
            #expect(channel.voucherDigest(amount).hex == row.voucherDigest)
            let voucher = try channel.voucher(amount, by: key)
            #expect(Hex.encode(voucher.signature) == row.signature)
            try channel.check(voucher)
        }
    }

    @Test func callsOfBatchChannels() throws {
        let authorizer = try ChannelWorld.key("authorizer")
        for (number, row) in try Self.vectors.get().batch.enumerated() {
            let channel = try channel(row)
            let amount = try #require(UInt128(row.amount))
            let key = try #require(Secp256k1.PrivateKey(try hex(row.signerKey)))
            let payer = try #require(Secp256k1.PrivateKey(try hex(row.payerKey)))
            let refund = channel.refundDigest(nonce: UInt128(number), amount: amount)
            #expect(refund.hex == row.refundDigest)
            let salt = try digest(row.depositSalt)
            let deposit = channel.depositDigest(
                amount, validAfter: 0, validBefore: 1_900_000_000, salt: salt,
                collector: BatchChannel.standardCollector, tokenName: "USD Coin",
                tokenVersion: "2")
            #expect(deposit.hex == row.depositDigest)
            let signature = payer.sign(deposit)
            #expect(Hex.encode(signature.bytes) == row.authorization)
            let data = BatchCall.collectorData(
                validAfter: 0, validBefore: 1_900_000_000, salt: salt, signature: signature)
            #expect(Hex.encode(data) == row.collectorData)
            let claim = try BatchClaim([
                BatchClaim.Row(
                    channel, try channel.voucher(amount, by: key), total: amount / 2)
            ])
            #expect(claim.digest.hex == row.claimDigest)
            let calls = [
                BatchCall.deposit(
                    amount, into: channel, collector: BatchChannel.standardCollector,
                    collectorData: data),
                try claim.callData(), try claim.callData(authorizer: authorizer),
                BatchCall.settle(
                    receiver: channel.config.receiver, token: channel.config.token),
                BatchCall.initiateWithdraw(channel, amount: amount),
                BatchCall.finalizeWithdraw(channel), BatchCall.refund(channel, amount: amount),
            ]
            #expect(calls.map { Hex.encode($0) } == row.calls, "row \(number)")
        }
    }

    @Test func aClaimOfThreeSignedByTheAuthorizer() throws {
        let three = try Self.vectors.get().three
        let rows = try (0..<3).map { number in
            let channel = try ChannelWorld.batch(number)
            let amount = UInt128(1_000 + number)
            let voucher = try channel.voucher(amount, by: ChannelWorld.key("payer \(number)"))
            return BatchClaim.Row(channel, voucher, total: amount)
        }
        // In whatever order they come.
        let claim = try BatchClaim(rows.reversed())
        #expect(claim.digest.hex == three.digest)
        let data = try claim.callData(authorizer: ChannelWorld.key("authorizer"))
        #expect(Hex.encode(data) == three.call)
    }

    private func channel(_ row: Payment) throws -> PaymentChannel {
        func at(_ text: String) throws -> SolanaAddress { try #require(SolanaAddress(text)) }
        return try PaymentChannel(
            PaymentChannel.Terms(
                payer: try at(row.payer), payee: try at(row.payee), mint: try at(row.mint),
                authorizedSigner: try at(row.authorizedSigner),
                salt: try #require(UInt64(row.salt)), openSlot: try #require(UInt64(row.openSlot)),
                gracePeriod: row.grace,
                splits: try row.splits.map { .init(try at($0.recipient), shareBps: $0.shareBps) },
                rentPayer: try at(row.rentPayer)), token: try at(row.token))
    }

    @Test func addressesPayloadsAndInstructionsOfPaymentChannels() throws {
        for (number, row) in try Self.vectors.get().payment.enumerated() {
            let channel = try channel(row)
            #expect(channel.address.description == row.address)
            #expect(channel.distributionHash.hex == row.hash)
            let amount = try #require(UInt128(row.amount))
            let key = try #require(Ed25519.PrivateKey(seed: try hex(row.signerSeed)))
            let voucher = try channel.voucher(amount, expiresAt: row.expires, by: key)
            let payload = try #require(channel.payload(amount, expiresAt: row.expires))
            #expect(payload.count == 50)
            #expect(Hex.encode(payload) == row.payload)
            #expect(Hex.encode(voucher.signature) == row.signature)
            let signature = try #require(Signature(voucher.signature))
            #expect(try channel.voucher(payload: payload, signature: signature) == voucher)
            try channel.check(voucher)
            let sum = try #require(UInt64(exactly: amount))
            let settle = try #require(channel.settle(voucher))
            let made =
                [channel.open(deposit: sum)] + settle
                + [
                    channel.topUp(sum), try #require(channel.settleAndSeal(voucher)?.last),
                    try #require(channel.settleAndSeal(nil)?.last), channel.requestClose(),
                    channel.seal(), channel.distribute(), channel.withdrawPayer(),
                    channel.reclaim(),
                ]
            let wanted = try row.instructions.map { one in
                SolanaInstruction(
                    program: try #require(SolanaAddress(one.program)),
                    accounts: try one.accounts.map {
                        .init(
                            try #require(SolanaAddress($0.address)), isSigner: $0.isSigner,
                            isWritable: $0.isWritable)
                    }, data: try hex(one.data))
            }
            #expect(made == wanted, "row \(number)")
        }
    }

    @Test func aTransactionOfFiveSettlesAndNoneOfSix() throws {
        let all = try (0..<6).map { number in
            let channel = try channel(Self.vectors.get().payment[0], number: 2 * number)
            let key = try SVMNode.key("payer \(2 * number)")
            return SettlePlan.Settle(channel, try channel.voucher(1_000, by: key))
        }
        for packed in try Self.vectors.get().packed {
            let some = Array(all.prefix(packed.count))
            var plan = SettlePlan(payer: try SVMNode.owner("payer of fees"))
            plan.tables = [
                SolanaLookupTable(
                    SolanaAddress(ChannelWorld.seed("table")),
                    [.instructions] + some.map(\.channel.address))
            ]
            let message = try plan.message(of: some, blockhash: ChannelWorld.seed("blockhash"))
            #expect(message.transactionBytes == packed.bytes)
            #expect(packed.bytes == 275 + 173 * packed.count)
            #expect(Hex.encode(message.bytes) == packed.message)
        }
        var plan = SettlePlan(payer: try SVMNode.owner("payer of fees"))
        plan.tables = [
            SolanaLookupTable(
                SolanaAddress(ChannelWorld.seed("table")),
                [.instructions] + all.map(\.channel.address))
        ]
        let refusal = SettlePlanError.tooMany(6, bytes: 1_313, fit: 5)
        #expect(throws: refusal) {
            try plan.message(of: all, blockhash: ChannelWorld.seed("blockhash"))
        }
        #expect(
            "\(refusal)"
                == "6 settles make a transaction of 1313 bytes, and a packet takes 1232: 5 fit")
        let split = try plan.messages(of: all, blockhash: ChannelWorld.seed("blockhash"))
        #expect(split.map(\.settles.count) == [5, 1])
        #expect(split.flatMap(\.settles) == all)
        plan.tables = []
        let without = try plan.messages(of: all, blockhash: ChannelWorld.seed("blockhash"))
        #expect(without.map(\.settles.count) == [4, 2])
        #expect(throws: SettlePlanError.tooMany(5, bytes: 1_292, fit: 4)) {
            try plan.message(of: Array(all.prefix(5)), blockhash: .zero)
        }
        #expect(throws: SettlePlanError.noSettle) { try plan.message(of: [], blockhash: .zero) }
        #expect(throws: SettlePlanError.noSettle) {
            try plan.message(
                of: [SettlePlan.Settle(all[0].channel, all[1].voucher)], blockhash: .zero)
        }
    }

    /// The channel without splits of `payer <number>`, as the packed vectors have it.
    private func channel(_ row: Payment, number: Int) throws -> PaymentChannel {
        let mint = SolanaAddress(ChannelWorld.seed("mint \(number)"))
        let rentPayer = number % 3 == 0 ? "operator" : "payer \(number)"
        return try PaymentChannel(
            PaymentChannel.Terms(
                payer: try SVMNode.owner("payer \(number)"), payee: try SVMNode.owner("payee"),
                mint: mint, salt: UInt64(number) << 60, openSlot: 435_888_000 + UInt64(number),
                gracePeriod: 900 + UInt32(number),
                rentPayer: try SVMNode.owner(rentPayer)))
    }
}

/// A channel's terms as files of vectors have them.
struct BatchConfigVector: Decodable {
    private let payer, payerAuthorizer, receiver, receiverAuthorizer, token, salt: String
    private let withdrawDelay: UInt64

    func config() throws -> BatchChannel.Config {
        BatchChannel.Config(
            payer: try address(payer), payerAuthorizer: try address(payerAuthorizer),
            receiver: try address(receiver), receiverAuthorizer: try address(receiverAuthorizer),
            token: try address(token), withdrawDelay: withdrawDelay, salt: try digest(salt))
    }
}
