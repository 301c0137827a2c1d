/// How long messages travel between the machines of a pipeline and whoever asks, in microseconds
/// there and back.
public struct PlanEdges: Hashable, Sendable {
    /// Who sends to whom.
    public enum Topology: Hashable, Sendable {
        /// Everything passes through the asking side, as in a market whose house relays.
        case star
        /// Each stage sends to the next, and the last to the asking side.
        case ring
    }

    /// Who sends to whom.
    public let topology: Topology
    /// How many machines there are, numbered from 0.
    public let machines: Int
    /// By row and column, the asking side last; of a star that row only.
    private var trips: [UInt32]

    /// What an edge that nobody has measured counts as: longer than most that are measured, so that
    /// these are preferred.
    public static let unknown: UInt32 = 100_000
    private static let severed = UInt32.max

    /// Edges that nobody has measured.
    public init(_ topology: Topology, machines: Int) {
        self.topology = topology
        self.machines = machines
        let width = machines + 1
        trips = Array(
            repeating: Self.unknown, count: topology == .ring ? width * width : width)
    }

    /// Sets what a round trip takes, both ways alike; `nil` for the asking side. In a star only
    /// edges with the asking side count.
    public mutating func set(_ one: Int?, _ other: Int?, roundTrip: UInt32) {
        store(one, other, min(roundTrip, Self.severed - 1))
    }

    /// Says that two machines do not reach each other.
    public mutating func sever(_ one: Int?, _ other: Int?) { store(one, other, Self.severed) }

    /// What a message takes one way, rounded up; `nil` if it does not arrive.
    public func oneWay(_ from: Int?, _ to: Int?) -> UInt64? {
        guard topology == .ring else {
            guard let there = half(from), let back = half(to) else { return nil }
            return there + back
        }
        let trip = trips[(from ?? machines) * (machines + 1) + (to ?? machines)]
        return trip == Self.severed ? nil : (UInt64(trip) + 1) / 2
    }

    /// Half a round trip between a machine and the asking side, which is 0 with itself.
    private func half(_ machine: Int?) -> UInt64? {
        guard let machine else { return 0 }
        return trips[machine] == Self.severed ? nil : (UInt64(trips[machine]) + 1) / 2
    }

    private mutating func store(_ one: Int?, _ other: Int?, _ trip: UInt32) {
        if topology == .ring {
            trips[(one ?? machines) * (machines + 1) + (other ?? machines)] = trip
            trips[(other ?? machines) * (machines + 1) + (one ?? machines)] = trip
        } else if let machine = one ?? other, one == nil || other == nil {
            trips[machine] = trip
        }
    }
}
