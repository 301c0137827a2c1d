import Chains
import Cryptography
import Foundation
import Primitives
import Testing

/// Every refusal of docs/reference/channels.md, by what brings it about.
@Suite struct ChannelRefusalTests {
    /// The order n of secp256k1; n - s is the twin of a signature's s.
    private static let order: [UInt8] = Array(
        Hex.decode("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141") ?? [])
    /// The order of Ed25519's group, little endian.
    private static let edOrder: [UInt8] = Array(
        Hex.decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010") ?? [])

    /// a - b of big-endian numbers of equal length.
    private func minus(_ a: [UInt8], _ b: [UInt8]) -> [UInt8] {
        var result = a
        var borrow = 0
        for place in a.indices.reversed() {
            let difference = Int(a[place]) - Int(b[place]) - borrow
            result[place] = UInt8(truncatingIfNeeded: difference)
            borrow = difference < 0 ? 1 : 0
        }
        return result
    }

    /// a + b of little-endian numbers.
    private func plus(_ a: [UInt8], _ b: [UInt8]) -> [UInt8] {
        var carry = 0
        return zip(a, b).map { left, right in
            let sum = Int(left) + Int(right) + carry
            carry = sum >> 8
            return UInt8(truncatingIfNeeded: sum)
        }
    }

    private func changed(_ voucher: Voucher, signature: [UInt8]) -> Voucher {
        Voucher(
            channel: voucher.channel, cumulative: voucher.cumulative,
            expiresAt: voucher.expiresAt, signature: signature)
    }

    @Test func malleableAndForeignSignaturesOfBatchVouchers() throws {
        let channel = try ChannelWorld.batch(1)
        let good = try channel.voucher(1_000, by: ChannelWorld.key("payer 1"))
        try channel.check(good)
        let signature = good.signature
        // The twin: n - s and the other parity recovers the same signer where high s is taken.
        let twin =
            signature[..<32] + minus(Self.order, Array(signature[32..<64]))
            + [signature[64] == 27 ? 28 : 27]
        let otherChain = try ChannelWorld.batch(1, chainID: 1)
        let otherContract = try ChannelWorld.batch(1, contract: try address(7))
        let key = try ChannelWorld.key("payer 1")
        func signed(_ other: BatchChannel) throws -> Voucher {
            changed(good, signature: try other.voucher(1_000, by: key).signature)
        }
        let rows: [(ChannelRefusal, Voucher)] = [
            (.highS, changed(good, signature: Array(twin))),
            // v of 0 and 1, which libraries read as 27 and 28.
            (.notCanonical, changed(good, signature: signature[..<64] + [signature[64] - 27])),
            (.notCanonical, changed(good, signature: signature[..<64] + [29])),
            (.malformed, changed(good, signature: Array(signature[..<64]))),
            (.malformed, changed(good, signature: signature + [0])),
            (.badSignature, changed(good, signature: [UInt8](repeating: 0, count: 64) + [27])),
            (.wrongSigner, try signed(otherChain)), (.wrongSigner, try signed(otherContract)),
            (.wrongChannel, try ChannelWorld.batch(2).voucher(1, by: ChannelWorld.key("payer 2"))),
            (
                .wrongSigner,
                Voucher(channel: good.channel, cumulative: 1_001, signature: signature)
            ),
            (
                .malformed,
                Voucher(
                    channel: good.channel, cumulative: 1_000, expiresAt: 1, signature: signature)
            ),
        ]
        for (place, row) in rows.enumerated() {
            #expect(throws: row.0, "row \(place)") { try channel.check(row.1) }
        }
        #expect(throws: ChannelRefusal.wrongSigner) {
            try channel.voucher(1, by: ChannelWorld.key("payer 2"))
        }
    }

    @Test func malleableAndForeignSignaturesOfPaymentVouchers() throws {
        let channel = try ChannelWorld.payment(1)
        let key = try SVMNode.key("payer 1")
        let good = try channel.voucher(1_000, by: key)
        try channel.check(good)
        let signature = good.signature
        let twin = signature[..<32] + plus(Array(signature[32...]), Self.edOrder)
        let other = try ChannelWorld.payment(2)
        let rows: [(ChannelRefusal, Voucher)] = [
            (.highS, changed(good, signature: Array(twin))),
            (.malformed, changed(good, signature: Array(signature.dropLast()))),
            (.badSignature, changed(good, signature: [UInt8](repeating: 0, count: 64))),
            (.wrongChannel, try other.voucher(1, by: SVMNode.key("payer 2"))),
            (
                .badSignature,
                Voucher(channel: good.channel, cumulative: 1_001, signature: signature)
            ),
            (
                .badSignature,
                Voucher(
                    channel: good.channel, cumulative: 1_000, expiresAt: 5, signature: signature)
            ),
            (
                .malformed,
                Voucher(channel: good.channel, cumulative: 1 << 64, signature: signature)
            ),
        ]
        for (place, row) in rows.enumerated() {
            #expect(throws: row.0, "row \(place)") { try channel.check(row.1) }
        }
        #expect(throws: ChannelRefusal.wrongSigner) {
            try channel.voucher(1, by: SVMNode.key("payer 2"))
        }
        #expect(throws: ChannelRefusal.overDeposit) { try channel.voucher(1 << 64, by: key) }
    }

    @Test func payloadsOfAnotherKind() throws {
        let channel = try ChannelWorld.payment(1)
        let key = try SVMNode.key("payer 1")
        let payload = try #require(channel.payload(1_000))
        let signature = try #require(Signature(try channel.voucher(1_000, by: key).signature))
        var other = payload
        other[1] = 2
        var strange = payload
        strange[0] = 0
        var foreign = payload
        foreign[5] ^= 1
        let rows: [(ChannelRefusal, [UInt8])] = [
            (.wrongDomain, other), (.wrongDomain, strange), (.wrongChannel, foreign),
            (.malformed, payload + [0]), (.malformed, Array(payload.dropLast())),
        ]
        for (refusal, bytes) in rows {
            #expect(throws: refusal) {
                try channel.voucher(payload: bytes, signature: signature)
            }
        }
    }

    @Test func termsThatNobodyWouldOpen() throws {
        let good = try ChannelWorld.batch(1).config
        let changes: [(inout BatchChannel.Config) -> Void] = [
            { $0.payer = .zero }, { $0.receiver = .zero }, { $0.receiverAuthorizer = .zero },
            { $0.token = .zero }, { $0.withdrawDelay = 899 }, { $0.withdrawDelay = 2_592_001 },
        ]
        for change in changes {
            var config = good
            change(&config)
            #expect(throws: ChannelRefusal.invalidTerms) { try BatchChannel(config, chainID: 1) }
        }
        let terms = try ChannelWorld.payment(1).terms
        let (a, b) = (try SVMNode.owner("a"), try SVMNode.owner("b"))
        let hash = (0..<100).map { SolanaAddress(ChannelWorld.seed("point \($0)")) }
            .first { !Ed25519.isPoint($0.value) }
        let noPoint = try #require(hash)
        let many = (0..<33).map {
            PaymentChannel.Split(SolanaAddress(ChannelWorld.seed("split \($0)")), shareBps: 1)
        }
        let others: [(inout PaymentChannel.Terms) -> Void] = [
            { $0.payee = $0.payer }, { $0.gracePeriod = 0 }, { $0.authorizedSigner = noPoint },
            { $0.splits = [.init(a, shareBps: 0)] }, { $0.splits = many },
            { $0.splits = [.init(a, shareBps: 1), .init(a, shareBps: 1)] },
            { $0.splits = [.init(a, shareBps: 10_000), .init(b, shareBps: 1)] },
        ]
        for (place, change) in others.enumerated() {
            var changed = terms
            change(&changed)
            #expect(throws: ChannelRefusal.invalidTerms, "change \(place)") {
                try PaymentChannel(changed)
            }
        }
        #expect(throws: ChannelRefusal.invalidTerms) { try PaymentChannel(terms, token: .memo) }
    }

    @Test func claimsOfABatch() throws {
        func row(_ number: Int, chainID: UInt64 = 31_337) throws -> BatchClaim.Row {
            let channel = try ChannelWorld.batch(number, chainID: chainID)
            let voucher = try channel.voucher(10, by: ChannelWorld.key("payer \(number)"))
            return BatchClaim.Row(channel, voucher, total: 10)
        }
        let one = try row(1)
        let two = try row(2)
        let foreign = BatchClaim.Row(one.channel, two.voucher, total: 10)
        let over = BatchClaim.Row(one.channel, one.voucher, total: 11)
        let rows: [(ChannelRefusal, [BatchClaim.Row])] = [
            (.claimSize, []), (.claimSize, Array(repeating: one, count: 101)),
            (.wrongDomain, [one, try row(2, chainID: 1)]), (.malformed, [one, one]),
            (.wrongChannel, [foreign]), (.overspent, [over]),
        ]
        for (place, row) in rows.enumerated() {
            #expect(throws: row.0, "row \(place)") { try BatchClaim(row.1) }
        }
        #expect(throws: ChannelRefusal.wrongSigner) {
            try BatchClaim([one]).callData(authorizer: ChannelWorld.key("receiver"))
        }
        let all = try (0..<150).map { try row($0) }
        let packed = try BatchClaim.packed(all)
        #expect(packed.map(\.rows.count) == [100, 50])
        #expect(packed.allSatisfy { $0.sweeps.count == 1 })
        #expect(packed[0].halves?.map(\.rows.count) == [50, 50])
        #expect(try BatchClaim([one]).halves == nil)
        #expect(packed[0].id() != packed[0].id(attempt: 1) && packed[0].id() != packed[1].id())
    }

    @Test func documentsHaveOneForm() throws {
        let batch = try ChannelWorld.batch(1)
        let payment = try ChannelWorld.payment(1)
        for terms in [ChannelTerms.batch(batch), .payment(payment)] {
            let text = String(
                decoding: try JSONEncoder().encode(ChannelDocument.json(terms)), as: UTF8.self)
            #expect(try ChannelDocument.terms(Array(text.utf8)) == terms)
            try expectTermsRefused(text, terms)
        }
        let voucher = try batch.voucher(1_000, by: ChannelWorld.key("payer 1"))
        let signature = Hex.encode(voucher.signature)
        let id = batch.id.hex
        func form(_ amount: String, _ channel: String, _ signature: String, _ more: String = "")
            -> String
        {
            """
            {"channelId":"\(channel)","maxClaimableAmount":\(amount),"signature":"\(signature)"\(more)}
            """
        }
        let good = form("\"1000\"", "0x" + id, "0x" + signature)
        let terms = ChannelTerms.batch(batch)
        #expect(try ChannelDocument.voucher(Array(good.utf8), of: terms) == voucher)
        let rows: [(ChannelRefusal, String)] = [
            (.malformed, ""), (.malformed, "[]"), (.malformed, "{}"),
            (.malformed, form("1000", "0x" + id, "0x" + signature)),
            (.malformed, form("\"1000\"", "0x" + id, "0x" + signature, ",\"nonce\":\"1\"")),
            (.malformed, form("\"-1\"", "0x" + id, "0x" + signature)),
            (.malformed, form("\"1000\"", "0x" + id.dropLast(2), "0x" + signature)),
            (.notCanonical, form("\"01000\"", "0x" + id, "0x" + signature)),
            (.notCanonical, form("\"+1000\"", "0x" + id, "0x" + signature)),
            (.notCanonical, form("\"1000\"", id, "0x" + signature)),
            (.notCanonical, form("\"1000\"", "0x" + id, "0X" + signature.uppercased())),
            (.wrongDomain, "{\"voucher\":{}}"),
        ]
        for (place, row) in rows.enumerated() {
            #expect(throws: row.0, "row \(place): \(row.1)") {
                try ChannelDocument.voucher(Array(row.1.utf8), of: terms)
            }
        }
    }

    private func expectTermsRefused(_ text: String, _ terms: ChannelTerms) throws {
        let other: String
        switch terms {
        case .batch:
            other = text.replacingOccurrences(of: "eip155:31337", with: "eip155:31338")
            let strange = text.replacingOccurrences(of: "eip155:31337", with: "solana:31337")
            #expect(throws: ChannelRefusal.wrongDomain) {
                try ChannelDocument.terms(Array(strange.utf8))
            }
        case .payment:
            other = text.replacingOccurrences(of: "\"salt\":\"1\"", with: "\"salt\":\"2\"")
        }
        #expect(other != text)
        #expect(throws: ChannelRefusal.wrongChannel) {
            try ChannelDocument.terms(Array(other.utf8))
        }
        let scheme = text.replacingOccurrences(of: "\"scheme\":\"", with: "\"scheme\":\"x")
        #expect(throws: ChannelRefusal.wrongDomain) {
            try ChannelDocument.terms(Array(scheme.utf8))
        }
        let more = text.dropLast() + ",\"more\":1}"
        #expect(throws: ChannelRefusal.malformed) { try ChannelDocument.terms(Array(more.utf8)) }
    }

    @Test func documentsOfPaymentVouchers() throws {
        let channel = try ChannelWorld.payment(1)
        let terms = ChannelTerms.payment(channel)
        let key = try SVMNode.key("payer 1")
        for end: Int64 in [0, 1_900_000_000] {
            let voucher = try channel.voucher(1_000, expiresAt: end, by: key)
            let encoder = JSONEncoder()
            let json = try encoder.encode(ChannelDocument.json(voucher, of: terms))
            #expect(try ChannelDocument.voucher(Array(json), of: terms) == voucher)
            let text = String(decoding: json, as: UTF8.self)
            let changes: [(ChannelRefusal, String, String)] = [
                (.wrongDomain, "\"ed25519\"", "\"secp256k1\""),
                (.notCanonical, "\"1000\"", "\"01000\""), (.malformed, "\"1000\"", "1000"),
                (
                    .wrongSigner, "\"signer\":\"\(SolanaAddress(key.publicKey))\"",
                    "\"signer\":\"\(try SVMNode.owner("payer 2"))\""
                ),
                (.malformed, "\"signatureType\"", "\"signaturetype\""),
            ]
            for (refusal, old, new) in changes {
                let other = text.replacingOccurrences(of: old, with: new)
                #expect(other != text, "\(old)")
                #expect(throws: refusal, "\(old)") {
                    try ChannelDocument.voucher(Array(other.utf8), of: terms)
                }
            }
            guard end != 0 else { continue }
            let late = text.replacingOccurrences(of: "Z\"", with: "+00:00\"")
            #expect(late != text)
            #expect(throws: ChannelRefusal.notCanonical) {
                try ChannelDocument.voucher(Array(late.utf8), of: terms)
            }
        }
        #expect(throws: ChannelRefusal.wrongDomain) {
            try ChannelDocument.voucher(Array("{\"maxClaimableAmount\":\"1\"}".utf8), of: terms)
        }
    }

    @Test func numbersNeverChange() {
        let numbers = ChannelRefusal.allCases.map(\.rawValue)
        #expect(numbers == Array(1...19))
        #expect(Set(ChannelRefusal.allCases.map(\.message)).count == numbers.count)
    }
}
