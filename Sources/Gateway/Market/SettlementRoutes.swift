import Clearing
import Cryptography
import Hummingbird
import Ledger
import Primitives
import Service
import Storage

/// Epochs, settlement batches, claims, and what proves the books.
enum SettlementRoutes {
    static let all: [Route] = [
        Route(.get, "/v1/chain", .anyone, "settlement", "The chain that is settled on") { call in
            let settlement = call.house.settlement
            return JSON.ok(
                Chain(
                    id: call.house.chainID, contract: settlement?.contract.hex,
                    usdc: settlement?.usd.hex, tly: settlement?.tly.hex,
                    confirmations: settlement?.confirmations,
                    finality: settlement?.finality.rawValue,
                    endpoints: settlement?.endpoints.count,
                    quorum: settlement?.endpoints.needed))
        },
        Route(.get, "/v1/epochs", .anyone, "settlement", "Closed epochs", isPaged: true) { call in
            try await call.list {
                $0.epochs
            } _: { record, _ in
                MarketViews.Epoch(record)
            }
        },
        Route(
            .get, "/v1/batches", .anyone, "settlement", "Settlement batches", isPaged: true
        ) { call in
            let settlement = call.house.settlement
            return try await call.list {
                $0.batches
            } _: { batch, house in
                MarketViews.Batch(
                    batch, settlement, costs: house.costs(of: .batch(batch.id)), withLines: false)
            }
        },
        Route(
            .get, "/v1/batches/{batch}", .anyone, "settlement", "One batch with its lines"
        ) { call in
            let batch = try await batch(call)
            let costs = try await call.read { $0.costs(of: .batch(batch.id)) }
            return JSON.ok(
                MarketViews.Batch(batch, call.house.settlement, costs: costs, withLines: true))
        },
        Route(
            .get, "/v1/batches/{batch}/claims/{address}", .anyone, "settlement",
            "What a batch allots an address, with the proofs the contract wants"
        ) { try await claims($0) },
        Route(
            .get, "/v1/state", .anyone, "settlement",
            "The journal's head and the hash of the state it leads to"
        ) { call in
            let house = call.house
            return JSON.ok(
                try await call.guards.state.value(at: .systemNow) { () throws(APIError) in
                    try await state(of: house)
                })
        },
        Route(
            .get, "/v1/trial-balance", .anyone, "settlement",
            "The sum of all debits and credits, per asset, and of what the chains charged"
        ) { call in
            let totals = try await call.guards.totals.value(at: .systemNow) {
                () throws(APIError) in
                try await call.read { $0.ledger.trialBalance() }
            }
            return JSON.ok(Page(totals.compactMap(Total.init)))
        },
    ]

    private struct Chain: Encodable {
        let id: UInt64
        let contract, usdc, tly: String?
        let confirmations: UInt64?
        let finality: String?
        let endpoints, quorum: Int?
    }

    /// What an audit of the same journal must arrive at.
    struct State: Encodable, Sendable {
        let sequence: UInt64
        let head, state: String
    }

    private static func state(of house: House) async throws(APIError) -> State {
        do {
            let (head, hash) = try await house.sequencer.stateHash()
            return State(sequence: head.sequence, head: head.hash.hex, state: hash.hex)
        } catch {
            throw APIError(error)
        }
    }

    private struct Total: Encodable, Sendable {
        let asset, debits, credits, debitsPending, creditsPending: String
        let balanced: Bool

        init?(_ total: TrialBalance) {
            let asset = Asset(rawValue: total.ledger)
            guard let name = asset?.code ?? NativeCoin(rawValue: total.ledger).map({ "\($0)" })
            else { return nil }
            func text(_ sum: LedgerTotal) -> String {
                sum.amount.map { asset?.format($0) ?? "\($0.units)" } ?? "over 2^128 units"
            }
            self.asset = name
            debits = text(total.debitsPosted)
            credits = text(total.creditsPosted)
            debitsPending = text(total.debitsPending)
            creditsPending = text(total.creditsPending)
            balanced = total.isBalanced
        }
    }

    private static func batch(_ call: Call) async throws(APIError) -> Batch {
        let id: BatchID = try call.id("batch", "batch")
        guard let batch = try await call.read({ $0.batch(id) }) else { throw .notFound("batch") }
        return batch
    }

    private struct ClaimView: Encodable, Sendable {
        let asset, token, account, cumulative: String
        let proof: [String]
    }

    private static func claims(_ call: Call) async throws(APIError) -> Response {
        let batch = try await batch(call)
        guard let settlement = call.house.settlement else { throw .notFound("chain") }
        guard let address = call.parameters.get("address").flatMap({ EVMAddress(hex: $0) }) else {
            throw .invalid("address", "an address is 0x and 40 hexadecimal digits")
        }
        let party = try await call.read { $0.party(address: address)?.id }
        let lines = party.map { party in
            Asset.allCases.compactMap { batch.lines.line(of: party, in: $0) }
        }
        guard let lines, !lines.isEmpty else { return JSON.ok(Page([ClaimView]())) }
        let tree = await settlement.claimTree(of: batch)
        var found: [ClaimView] = []
        for line in lines {
            let claim = settlement.claim(of: line)
            guard let proof = tree.proof(of: claim.leaf) else { continue }
            found.append(
                ClaimView(
                    asset: line.asset.code, token: claim.token.hex, account: address.hex,
                    cumulative: "\(claim.cumulative)", proof: proof.map(\.hex)))
        }
        return JSON.ok(Page(found))
    }
}
