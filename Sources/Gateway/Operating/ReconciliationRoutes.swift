import Clearing
import Hummingbird
import Primitives
import Service

/// Books against chain, and what a person decides when the two no longer go together.
enum ReconciliationRoutes {
    static let all: [Route] = [
        Route(
            .get, "/v1/operator/reconciliation", .operator, "operating",
            "The books against the chain, to the unit, and everything that is stuck",
            query: [
                .optional("days", "integer", "After how many days something unclaimed is stuck")
            ]
        ) { call in
            try call.requireOperator()
            let settlement = try chain(of: call)
            var rules = StrandingRules()
            let days = try call.number("days", default: 30, in: 0...36_500)
            rules.unclaimed = .seconds(days * 86_400)
            rules.ownerless = .seconds(min(days, 7) * 86_400)
            rules.unpaid = rules.ownerless
            if days == 0 { rules.overdue = .seconds(0) }
            do throws(ReconciliationError) {
                return JSON.ok(ReconciliationStatement(try await settlement.reconcile(rules)))
            } catch {
                throw APIError(
                    .serviceUnavailable, code: "unavailable", "\(error)", retryAfter: 5)
            }
        },
        Route(
            .post, "/v1/operator/settlement/reverse", .operator, "operating",
            "Reverse by entries what a reorganisation took out of the chain, and let settlement go on"
        ) { call in
            try call.requireOperator()
            let settlement = try chain(of: call)
            do throws(ReversalError) {
                return JSON.ok(Reversal(reversed: try await settlement.reverse()))
            } catch {
                throw APIError(
                    error == .notHalted ? .conflict : .serviceUnavailable,
                    code: error == .notHalted ? "not_halted" : "unavailable", "\(error)")
            }
        },
        Route(
            .post, "/v1/operator/dispersals/{dispersal}/return", .operator, "operating",
            "Give back what a dispersal reserves whose name another transaction has used up",
            body: [.required("transaction", "string", "Its hash: 0x and 64 hex digits")]
        ) { call in
            try call.requireOperator()
            let settlement = try chain(of: call)
            let body: Usage = try JSON.decode(from: call.body)
            guard let transaction = Digest(hex: body.transaction) else {
                throw APIError.invalid("transaction", "a transaction is 0x and 64 hex digits")
            }
            let id: DispersalID = try call.id("dispersal", "dispersal")
            do throws(ReturnError) {
                try await settlement.returnDispersal(id, usedBy: transaction)
            } catch {
                throw APIError(error)
            }
            return JSON.ok(Done())
        },
        Route(
            .post, "/v1/operator/dispersals/{dispersal}/commit-again", .operator, "operating",
            "Commit a root on Solana anew that the pool's guardian dropped"
        ) { call in
            try call.requireOperator()
            try await call.submit(.notePool(try call.id("dispersal", "dispersal"), .again))
            return JSON.ok(Done())
        },
        Route(
            .post, "/v1/operator/dispersals/{dispersal}/call-off", .operator, "operating",
            "Give a root on Solana up that was never committed: its money is payable again"
        ) { call in
            try call.requireOperator()
            guard let payouts = call.house.payouts else { throw APIError.notFound("chain") }
            let id: DispersalID = try call.id("dispersal", "dispersal")
            do throws(PayoutDesk.Failure) {
                try await payouts.callOff(id)
            } catch {
                throw APIError(error)
            }
            return JSON.ok(Done())
        },
        Route(
            .post, "/v1/operator/batches/replace", .operator, "operating",
            "Cut a batch in the place of the last one, whose root was disputed"
        ) { call in
            try call.requireOperator()
            try requireCover(call)
            try await call.submit(.replaceBatch)
            return JSON.ok(Done())
        },
        Route(
            .post, "/v1/operator/settlement/accept-shortfall", .operator, "operating",
            "Let payments go on though more dollars are owed than the chain holds",
            body: [.required("amount", "string", "How many may be missing, as decimal text")]
        ) { call in
            try call.requireOperator()
            let settlement = try chain(of: call)
            let body: Shortfall = try JSON.decode(from: call.body)
            settlement.acceptShortfall(try dollars(body.amount))
            return JSON.ok(Done())
        },
    ]

    /// Ends a call that would allot dollars while some are missing.
    static func requireCover(_ call: Call) throws(APIError) {
        do throws(PayoutDesk.Failure) {
            try call.house.settlement?.requireCover()
        } catch {
            throw APIError(error)
        }
    }

    /// A sum of dollars in a body.
    static func dollars(_ text: String) throws(APIError) -> Amount {
        guard let amount = Asset.usd.parse(text) else {
            throw .invalid("amount", "an amount is decimal text, such as \"12.50\"")
        }
        return amount
    }

    private struct Shortfall: Decodable {
        let amount: String
    }

    private struct Reversal: Encodable {
        let reversed: Int
    }

    private struct Usage: Decodable {
        let transaction: String
    }

    private static func chain(of call: Call) throws(APIError) -> SettlementService {
        guard let settlement = call.house.settlement else { throw .notFound("chain") }
        return settlement
    }
}

extension Metrics {
    /// What waits on chain, and what the last reconciliation found: differences, stuck items by
    /// kind, and how old it is.
    static func reconciliation(_ settlement: SettlementService?) -> String {
        var text = ""
        func put(_ name: String, _ help: String, _ values: [(String, String)]) {
            text += "# HELP exchequer_\(name) \(help)\n# TYPE exchequer_\(name) gauge\n"
            for (labels, value) in values { text += "exchequer_\(name)\(labels) \(value)\n" }
        }
        put(
            "activations_refused", "Roots that are due and that the contract does not make pay.",
            [("", "\(settlement?.refusedActivations ?? 0)")])
        put(
            "executions_refused", "Slashes that are due and that the contract does not carry out.",
            [("", "\(settlement?.refusedExecutions ?? 0)")])
        let found = settlement?.lastReconciliation
        put(
            "reconciliation_difference_units",
            "Chain less books, in chain units: 0 unless money is missing or unexplained.",
            (found?.lines ?? []).map { line in
                let labels = "{check=\"\(line.check.name)\",asset=\"\(line.asset.code)\"}"
                return (labels, "\(line.difference)")
            })
        put(
            "stranded_items", "What is stuck until somebody acts, by kind.",
            StrandedItem.Kind.allCases.map { kind in
                let count = found?.stranded.count { $0.kind == kind } ?? 0
                return ("{alert=\"\(kind.rawValue)\",kind=\"\(kind.name)\"}", "\(count)")
            })
        put(
            "reconciled_at_seconds", "When books and chain were last compared; 0 for never.",
            [("", "\((found?.madeAt.milliseconds ?? 0) / 1_000)")])
        return text
    }
}
