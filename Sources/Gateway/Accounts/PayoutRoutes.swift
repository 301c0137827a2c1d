import Clearing
import Cryptography
import HTTPTypes
import Hummingbird
import Primitives
import Service

/// How a party is paid, and what it was sent.
enum PayoutRoutes {
    static let all: [Route] = [
        Route(
            .get, "/v1/payout", .apiKey, "accounts", "How the party is paid, and what to sign"
        ) { try await settings($0) },
        Route(
            .post, "/v1/payout", .apiKey, "accounts",
            "Say how the party is paid; what is left out is as at first",
            body: [
                .optional("solana", "string", "An account on Solana, in base58"),
                .optional("signature", "string", "The account's signature, in hexadecimal"),
                .optional("keep", "string", "Dollars that are kept for spending"),
                .optional(
                    "channel", "string", "Who is to be paid through a payment channel: an address"),
            ]
        ) { try await set($0) },
        Route(
            .get, "/v1/dispersals", .anyone, "settlement", "What the house has sent", isPaged: true
        ) { call in
            let (after, limit) = try call.page()
            let (sources, hasMore) = try await call.read { house in
                let first = min(Int(clamping: after), house.dispersals.count)
                let end = min(first + limit, house.dispersals.count)
                return (
                    house.dispersals[first..<end].map { PayoutViews.Source($0, house) },
                    end < house.dispersals.count
                )
            }
            let desk = call.house.payouts
            return JSON.ok(
                Page(
                    sources.map { PayoutViews.Dispersal($0, desk, isListed: true) },
                    hasMore: hasMore,
                    nextAfter: hasMore ? sources.last?.dispersal.id.rawValue : nil))
        },
        Route(
            .get, "/v1/dispersals/{dispersal}", .anyone, "settlement",
            "One dispersal with its payments and what they cost"
        ) { call in
            let id: DispersalID = try call.id("dispersal", "dispersal")
            let source = try await call.read { house in
                house.dispersal(id).map { PayoutViews.Source($0, house) }
            }
            guard let source else { throw APIError(Rejection.dispersalNotFound) }
            return JSON.ok(PayoutViews.Dispersal(source, call.house.payouts))
        },
        Route(
            .get, "/v1/settlements", .anyone, "settlement",
            "Settlements by plan, with their quotes", isPaged: true
        ) { call in
            try await call.list {
                $0.settlements
            } _: { record, _ in
                PayoutViews.Settlement(record)
            }
        },
    ]

    private struct Settings: Encodable, Sendable {
        let solana, channel: String?
        let keep, debt: String
        let pushable: Bool
        /// What the key of an account on Solana is to sign; the account takes the place of ADDRESS.
        let message: String
    }

    private struct Wanted: Decodable {
        let solana, signature, keep, channel: String?
    }

    private static func settings(_ call: Call) async throws(APIError) -> Response {
        let id = try await call.buyer()
        let key = call.house.key
        let found = try await call.read { house in
            house.party(id).map { party in
                Settings(
                    solana: party.payout.solana.map { PayoutOwner.text($0) },
                    channel: party.payout.channel?.checksummed,
                    keep: Asset.usd.format(party.payout.keep),
                    debt: Asset.usd.format(party.debt), pushable: party.isPushable,
                    message: PayoutOwner.message(house: key, party: id, address: "ADDRESS"))
            }
        }
        guard let found else { throw APIError(Rejection.partyNotFound) }
        return JSON.ok(found)
    }

    private static func set(_ call: Call) async throws(APIError) -> Response {
        let party = try await call.buyer()
        let body: Wanted = try JSON.decode(from: call.body)
        var settings = PayoutSettings()
        if let text = body.solana {
            settings.solana = try owner(text, body.signature, of: party, call)
        }
        if let text = body.keep {
            guard let keep = Asset.usd.parse(text) else {
                throw .invalid("keep", "an amount is decimal text, such as \"12.50\"")
            }
            settings.keep = keep
        }
        if let text = body.channel {
            guard let receiver = EVMAddress(checking: text), receiver != .zero else {
                throw .invalid(
                    "channel", "a receiver is an address: 0x and 40 hexadecimal digits")
            }
            settings.channel = receiver
        }
        try await call.submit(.setPayout(party, settings))
        return try await self.settings(call)
    }

    /// The account that a text names, if its key has signed for the party; nobody signs for an
    /// address that a program derived.
    private static func owner(
        _ text: String, _ signature: String?, of party: PartyID, _ call: Call
    ) throws(APIError) -> Digest {
        guard let owner = PayoutOwner.owner(text) else {
            throw .invalid("solana", "an account on Solana is base58 of 32 bytes")
        }
        if !PayoutOwner.isKey(owner) { return owner }
        guard let signature = signature.flatMap({ Hex.decode($0) }).flatMap({ Signature($0) }),
            PayoutOwner.isProven(
                signature, house: call.house.key, party: party, owner: owner)
        else {
            throw APIError(
                .unauthorized, code: "bad_signature",
                "the account's key has not signed the text of GET /v1/payout for it",
                parameter: "signature")
        }
        return owner
    }

    // MARK: On demand

    /// What a party asks for under a key of its own, which is kept as a hash.
    static func request(
        _ party: PartyID, _ asset: Asset, _ amount: Amount, key text: String
    ) throws(APIError) -> WithdrawalRequest {
        guard (1...256).contains(text.utf8.count) else {
            throw .invalid("key", "a key has 1 to 256 bytes")
        }
        let key = SHA256.hash(Array("withdrawal".utf8) + Array(text.utf8))
        return WithdrawalRequest(party, asset, amount, key: key)
    }

    /// Pays at once what is asked for.
    static func withdraw(
        _ call: Call, _ request: WithdrawalRequest
    ) async throws(APIError) -> Response {
        guard let desk = call.house.payouts else { throw APIError(Rejection.noPayoutRail) }
        let made: Dispersal
        do throws(PayoutDesk.Failure) {
            made = try await desk.withdraw(request)
        } catch {
            throw APIError(error)
        }
        let source = try await call.read { PayoutViews.Source(made, $0) }
        return JSON.ok(PayoutViews.Dispersal(source, desk))
    }
}
