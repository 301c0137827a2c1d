import Clearing
import Cryptography
import Foundation
import Primitives
import Service
import Testing
import Transport

/// How a party says where it is paid, and what a house without a desk answers. What a house with
/// one does is in `test_house_payouts.py`.
@Suite(.serialized, .timeLimit(.minutes(10))) struct PayoutTests {
    private struct Settings: Decodable {
        let solana: String?
        let keep, message: String
        let pushable: Bool
    }

    private func body(_ fields: [String: String]) throws -> String {
        String(decoding: try JSONSerialization.data(withJSONObject: fields), as: UTF8.self)
    }

    @Test func onlyWhoHasTheKeyIsPaidToItsAccount() async throws {
        try await RunningHouse.with { running in
            let bearer = try await running.buyer(200)
            let owner = try #require(Ed25519.PrivateKey(seed: Array(repeating: 7, count: 32)))
            let address = PayoutOwner.text(owner.publicKey.value)
            let before: Settings = try await running.call("GET", "/v1/payout", bearer: bearer)
                .decoded()
            #expect(before.solana == nil && before.keep == "0.00" && before.pushable)
            let text = before.message.replacingOccurrences(of: "ADDRESS", with: address)
            let right = Hex.encode(owner.sign(Array(text.utf8)).bytes)
            let thief = try #require(Ed25519.PrivateKey(seed: Array(repeating: 8, count: 32)))
            for wrong in [
                nil, "00", Hex.encode(thief.sign(Array(text.utf8)).bytes),
                Hex.encode(owner.sign(Array(before.message.utf8)).bytes),
            ] as [String?] {
                var fields = ["solana": address]
                fields["signature"] = wrong
                let answer = try await running.call(
                    "POST", "/v1/payout", json: try body(fields), bearer: bearer)
                #expect(try answer.status == 401 && answer.failure().code == "bad_signature")
            }
            let after: Settings = try await running.call(
                "POST", "/v1/payout",
                json: try body(["solana": address, "signature": right, "keep": "2.5"]),
                bearer: bearer
            ).decoded()
            #expect(after.solana == address && after.keep == "2.50")
            // Another party's signature is none of this one's.
            let other = try await running.buyer(201)
            let copied = try await running.call(
                "POST", "/v1/payout",
                json: try body(["solana": address, "signature": right]), bearer: other)
            #expect(copied.status == 401)
            // What no key has cannot be signed for.
            var derived = SHA256.hash([1])
            while PayoutOwner.isKey(derived) { derived = SHA256.hash(derived.bytes) }
            let program: Settings = try await running.call(
                "POST", "/v1/payout", json: try body(["solana": PayoutOwner.text(derived)]),
                bearer: other
            ).decoded()
            #expect(program.solana == PayoutOwner.text(derived) && program.keep == "0.00")
            for bad in [
                ["solana": "0OIl"], ["solana": "11111111111111111111111111111111"],
                ["keep": "-1"],
            ] {
                let answer = try await running.call(
                    "POST", "/v1/payout", json: try body(bad), bearer: bearer)
                #expect(answer.status == 400)
            }
        }
    }

    @Test func aPartyNamesTheReceiverOfItsChannel() async throws {
        struct Wish: Decodable {
            let channel: String?
        }
        try await RunningHouse.with { running in
            let bearer = try await running.buyer(200)
            let receiver = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
            for text in [receiver, receiver.lowercased()] {
                let said: Wish = try await running.call(
                    "POST", "/v1/payout", json: try body(["channel": text]), bearer: bearer
                ).decoded()
                #expect(said.channel == receiver)
            }
            // A letter of the wrong size, nobody, and no address.
            for bad in [
                receiver.replacingOccurrences(of: "5aAe", with: "5aae"),
                "0x" + String(repeating: "0", count: 40), "0x12",
            ] {
                let answer = try await running.call(
                    "POST", "/v1/payout", json: try body(["channel": bad]), bearer: bearer)
                #expect(answer.status == 400)
            }
            let reset: Wish = try await running.call(
                "POST", "/v1/payout", json: "{}", bearer: bearer
            ).decoded()
            #expect(reset.channel == nil)
            #expect(try await running.call("GET", "/v1/channels").status == 200)
            let none = try await running.call("GET", "/v1/channels/1")
            #expect(try none.status == 404 && none.failure().rejection == 716)
            // This house has no chain.
            let vouchers = try await running.call("GET", "/v1/vouchers", bearer: bearer)
            #expect(vouchers.status == 404)
            #expect(try await running.call("GET", "/v1/vouchers").status == 401)
        }
    }

    @Test func aHouseThatDoesNotSendSaysSo() async throws {
        try await RunningHouse.with { running in
            let bearer = try await running.buyer(200)
            let asked = ["asset": "USD", "amount": "1", "key": "june"]
            let answer = try await running.call(
                "POST", "/v1/withdrawals", json: try body(asked), bearer: bearer)
            #expect(try answer.status == 409 && answer.failure().rejection == 715)
            let long = try await running.call(
                "POST", "/v1/withdrawals",
                json: try body(["asset": "USD", "amount": "1", "key": ""]), bearer: bearer)
            #expect(long.status == 400)
            for path in ["/v1/dispersals", "/v1/settlements"] {
                #expect(try await running.call("GET", path).status == 200)
            }
            #expect(try await running.call("GET", "/v1/dispersals/1").status == 404)
        }
    }
}
