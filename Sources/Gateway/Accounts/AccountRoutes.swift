import Clearing
import Cryptography
import HTTPTypes
import Hummingbird
import Primitives
import Service

/// API keys and money: what a buyer or provider does with its own account.
enum AccountRoutes {
    static let all: [Route] = [
        Route(
            .post, "/v1/keys/challenge", .anyone, "accounts",
            "A text for an address to sign (EIP-191); good once, for five minutes",
            body: [.required("address", "string", "0x and 40 hexadecimal digits")]
        ) { try await challenge($0) },
        Route(
            .post, "/v1/keys", .anyone, "accounts",
            "A new API key for the address that signed; the key is shown this once",
            body: [
                .required("address", "string", "As in the challenge"),
                .required("message", "string", "The text of the challenge"),
                .required("signature", "string", "65 bytes in hexadecimal: r, s, v"),
                .optional("label", "string", "What its owner calls it"),
            ]
        ) { try await issue($0) },
        Route(.get, "/v1/keys", .apiKey, "accounts", "The party's API keys, by hash") { call in
            let id = try await call.buyer()
            let keys = try await call.read { house in house.party(id)?.keys ?? [] }
            return JSON.ok(
                Page(
                    keys.map {
                        KeyView(
                            hash: $0.hash.hex, label: $0.label,
                            createdAt: $0.createdAt.milliseconds)
                    }))
        },
        Route(
            .delete, "/v1/keys/{hash}", .apiKey, "accounts", "Revoke one of the party's keys"
        ) { call in
            let party = try await call.buyer()
            guard let hash = call.parameters.get("hash").flatMap({ Digest(hex: $0) }) else {
                throw APIError(Rejection.keyNotFound)
            }
            try await call.submit(.revokeKey(party, hash: hash))
            return JSON.ok(Done())
        },
        Route(.get, "/v1/balance", .apiKey, "accounts", "The party's money, by purpose") { call in
            try await balance(of: call.buyer(), call)
        },
        Route(.get, "/v1/balances/{party}", .anyone, "accounts", "Any party's money") { call in
            try await balance(of: call.id("party", "party"), call)
        },
        Route(
            .post, "/v1/withdrawals", .apiKey, "accounts",
            "Be paid at once, under a key of one's own; without one, with the next settlement",
            body: [
                .required("asset", "string", "USD or TLY"),
                .required("amount", "string", "Decimal text"),
                .optional("key", "string", "The same key is the same withdrawal"),
            ]
        ) { try await withdraw($0) },
    ]

    private struct KeyView: Encodable, Sendable {
        let hash, label: String
        let createdAt: UInt64
    }

    // MARK: Keys

    private struct ChallengeBody: Decodable {
        let address: String
    }

    private struct Challenge: Encodable {
        let message: String
    }

    private struct KeyBody: Decodable {
        let address, message, signature: String
        let label: String?
    }

    private struct IssuedKey: Encodable {
        let apiKey: String
        let party: UInt64
        let hash: String
    }

    private static func challenge(_ call: Call) async throws(APIError) -> Response {
        let body: ChallengeBody = try JSON.decode(from: call.body)
        let address = try address(body.address)
        return JSON.ok(
            Challenge(
                message: call.guards.challenges.issue(
                    address, house: call.house.key, random: House.random(16), at: .systemNow)))
    }

    private static func issue(_ call: Call) async throws(APIError) -> Response {
        let body: KeyBody = try JSON.decode(from: call.body)
        let address = try address(body.address)
        guard let bytes = Hex.decode(body.signature),
            let signature = RecoverableSignature(bytes),
            signature.recover(EIP191.digest(Array(body.message.utf8))) == address
        else {
            throw APIError(
                .unauthorized, code: "bad_signature",
                "the message is not signed by \(address.hex)", parameter: "signature")
        }
        guard call.guards.challenges.redeem(body.message, for: address, at: .systemNow) else {
            throw APIError(
                .unauthorized, code: "stale_challenge",
                "the challenge is unknown, used or too old: ask for a new one",
                parameter: "message")
        }
        try call.guards.registrations.take(call.source, at: .systemNow)
        let party = try await party(of: address, call)
        let key = "exq_" + Hex.encode(House.random(32))
        let hash = SHA256.hash(Array(key.utf8))
        try await call.submit(.issueKey(party, hash: hash, label: body.label ?? ""))
        return JSON.ok(IssuedKey(apiKey: key, party: party.rawValue, hash: hash.hex))
    }

    private static func address(_ text: String) throws(APIError) -> EVMAddress {
        guard let address = EVMAddress(hex: text) else {
            throw .invalid("address", "an address is 0x and 40 hexadecimal digits")
        }
        return address
    }

    /// The party of an address, made if this is the first the house hears of it.
    static func party(of address: EVMAddress, _ call: Call) async throws(APIError) -> PartyID {
        if let known = try await call.read({ $0.party(address: address)?.id }) { return known }
        do {
            try await call.submit(.registerParty(address: address))
        } catch {
            // Someone else registered it in between: just as good.
            if error.rejection != Rejection.addressTaken.rawValue { throw error }
        }
        guard let party = try await call.read({ $0.party(address: address)?.id }) else {
            throw APIError(Rejection.partyNotFound)
        }
        return party
    }

    // MARK: Money

    struct Balance: Encodable, Sendable {
        struct Line: Encodable, Sendable {
            let asset, available, held, bonded, captured, unbonding, payable, inTransit: String
        }

        let party: UInt64
        let name, address: String
        let balances: [Line]
    }

    private static func balance(
        of id: PartyID, _ call: Call
    ) async throws(APIError) -> Response {
        let found = try await call.read { house -> Balance? in
            guard let party = house.party(id) else { return nil }
            return Balance(
                party: id.rawValue, name: party.publicName, address: party.address.hex,
                balances: Asset.allCases.map { line($0, of: id, in: house) })
        }
        guard let found else { throw APIError(Rejection.partyNotFound) }
        return JSON.ok(found)
    }

    private static func line(
        _ asset: Asset, of id: PartyID, in house: borrowing ClearingHouse
    ) -> Balance.Line {
        Balance.Line(
            asset: asset.code,
            available: asset.format(house.balance(.available, asset, of: id)),
            held: asset.format(house.pending(.available, asset, of: id)),
            bonded: asset.format(house.balance(.bonded, asset, of: id)),
            captured: asset.format(
                house.pending(.bonded, asset, of: id) + house.pending(.unbonding, asset, of: id)),
            unbonding: asset.format(house.balance(.unbonding, asset, of: id)),
            payable: asset.format(house.balance(.payable, asset, of: id)),
            inTransit: asset.format(house.balance(.inTransit, asset, of: id)))
    }

    private struct Withdrawal: Codable {
        let asset, amount: String
        var key: String?
    }

    private static func withdraw(_ call: Call) async throws(APIError) -> Response {
        let party = try await call.buyer()
        let body: Withdrawal = try JSON.decode(from: call.body)
        guard let asset = Asset.allCases.first(where: { $0.code == body.asset }) else {
            throw .invalid("asset", "an asset is USD or TLY")
        }
        guard let amount = asset.parse(body.amount) else {
            throw .invalid("amount", "an amount is decimal text, such as \"12.50\"")
        }
        if let key = body.key {
            return try await PayoutRoutes.withdraw(
                call, try PayoutRoutes.request(party, asset, amount, key: key))
        }
        try await call.submit(.withdraw(party, asset: asset, amount: amount))
        return JSON.ok(Withdrawal(asset: asset.code, amount: asset.format(amount)))
    }
}

extension Timestamp {
    /// Milliseconds since 1970, as the API gives times.
    var milliseconds: UInt64 { nanoseconds / 1_000_000 }
}
