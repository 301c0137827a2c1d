public import Primitives

/// How fast a node has run some layers of a model, without the network and with nothing else to do.
public struct StagePace: Hashable, Sendable {
    /// The model.
    public var model: ModelID
    /// The layers.
    public var layers: LayerRange
    /// Microseconds for one position after another; 0 if that is not known.
    public var tokenTime: UInt32
    /// Nanoseconds for each position of a prompt; 0 if that is not known.
    public var promptTime: UInt32

    /// A pace with all its fields.
    public init(model: ModelID, layers: LayerRange, tokenTime: UInt32, promptTime: UInt32) {
        self.model = model
        self.layers = layers
        self.tokenTime = tokenTime
        self.promptTime = promptTime
    }
}

/// What the house has measured of a node.
public struct NodeMeasures: Hashable, Sendable {
    /// Microseconds from the house to the node and back; 0 if that is not known.
    public var roundTrip: UInt32 = 0
    /// Its pace on what it offers, in order of model and layers.
    public var paces: [StagePace] = []

    /// Nothing is known.
    public init() {}

    /// The pace on these layers, if it is known.
    public func pace(of model: ModelID, _ layers: LayerRange) -> StagePace? {
        paces.first { $0.model == model && $0.layers == layers }
    }

    /// A figure with its three leading bits, rounded up: what is measured enters the books no finer
    /// than it can be measured again.
    public static func rounded(_ figure: UInt32) -> UInt32 {
        let dropped = max(0, 29 - figure.leadingZeroBitCount)
        let step = UInt32(1) << UInt32(dropped)
        let (sum, overflow) = figure.addingReportingOverflow(step - 1)
        return overflow ? .max : sum / step * step
    }
}

/// New figures of one node, to be booked.
public struct NodeMeasurement: Hashable, Sendable {
    /// The node.
    public var node: NodeID
    /// Its figures: a round trip of 0 leaves the one there is, and so do paces that are left out.
    public var measures: NodeMeasures

    /// Figures of a node.
    public init(node: NodeID, measures: NodeMeasures) {
        self.node = node
        self.measures = measures
    }
}

extension ClearingHouse {
    mutating func recordMeasures(
        _ measurements: [NodeMeasurement], into events: inout [Event]
    ) throws(Rejection) {
        guard measurements.count <= Limits.measurements,
            measurements.allSatisfy({ $0.measures.paces.count <= Limits.offersPerNode })
        else { throw .limitExceeded }
        guard measurements.allSatisfy({ nodes.at($0.node) != nil }) else { throw .nodeNotFound }
        let paces = measurements.flatMap(\.measures.paces)
        guard paces.allSatisfy({ models.at($0.model) != nil }) else { throw .modelNotFound }
        guard paces.allSatisfy({ $0.layers.end <= models[$0.model].draft.layers }) else {
            throw .invalidLayers
        }
        for measurement in measurements {
            book(measurement)
            events.append(.nodeMeasured(measurement.node))
        }
    }

    /// Keeps what is offered and no more, so that a node's list stays as short as its offers.
    private mutating func book(_ measurement: NodeMeasurement) {
        var booked = nodes[measurement.node].measures
        if measurement.measures.roundTrip > 0 {
            booked.roundTrip = measurement.measures.roundTrip
        }
        for pace in measurement.measures.paces {
            booked.paces.removeAll { $0.model == pace.model && $0.layers == pace.layers }
            booked.paces.append(pace)
        }
        let offered = nodes[measurement.node].offers.map { offers[$0].draft }
        booked.paces.removeAll { pace in
            !offered.contains { $0.model == pace.model && $0.layers == pace.layers }
        }
        booked.paces.sort { ($0.model, $0.layers) < ($1.model, $1.layers) }
        nodes[measurement.node].measures = booked
    }
}

extension StagePace: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(model)
        writer.write(layers)
        writer.write(tokenTime)
        writer.write(promptTime)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            model: try reader.read(), layers: try reader.read(),
            tokenTime: try reader.readUInt32(), promptTime: try reader.readUInt32())
    }
}

extension NodeMeasures: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(roundTrip)
        writer.write(paces)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        roundTrip = try reader.readUInt32()
        paces = try reader.readArray(limit: Limits.offersPerNode)
    }
}

extension NodeMeasurement: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(node)
        writer.write(measures)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(node: try reader.read(), measures: try reader.read())
    }
}
