import Clearing
import Hummingbird
import Primitives
import Service

/// What anyone may look at: providers, offers, jobs without their content, verdicts.
enum MarketRoutes {
    static let all: [Route] = [
        Route(
            .get, "/v1/offers", .anyone, "market",
            "Offers that are live, or in another state",
            query: [.optional("state", "string", "all, live, withdrawn, expired or revoked")],
            isPaged: true
        ) { call in
            let wanted = call.query["state"].map(String.init) ?? "live"
            guard wanted == "all" || OfferState.allCases.contains(where: { "\($0)" == wanted })
            else {
                throw APIError.invalid(
                    "state", "'state' is all, live, withdrawn, expired or revoked")
            }
            return try await call.list {
                $0.offers
            } _: { offer, house in
                wanted == "all" || "\(offer.state)" == wanted
                    ? MarketViews.Offer(offer, in: house) : nil
            }
        },
        Route(
            .get, "/v1/providers", .anyone, "market", "Parties that have nodes", isPaged: true
        ) { call in
            try await call.list {
                $0.parties
            } _: { party, house in
                party.nodes.isEmpty ? nil : MarketViews.Provider(party, in: house)
            }
        },
        Route(.get, "/v1/providers/{party}", .anyone, "market", "One party") { call in
            let id: PartyID = try call.id("party", "party")
            let view = try await call.read { house in
                house.party(id).map { MarketViews.Provider($0, in: house) }
            }
            guard let view else { throw APIError(Rejection.partyNotFound) }
            return JSON.ok(view)
        },
        Route(
            .get, "/v1/jobs", .anyone, "market", "Jobs, without prompts and answers",
            isPaged: true
        ) { call in
            try await call.list {
                $0.jobs
            } _: {
                MarketViews.Job($0, in: $1)
            }
        },
        Route(.get, "/v1/jobs/{job}", .anyone, "market", "One job") { call in
            let id: JobID = try call.id("job", "job")
            let view = try await call.read { house in
                house.job(id).map { MarketViews.Job($0, in: house) }
            }
            guard let view else { throw APIError(Rejection.jobNotFound) }
            return JSON.ok(view)
        },
        Route(
            .get, "/v1/jobs/{job}/receipts", .anyone, "market", "What a job's stages signed"
        ) { try await Evidence.receipts($0) },
        Route(
            .get, "/v1/jobs/{job}/evidence", .apiKey, "market",
            "The canonical evidence bundle, for the buyer, the job's nodes and its auditor"
        ) { try await Evidence.response($0) },
        Route(.get, "/v1/verdicts", .anyone, "market", "Verdicts", isPaged: true) { call in
            try await call.list {
                $0.verdicts
            } _: { record, _ in
                MarketViews.Verdict(record)
            }
        },
        Route(.get, "/v1/verdicts/{verdict}", .anyone, "market", "One verdict") { call in
            let id: VerdictID = try call.id("verdict", "verdict")
            guard let record = try await call.read({ $0.verdict(id) }) else {
                throw APIError(Rejection.verdictNotFound)
            }
            return JSON.ok(MarketViews.Verdict(record))
        },
    ]
}
