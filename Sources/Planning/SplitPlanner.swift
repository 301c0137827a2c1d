public import Primitives

/// A machine of one's own: how fast it is and what fits.
public struct SplitMachine: Hashable, Sendable {
    /// Nanoseconds a layer takes for one position after another.
    public var layerTime: UInt32
    /// Nanoseconds a layer takes for each position of a prompt.
    public var promptTime: UInt32
    /// Nanoseconds that choosing a token takes on whoever holds the last layer.
    public var outputTime: UInt32
    /// Bytes of memory that are free.
    public var freeBytes: UInt64

    /// A machine with all its figures.
    public init(layerTime: UInt32, promptTime: UInt32, outputTime: UInt32, freeBytes: UInt64) {
        self.layerTime = layerTime
        self.promptTime = promptTime
        self.outputTime = outputTime
        self.freeBytes = freeBytes
    }
}

/// A model that is to be split, and what is asked of it.
public struct SplitRequest: Hashable, Sendable {
    /// How many layers it has.
    public var layers: UInt16
    /// Bytes of its largest layer.
    public var layerBytes: UInt64
    /// Bytes of the output matrix, which the machine with the last layer holds.
    public var outputBytes: UInt64
    /// Bytes of keys and values of one position in one layer.
    public var positionBytes: UInt64
    /// Tokens in the prompt, at least 1.
    public var promptTokens: UInt32
    /// Tokens to produce, at least 1.
    public var maxTokens: UInt32

    /// A request with all its fields.
    public init(
        layers: UInt16, layerBytes: UInt64, outputBytes: UInt64, positionBytes: UInt64,
        promptTokens: UInt32, maxTokens: UInt32
    ) {
        self.layers = layers
        self.layerBytes = layerBytes
        self.outputBytes = outputBytes
        self.positionBytes = positionBytes
        self.promptTokens = promptTokens
        self.maxTokens = maxTokens
    }
}

/// Who runs which layers, and what it is predicted to take.
public struct SplitPlan: Hashable, Sendable {
    /// One part of the model.
    public struct Part: Hashable, Sendable {
        /// The machine; `nil` for the head, which asks.
        public let machine: Int?
        /// Its layers.
        public let layers: LayerRange

        /// Layers of a machine.
        public init(machine: Int?, layers: LayerRange) {
            self.machine = machine
            self.layers = layers
        }
    }

    /// The parts, in order of the layers.
    public let parts: [Part]
    /// Microseconds until the first token.
    public let firstToken: UInt64
    /// Microseconds from one token to the next.
    public let perToken: UInt64

    /// A plan with all its fields.
    public init(parts: [Part], firstToken: UInt64, perToken: UInt64) {
        self.parts = parts
        self.firstToken = firstToken
        self.perToken = perToken
    }
}

/// Splits a model over machines so that the whole answer takes the least time: which machines, in
/// which order, and how many layers each. A machine that would slow the ring down is left out.
///
/// Exact. An answer takes the ways around the ring and, for each layer, the time of the machine
/// that has it. The ways depend on the order only: the shortest ring over each set of machines that
/// ends at each of them is found by dynamic programming over sets (Held and Karp, 1962). The layers
/// depend on the set and its end only: every machine of it gets one, and the rest goes to the
/// quickest that has room. O(2^n n^2) for n machines.
public enum SplitPlanner {
    /// The most machines beside the head.
    public static let maximumMachines = 12

    /// The quickest split over a ring of `edges`, or why there is none.
    ///
    /// - Parameters:
    ///   - head: the asking machine, if it can take the first layers.
    ///   - needsOther: whether the head alone will not do.
    public static func plan(
        _ request: SplitRequest, head: SplitMachine?, machines: [SplitMachine],
        edges: PlanEdges, needsOther: Bool = false
    ) -> Result<SplitPlan, PlanRefusal> {
        precondition(machines.count <= maximumMachines && edges.topology == .ring)
        let search = SplitSearch(request, head, machines, edges)
        var best = needsOther ? nil : search.alone()
        for set in 1..<max(1 << machines.count, 1) {
            for last in machines.indices where set >> last & 1 == 1 {
                guard let found = search.split(set, last: last) else { continue }
                if let known = best, !(found.key < known.key) { continue }
                best = found
            }
        }
        if let best { return .success(search.plan(best)) }
        return .failure(search.hasRoom(needsOther) ? .unreachable : .noMemory)
    }
}
