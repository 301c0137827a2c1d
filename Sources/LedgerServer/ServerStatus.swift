import Service
import Storage
import Synchronization

/// What a server says of itself, to whoever watches it.
struct ServerStatus: Sendable {
    let service: LedgerService
    let gauge: ConnectionGauge

    /// Whether commands are taken in: not after a failure of the journal, nor while stopping.
    var isServing: Bool { !service.isClosed }

    /// What `/metrics` answers, in Prometheus' text format.
    var metrics: String {
        let counters = service.counters
        let figures: [(name: String, type: String, value: UInt64)] = [
            ("connections", "gauge", UInt64(gauge.count.load(ordering: .relaxed))),
            ("commits_total", "counter", counters.batches),
            ("accepted_total", "counter", counters.accepted),
            ("waiting", "gauge", UInt64(service.waiting)),
            ("sequence", "gauge", service.head.sequence),
        ]
        return figures.map { figure in
            let name = "exchequer_ledger_\(figure.name)"
            return "# TYPE \(name) \(figure.type)\n\(name) \(figure.value)\n"
        }.joined()
    }
}
