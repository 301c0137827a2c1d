import Clearing
import Hummingbird
import Primitives
import Service
import Storage

/// What only the operator may do; most of it happens by itself unless the house was started with
/// `--manual-epochs`.
enum OperatorRoutes {
    static let all: [Route] = [
        Route(
            .post, "/v1/operator/close-epoch", .operator, "operating",
            "End the running epoch and allot its emission"
        ) { call in
            try call.requireOperator()
            try await call.submit(.closeEpoch)
            return JSON.ok(Done())
        },
        Route(
            .post, "/v1/operator/settle", .operator, "operating",
            "Settle everything payable: by a root, or by the cheapest plan if the house plans"
        ) { call in
            try call.requireOperator()
            let command: Command
            do throws(PayoutDesk.Failure) {
                command = try await call.house.settlingCommand()
            } catch {
                throw APIError(error)
            }
            try await call.submit(command)
            return JSON.ok(Done())
        },
        Route(
            .post, "/v1/operator/draw-audits", .operator, "operating",
            "Draw audits now, among the jobs delivered since the last draw"
        ) { call in
            try call.requireOperator()
            let beacon = Digest(House.random(32)) ?? .zero
            try await call.submit(.drawAudits(beacon: beacon))
            return JSON.ok(Done())
        },
        Route(
            .post, "/v1/operator/collect-fees", .operator, "operating",
            "Pay the house's fees to a party with the next settlement",
            body: [
                .required("party", "integer", "Who gets them"),
                .required("amount", "string", "Dollars, as decimal text"),
            ]
        ) { call in
            try call.requireOperator()
            let body: Collection = try JSON.decode(from: call.body)
            let amount = try ReconciliationRoutes.dollars(body.amount)
            try ReconciliationRoutes.requireCover(call)
            try await call.submit(.collectFees(PartyID(body.party), amount: amount))
            return JSON.ok(Done())
        },
        Route(
            .get, "/v1/operator/settlement", .operator, "operating",
            "What is on its way to the chain, and why nothing new may be sent"
        ) { call in
            try call.requireOperator()
            guard let settlement = call.house.settlement else { throw APIError.notFound("chain") }
            let solana = call.house.payouts?.solana
            let unbooked = await solana?.unbookedTransactions() ?? 0
            let costs = try await call.read { CostRoutes.Totals.all($0) }
            let stuck = await solana?.stuck() ?? []
            return JSON.ok(
                SettlementReport(settlement, solana, unbooked: unbooked, stuck: stuck, costs))
        },
        Route(
            .post, "/v1/operator/settlement/resume", .operator, "operating",
            "Let settlement go on after a person has looked at what had stopped it"
        ) { call in
            try call.requireOperator()
            guard let settlement = call.house.settlement else { throw APIError.notFound("chain") }
            guard await settlement.resume() else {
                throw APIError(
                    .serviceUnavailable, code: "settlement_stopped",
                    "settlement has stopped for good: start the house again")
            }
            return JSON.ok(Done())
        },
        Route(
            .post, "/v1/operator/verdicts/{verdict}/resolve", .operator, "operating",
            "Decide an appeal that the house cannot decide by re-execution",
            body: [.required("upheld", "boolean", "Whether the accused is right")]
        ) { call in
            try call.requireOperator()
            let body: Resolution = try JSON.decode(from: call.body)
            try await call.submit(
                .resolveAppeal(call.id("verdict", "verdict"), upheld: body.upheld))
            return JSON.ok(Done())
        },
    ]

    private struct SettlementReport: Encodable {
        let network, finality: String
        let endpoints, quorum: Int
        let halted: Bool
        let breakers, refusedBySigner: [String]
        let open, unknown, refusedSlashes, refusedRoots, waitingDispersals: Int
        let mayDisperse: Bool
        let solana: Solana?
        let key: String
        let retiring: [Retiring]
        let costs: [CostRoutes.Totals]

        struct Retiring: Encodable {
            let key: String
            let open: Int
        }

        struct Solana: Encodable {
            let payer, mint, finality: String
            let endpoints, quorum, open, unknown, unbooked: Int
            let breakers: [String]
            let stuck: [SolanaStuck]
            let nonces: Int
            let pool: SolanaPoolReport?

            init(_ solana: SolanaSettlement, unbooked: Int, stuck: [SolanaStuck]) {
                self.stuck = stuck
                nonces = solana.nonceCount
                pool = solana.poolReport
                self.unbooked = unbooked
                (mint, payer) = solana.names
                endpoints = solana.endpoints.count
                quorum = solana.endpoints.needed
                open = solana.openPayouts
                unknown = solana.unknownPayouts
                finality = solana.finality.rawValue
                breakers = solana.breakers.map(\.rawValue)
            }
        }

        init(
            _ settlement: SettlementService, _ solana: SolanaSettlement?, unbooked: Int,
            stuck: [SolanaStuck], _ costs: [CostRoutes.Totals]
        ) {
            self.solana = solana.map { Solana($0, unbooked: unbooked, stuck: stuck) }
            self.costs = costs
            waitingDispersals = settlement.waitingDispersals
            mayDisperse = settlement.mayDisperse
            network = settlement.network
            finality = settlement.finality.rawValue
            endpoints = settlement.endpoints.count
            quorum = settlement.endpoints.needed
            halted = settlement.isHalted
            breakers = settlement.breakers.map(\.rawValue)
            refusedBySigner = settlement.refusedBySigner
            open = settlement.openIntents
            unknown = settlement.unknownIntents
            refusedSlashes = settlement.refusedSlashes
            refusedRoots = settlement.refusedRoots
            key = settlement.key.hex
            retiring = settlement.retiring.map { Retiring(key: $0.address.hex, open: $0.open) }
        }
    }

    private struct Collection: Decodable {
        let party: UInt64
        let amount: String
    }

    private struct Resolution: Decodable {
        let upheld: Bool
    }
}

/// Whether the house works.
enum Health {
    private struct Report: Encodable {
        let status: String
        let sequence: UInt64
        let nodesOnline, jobsRunning: Int
    }

    static func response(_ house: House) throws(APIError) -> Response {
        guard !house.sequencer.isStopping else {
            throw APIError(
                .serviceUnavailable, code: "stopping", "the house is stopping", retryAfter: 5)
        }
        return JSON.ok(
            Report(
                status: house.settlement?.isHalted == true ? "settlement halted" : "ok",
                sequence: house.sequencer.head.sequence,
                nodesOnline: house.hub.onlineCount, jobsRunning: house.jobs.count))
    }
}
