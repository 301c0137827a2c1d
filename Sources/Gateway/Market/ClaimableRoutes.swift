import Clearing
import Hummingbird
import Primitives
import Service

/// What each role can claim of the contract.
enum ClaimableRoutes {
    static let all: [Route] = [
        Route(
            .get, "/v1/claimable", .apiKey, "settlement",
            "What the party can claim on chain now, with proofs and the calls' data, and what waits"
        ) { call in
            let party = try await call.buyer()
            guard let address = try await call.read({ $0.party(party)?.address }) else {
                throw APIError.notFound("party")
            }
            return try await statement(of: address, call, asksChain: true)
        },
        Route(
            .get, "/v1/claimable/{address}", .anyone, "settlement",
            "The same for any address, without what its bond may leave"
        ) { call in
            guard let address = call.parameters.get("address").flatMap({ EVMAddress(hex: $0) })
            else {
                throw APIError.invalid("address", "an address is 0x and 40 hexadecimal digits")
            }
            return try await statement(of: address, call, asksChain: false)
        },
    ]

    private static func statement(
        of address: EVMAddress, _ call: Call, asksChain: Bool
    ) async throws(APIError) -> Response {
        guard let settlement = call.house.settlement else { throw .notFound("chain") }
        var found: ClaimableStatement?
        do {
            found = try await settlement.claimable(of: address, asksChain: asksChain)
            found?.solana = try await call.house.payouts?.solana?.due(
                of: address, asksChain: asksChain)
        } catch let error as SequencerError {
            throw APIError(error)
        } catch {
            throw APIError(.internalServerError, code: "internal", "\(error)")
        }
        guard let found else { throw .notFound("party") }
        return JSON.ok(found)
    }
}
