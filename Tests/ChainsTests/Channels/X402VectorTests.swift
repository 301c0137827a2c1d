import Chains
import Cryptography
import Foundation
import Primitives
import Testing

/// Batch channels byte for byte as the `x402` package of the protocol's authors makes them
/// (`Tests/Harness/make_x402_vectors.py`), which has never seen our sources.
@Suite struct X402VectorTests {
    private struct Vectors: Decodable {
        let rows: [Row]
    }

    private struct Row: Decodable {
        let chainID: UInt64
        let config: BatchConfigVector
        let signerKey, authorizerKey, channelId, amount, voucher, claimBatch, refund: String
        let refundNonce: UInt64
        let depositSalt, depositNonce, collectorData, depositCall, claimCall, settleCall: String

        func channel() throws -> BatchChannel {
            try BatchChannel(config.config(), chainID: chainID)
        }

        func units() throws -> UInt128 { try #require(UInt128(amount)) }

        func key(_ text: String) throws -> Secp256k1.PrivateKey {
            try #require(Secp256k1.PrivateKey(hex(text)))
        }
    }

    private static let vectors = Result {
        try JSONDecoder().decode(
            Vectors.self,
            from: Data(
                contentsOf: Project.root.appendingPathComponent(
                    "Tests/ChainsTests/Vectors/x402.json")))
    }

    private func rows() throws -> [Row] {
        let rows = try Self.vectors.get().rows
        #expect(rows.count == 3)
        return rows
    }

    @Test func itsVouchersAreOursAndOursIts() throws {
        for row in try rows() {
            let channel = try row.channel()
            #expect(channel.id.hex == row.channelId)
            let made = try channel.voucher(row.units(), by: row.key(row.signerKey))
            #expect(Hex.encode(made.signature) == row.voucher)
            try channel.check(
                Voucher(
                    channel: channel.id, cumulative: row.units(), signature: hex(row.voucher)))
            // Of a unit less it is no signature.
            let less = try row.units() - 1
            #expect(throws: ChannelRefusal.wrongSigner) {
                try channel.check(
                    Voucher(channel: channel.id, cumulative: less, signature: hex(row.voucher)))
            }
        }
    }

    @Test func whatItsReceiversAuthorizerSigns() throws {
        for row in try rows() {
            let channel = try row.channel()
            let authorizer = try row.key(row.authorizerKey)
            let refund = try channel.refundDigest(
                nonce: UInt128(row.refundNonce), amount: row.units())
            #expect(Hex.encode(authorizer.sign(refund).bytes) == row.refund)
            let claim = try claim(row, channel)
            #expect(Hex.encode(authorizer.sign(claim.digest).bytes) == row.claimBatch)
        }
    }

    @Test func itsCallsAreOurs() throws {
        for row in try rows() {
            let channel = try row.channel()
            let salt = try digest(row.depositSalt)
            #expect(Keccak256.hash(channel.id, salt).hex == row.depositNonce)
            let signature = try #require(RecoverableSignature(hex(row.voucher)))
            let data = BatchCall.collectorData(
                validAfter: 7, validBefore: 1_900_000_000, salt: salt, signature: signature)
            #expect(Hex.encode(data) == row.collectorData)
            let deposit = try BatchCall.deposit(
                row.units(), into: channel, collector: BatchChannel.standardCollector,
                collectorData: data)
            #expect(Hex.encode(deposit) == row.depositCall)
            let claimed = try claim(row, channel).callData(authorizer: row.key(row.authorizerKey))
            #expect(Hex.encode(claimed) == row.claimCall)
            let settled = BatchCall.settle(
                receiver: channel.config.receiver, token: channel.config.token)
            #expect(Hex.encode(settled) == row.settleCall)
        }
    }

    private func claim(_ row: Row, _ channel: BatchChannel) throws -> BatchClaim {
        let voucher = try channel.voucher(row.units(), by: row.key(row.signerKey))
        return try BatchClaim([.init(channel, voucher, total: row.units() / 2)])
    }
}
