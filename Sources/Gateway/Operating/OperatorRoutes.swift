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
            "Cut a settlement batch of everything payable"
        ) { call in
            try call.requireOperator()
            try await call.submit(.cutBatch)
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
    ]
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
