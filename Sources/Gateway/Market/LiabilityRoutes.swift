import Clearing
import Cryptography
import Hummingbird
import Primitives
import Service

/// What the house owes, and the proof for each holder that its balance is part of it.
enum LiabilityRoutes {
    static let all: [Route] = [
        Route(
            .get, "/v1/liabilities", .anyone, "settlement",
            "What the house owed everybody at the last settlement, and the root that binds it"
        ) { call in
            JSON.ok(View(try await lastCommitted(call)))
        },
        Route(
            .get, "/v1/liabilities/proof", .apiKey, "settlement",
            "The proof that the party's own balance is part of what the house says it owes"
        ) { call in
            let party = try await call.buyer()
            let address = try await call.read { $0.party(party)?.address }
            return try await proof(of: address, call)
        },
        Route(
            .get, "/v1/liabilities/escrow", .anyone, "settlement",
            "The same for the money of delivered jobs in their challenge window"
        ) { try await proof(of: Liability.escrow, $0) },
    ]

    /// A commitment as the API shows it.
    struct View: Encodable, Sendable {
        let batch: UInt64
        let state: String
        let cutAt: UInt64
        let root: String
        let sequence: UInt64
        let head, top: String
        let depth: UInt8
        let totals: LiabilityStatement.Sums

        init(_ committed: Committed) {
            let commitment = committed.commitment
            batch = commitment.batch.rawValue
            state = "\(committed.batch.state)"
            cutAt = committed.batch.cutAt.milliseconds
            root = commitment.root.hex
            sequence = commitment.sequence
            head = commitment.head.hex
            top = commitment.top.hex
            depth = commitment.depth
            totals = LiabilityStatement.Sums(commitment.totals)
        }
    }

    /// A batch with what it says is owed.
    struct Committed: Sendable {
        let batch: Batch
        let commitment: LiabilityCommitment
    }

    private static func lastCommitted(_ call: Call) async throws(APIError) -> Committed {
        let last = try await call.read { $0.lastCommitted }
        guard let last, let commitment = last.liabilities else {
            throw .notFound("settlement yet that says what is owed")
        }
        return Committed(batch: last, commitment: commitment)
    }

    private static func proof(
        of holder: EVMAddress?, _ call: Call
    ) async throws(APIError) -> Response {
        let last = try await lastCommitted(call)
        let tree: LiabilityTree
        do throws(LiabilityBook.Failure) {
            tree = try await call.house.liabilities.tree(of: last.commitment)
        } catch {
            throw APIError(
                .serviceUnavailable, code: "unavailable", "the proofs cannot be made: \(error)",
                retryAfter: 5)
        }
        guard let proof = holder.flatMap({ tree.proof(of: $0) }) else {
            throw .notFound("balance at the last settlement: the party is younger")
        }
        return JSON.ok(LiabilityStatement(proof))
    }
}
