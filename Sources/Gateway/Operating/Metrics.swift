import Clearing
import Hummingbird
import Primitives
import Service
import Storage
import Synchronization

/// How many answers had which kind of status.
final class RequestCounters: Sendable {
    private let classes = Mutex([0, 0, 0, 0, 0])

    func count(status: Int) {
        classes.withLock { $0[min(max(status / 100, 1), 5) - 1] += 1 }
    }

    /// Answers by the first digit of their status.
    var byClass: [(name: String, count: Int)] {
        classes.withLock { $0 }.enumerated().map { ("\($0.offset + 1)xx", $0.element) }
    }
}

/// `/metrics` in Prometheus' text format 0.0.4.
enum Metrics {
    struct Books: Sendable {
        var jobs = Array(repeating: 0, count: JobState.allCases.count)
        var parties = 0
        var liveOffers = 0
        var verdicts = 0
        var batches = 0
        var undrawn = 0
        var unsettledSlashes = 0
        var openDispersals = 0
        var quarantined = 0
        var openChannels = 0
        var overclaimed = 0
    }

    static func response(
        _ call: Call, _ counters: RequestCounters
    ) async throws(APIError) -> Response {
        let books = try await call.guards.books.value(at: .systemNow) { () throws(APIError) in
            try await count(call)
        }
        return Response(
            status: .ok, headers: [.contentType: "text/plain; version=0.0.4"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text(call.house, books, counters))))
    }

    private static func count(_ call: Call) async throws(APIError) -> Books {
        try await call.read { house in
            var books = Books()
            for job in house.jobs { books.jobs[Int(job.state.rawValue) - 1] += 1 }
            books.parties = house.parties.count
            books.liveOffers = house.models.reduce(0) { $0 + $1.offers.count }
            books.verdicts = house.verdicts.count
            books.batches = house.batches.count
            books.undrawn = house.undrawnCount
            books.unsettledSlashes = house.unsettledSlashes.count
            for dispersal in house.openDispersals where dispersal.isOpen {
                books.openDispersals += 1
                books.quarantined += dispersal.payments.count { $0.state == .quarantined }
            }
            for channel in house.channels where !channel.isOver {
                books.openChannels += 1
                if channel.claimed > channel.promised { books.overclaimed += 1 }
            }
            return books
        }
    }

    private static func text(
        _ house: House, _ books: Books, _ counters: RequestCounters
    ) -> String {
        var text = ""
        func put(_ name: String, _ kind: String, _ help: String, _ values: [(String, UInt64)]) {
            text += "# HELP exchequer_\(name) \(help)\n# TYPE exchequer_\(name) \(kind)\n"
            for (labels, value) in values { text += "exchequer_\(name)\(labels) \(value)\n" }
        }
        func gauge(_ name: String, _ help: String, _ value: Int) {
            put(name, "gauge", help, [("", UInt64(value))])
        }
        let done = house.sequencer.counters
        put(
            "tokens_delivered_total", "counter", "Output tokens sent to buyers.",
            [("", house.metrics.tokensDelivered)])
        put("commands_accepted_total", "counter", "Commands committed.", [("", done.accepted)])
        put("commands_rejected_total", "counter", "Commands refused.", [("", done.rejected)])
        put("journal_batches_total", "counter", "Group commits.", [("", done.batches)])
        put("journal_sequence", "gauge", "The last batch.", [("", house.sequencer.head.sequence)])
        gauge("commands_waiting", "Commands that wait to be decided.", house.sequencer.waiting)
        put(
            "http_responses_total", "counter", "Answers by class of status.",
            counters.byClass.map { ("{class=\"\($0.name)\"}", UInt64($0.count)) })
        gauge("nodes_online", "Nodes with link and event stream.", house.hub.onlineCount)
        gauge("jobs_running", "Jobs in progress.", house.jobs.count)
        put(
            "jobs", "gauge", "Jobs by state.",
            JobState.allCases.map {
                ("{state=\"\($0)\"}", UInt64(books.jobs[Int($0.rawValue) - 1]))
            })
        gauge("parties", "Parties.", books.parties)
        gauge("offers_live", "Live offers.", books.liveOffers)
        gauge("verdicts", "Verdicts on record.", books.verdicts)
        gauge("batches", "Settlement batches.", books.batches)
        gauge("jobs_undrawn", "Delivered jobs that wait for the next draw.", books.undrawn)
        gauge("slashes_unsettled", "Slashes not final on chain.", books.unsettledSlashes)
        put(
            "chain_logs_booked_total", "counter", "Contract logs booked.",
            [("", house.metrics.chainLogsBooked)])
        put(
            "chain_logs_refused_total", "counter", "Contract logs the rules refused.",
            [("", house.metrics.chainLogsRefused)])
        gauge(
            "slashes_refused", "Slashes the contract refuses.",
            house.settlement?.refusedSlashes ?? 0)
        gauge("roots_refused", "Roots the contract refuses.", house.settlement?.refusedRoots ?? 0)
        gauge(
            "settlement_intents_open", "Slashes and roots on their way.",
            house.settlement?.openIntents ?? 0)
        gauge(
            "settlement_intents_unknown", "Those of them that have been so for long.",
            house.settlement?.unknownIntents ?? 0)
        put(
            "settlement_breaker", "gauge", "1 while nothing new is sent or settled for this cause.",
            causes(house.settlement?.breakers ?? []))
        put(
            "solana_breaker", "gauge", "1 while nothing new is sent on Solana for this cause.",
            causes(house.payouts?.solana?.breakers ?? []))
        gauge(
            "settlement_halted",
            "1 if the chain contradicts the books or nothing can be written down.",
            house.settlement?.isHalted == true ? 1 : 0)
        put(
            "chain_failures_total", "counter", "Looks at the chain that failed.",
            [("", house.metrics.chainFailures)])
        for (name, help, value) in payouts(house, books) { gauge(name, help, value) }
        text += reconciliation(house.settlement)
        return text
    }

    /// 1 for each cause that is open, 0 for the others.
    private static func causes<Cause: CaseIterable & RawRepresentable<String> & Equatable>(
        _ open: [Cause]
    ) -> [(String, UInt64)] {
        Cause.allCases.map { ("{cause=\"\($0.rawValue)\"}", open.contains($0) ? 1 : 0) }
    }

    /// What is to be known of payments that the house sends itself.
    private static func payouts(
        _ house: House, _ books: Books
    ) -> [(name: String, help: String, value: Int)] {
        [
            (
                "settlement_refused_by_signer", "What the policy of the key's signer refuses.",
                house.settlement?.refusedBySigner.count ?? 0
            ), ("dispersals_open", "Dispersals with payments to be made.", books.openDispersals),
            (
                "dispersals_waiting", "Those the chain refuses or the payer cannot cover.",
                house.settlement?.waitingDispersals ?? 0
            ),
            (
                "payments_quarantined", "Payments whose receiver cannot be paid.",
                books.quarantined
            ),
            (
                "solana_payouts_unknown", "Payouts on Solana that have been on their way for long.",
                house.payouts?.solana?.unknownPayouts ?? 0
            ),
            ("channels_open", "Payment channels that are not over.", books.openChannels),
            (
                "channels_waiting", "Those with a deposit or a way out that the chain refuses.",
                house.settlement?.waitingChannels ?? 0
            ),
            (
                "channels_overclaimed", "Those with more claimed than was promised.",
                books.overclaimed
            ),
        ]
    }
}
