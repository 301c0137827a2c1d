public import Primitives

/// One way to run some layers: what a pipeline is made of.
public struct PlanOffer: Hashable, Sendable {
    /// Tells offers apart; of equally good pipelines the one with lower numbers is taken.
    public var id: UInt64
    /// The machine, as `PlanEdges` numbers it.
    public var machine: Int
    /// The layers it runs.
    public var layers: LayerRange
    /// Price of prompt tokens.
    public var inputPrice: Price
    /// Price of output tokens.
    public var outputPrice: Price
    /// Microseconds for one position after another, without the network.
    public var tokenTime: UInt32
    /// Nanoseconds for each position of a prompt, which go through together.
    public var promptTime: UInt32
    /// Microseconds that pass before it begins, for what waits there.
    public var queueTime: UInt32 = 0
    /// Whether others reach it only through a relay: then it is the first stage or the last.
    public var isRelayed = false
    /// What it needs and has; `nil` if it is known to fit.
    public var memory: PlanMemory?

    /// An offer of a machine that is idle, reachable and large enough.
    public init(
        id: UInt64, machine: Int, layers: LayerRange, inputPrice: Price = .zero,
        outputPrice: Price = .zero, tokenTime: UInt32, promptTime: UInt32
    ) {
        self.id = id
        self.machine = machine
        self.layers = layers
        self.inputPrice = inputPrice
        self.outputPrice = outputPrice
        self.tokenTime = tokenTime
        self.promptTime = promptTime
    }
}

/// What some layers need of a machine's memory.
public struct PlanMemory: Hashable, Sendable {
    /// Bytes of the weights.
    public var weights: UInt64
    /// Bytes of keys and values for each position.
    public var perPosition: UInt64
    /// Bytes that are free on the machine.
    public var free: UInt64

    /// Of what is free this part stays so, in hundredths: for the system, and for what was not
    /// thought of.
    public static let headroom: UInt64 = 20

    /// A need and what there is.
    public init(weights: UInt64, perPosition: UInt64, free: UInt64) {
        self.weights = weights
        self.perPosition = perPosition
        self.free = free
    }

    /// Whether so many positions fit with the headroom left free.
    public func fits(positions: UInt64) -> Bool {
        let needed = UInt128(weights) + UInt128(perPosition) * UInt128(positions)
        return needed <= UInt128(free) * UInt128(100 - Self.headroom) / 100
    }
}
