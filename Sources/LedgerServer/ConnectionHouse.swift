import NIOCore
import Synchronization

/// What all connections of one event loop may take together, and who has made no progress for too
/// long.
final class ConnectionHouse {
    /// An incomplete request or a reply up to this size is not counted.
    static let freeBytes = 4_096

    private let connectionLimit: Int
    private var budget: Int
    private let patience: TimeAmount
    private var connections: [ObjectIdentifier: ServedConnection] = [:]
    private let gauge: ConnectionGauge

    init(connectionLimit: Int, budget: Int, patience: TimeAmount, gauge: ConnectionGauge) {
        self.connectionLimit = connectionLimit
        self.budget = budget
        self.patience = patience
        self.gauge = gauge
    }

    func enter(_ connection: ServedConnection) -> Bool {
        guard connections.count < connectionLimit else { return false }
        connections[ObjectIdentifier(connection)] = connection
        gauge.count.store(connections.count, ordering: .relaxed)
        return true
    }

    func leave(_ connection: ServedConnection) {
        connections[ObjectIdentifier(connection)] = nil
        gauge.count.store(connections.count, ordering: .relaxed)
    }

    /// Takes room for an incomplete request or a reply, if there is so much.
    func take(_ bytes: Int) -> Bool {
        guard bytes <= budget else { return false }
        budget -= bytes
        return true
    }

    func giveBack(_ bytes: Int) { budget += bytes }

    /// Ends connections whose request stays incomplete or whose replies are not taken.
    func sweep(at now: NIODeadline) {
        for connection in Array(connections.values) {
            if let since = connection.stalledSince, now - since > patience { connection.close() }
        }
    }
}

/// How many connections there are, to be looked at from anywhere.
final class ConnectionGauge: Sendable {
    let count = Atomic(0)
}
