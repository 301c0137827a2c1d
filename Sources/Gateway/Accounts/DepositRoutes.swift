import Clearing
import HTTPTypes
import Hummingbird
import Primitives
import Service

/// Deposits on Solana: from which accounts a party's come, where to send them, what became of them.
enum DepositRoutes {
    static let all: [Route] = [
        Route(
            .get, "/v1/deposits", .anyone, "settlement",
            "Deposits on Solana and how much of each is credited, in the order they were booked",
            isPaged: true
        ) { call in
            try await call.list {
                $0.deposits
            } _: { deposit, _ in
                Listed(deposit)
            }
        },
        Route(
            .get, "/v1/depositors", .apiKey, "accounts",
            "Where on Solana the party may send dollars to, from which accounts, and what to sign"
        ) { call in
            try checkWatched(call)
            return try await settings(call: call)
        },
        Route(
            .post, "/v1/depositors", .apiKey, "accounts",
            "Register an account on Solana: what it sends to the house is the party's",
            body: [
                .required("owner", "string", "The account, in base58"),
                .required(
                    "signature", "string",
                    "The account's signature of the message of GET /v1/depositors, in hexadecimal"),
            ]
        ) { try await register($0) },
        Route(
            .delete, "/v1/depositors/{owner}", .apiKey, "accounts",
            "Give such an account up; what it has sent stays the party's"
        ) { call in
            let party = try await call.buyer()
            let account = try owner(call.parameters.get("owner"))
            try await call.submit(.removeDepositor(party, owner: account))
            return try await settings(call: call)
        },
    ]

    /// A deposit as the API shows it.
    private struct Listed: Encodable, Sendable {
        let deposit, party: UInt64
        let owner, amount, units, credited, waiting, transaction: String
        let slot: UInt64
        let instruction: UInt32
        let bookedAt: UInt64

        init(_ record: TokenDeposit) {
            let transfer = record.transfer
            deposit = record.id.rawValue
            party = record.party.rawValue
            owner = PayoutOwner.text(transfer.owner)
            amount = PayoutViews.text(UInt128(transfer.units), .usd)
            units = "\(transfer.units)"
            credited = PayoutViews.text(UInt128(record.credited), .usd)
            waiting = PayoutViews.text(UInt128(record.waiting), .usd)
            transaction = PayoutOwner.text(transfer.transaction)
            slot = transfer.slot
            instruction = transfer.instruction
            bookedAt = record.bookedAt.milliseconds
        }
    }

    private struct Settings: Encodable, Sendable {
        /// Where dollars are sent to, in base58; `nil` while that is not watched.
        let account: String?
        /// Whose it is, of which token and program.
        let payer, mint, tokenProgram: String
        /// The least that is credited.
        let minimum: String
        /// The accounts that the party has registered.
        let owners: [String]
        /// What the party has sent and is not credited with yet.
        let waiting: String
        /// What the key of an account is to sign; the account takes the place of ADDRESS.
        let message: String
    }

    private struct Wanted: Decodable {
        let owner, signature: String
    }

    private static func settings(call: Call) async throws(APIError) -> Response {
        let party = try await call.buyer()
        let solana = try solana(call)
        let place = solana.deposits
        let key = call.house.key
        let found = try await call.read { house in
            Settings(
                account: place.account, payer: solana.names.payer, mint: solana.names.mint,
                tokenProgram: place.program,
                minimum: PayoutViews.text(UInt128(place.minimum), .usd),
                owners: house.depositors(of: party).map { PayoutOwner.text($0) },
                waiting: PayoutViews.text(
                    house.waitingDeposits.reduce(0) {
                        $0 + ($1.party == party ? UInt128($1.waiting) : 0)
                    }, .usd),
                message: PayoutOwner.depositMessage(house: key, party: party, address: "ADDRESS"))
        }
        return JSON.ok(found)
    }

    private static func solana(_ call: Call) throws(APIError) -> SolanaSettlement {
        guard let solana = call.house.payouts?.solana else {
            throw APIError(
                .notFound, code: "no_solana",
                "the house takes no deposits on Solana: deposit on the EVM chain")
        }
        return solana
    }

    /// Nobody is told where to send before that is watched.
    private static func checkWatched(_ call: Call) throws(APIError) {
        guard try solana(call).deposits.account == nil else { return }
        throw APIError(
            .serviceUnavailable, code: "unavailable",
            "the account that takes deposits is not watched yet: send nothing, and ask again",
            retryAfter: 5)
    }

    private static func owner(_ text: String?) throws(APIError) -> Digest {
        guard let owner = text.flatMap({ PayoutOwner.owner($0) }) else {
            throw .invalid("owner", "an account on Solana is base58 of 32 bytes")
        }
        return owner
    }

    private static func register(_ call: Call) async throws(APIError) -> Response {
        let party = try await call.buyer()
        try checkWatched(call)
        let body: Wanted = try JSON.decode(from: call.body)
        let owner = try owner(body.owner)
        guard let signature = Hex.decode(body.signature).flatMap({ Signature($0) }),
            PayoutOwner.isDepositor(
                signature, house: call.house.key, party: party, owner: owner)
        else {
            throw APIError(
                .unauthorized, code: "bad_signature",
                "the account's key has not signed the text of GET /v1/depositors for it: one that "
                    + "a program derived has no key, and cannot be registered",
                parameter: "signature")
        }
        // The same again is as good.
        if try await call.read({ $0.depositor(owner) }) != party {
            try await call.submit(.registerDepositor(party, owner: owner))
        }
        return try await settings(call: call)
    }
}
