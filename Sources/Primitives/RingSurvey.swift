/// Payloads by which a head learns what the machines of a private cluster can do, and says who is
/// to hold which layers (`docs/reference/wire.md`).

/// Asks a machine how fast it is, how much memory it has, and how far its neighbours are.
public struct RingSurvey: CanonicalCodable, Hashable, Sendable {
    /// The root of the model.
    public var model: Digest
    /// The machines that it is to measure its way to; at most `RingOpen.maximumHops`.
    public var neighbours: [RingOpen.Hop]

    /// A question about a model and some neighbours.
    public init(model: Digest, neighbours: [RingOpen.Hop]) {
        self.model = model
        self.neighbours = neighbours
    }

    public func encode(into writer: inout ByteWriter) {
        writer.write(model)
        writer.write(neighbours)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        model = try reader.readDigest()
        neighbours = try reader.readArray(limit: RingOpen.maximumHops)
    }
}

/// What a machine says of itself.
public struct RingReport: CanonicalCodable, Hashable, Sendable {
    /// Nanoseconds a layer takes for one position after another.
    public var layerTime: UInt32
    /// Nanoseconds a layer takes for each position of a prompt.
    public var promptTime: UInt32
    /// Nanoseconds that choosing a token takes on who holds the last layer.
    public var outputTime: UInt32
    /// Bytes of memory that are free.
    public var freeBytes: UInt64
    /// Microseconds to each neighbour and back, in the order they were asked for; 0 for one that
    /// does not answer.
    public var roundTrips: [UInt32]

    /// A report with all its fields.
    public init(
        layerTime: UInt32, promptTime: UInt32, outputTime: UInt32, freeBytes: UInt64,
        roundTrips: [UInt32]
    ) {
        self.layerTime = layerTime
        self.promptTime = promptTime
        self.outputTime = outputTime
        self.freeBytes = freeBytes
        self.roundTrips = roundTrips
    }

    public func encode(into writer: inout ByteWriter) {
        writer.write(layerTime)
        writer.write(promptTime)
        writer.write(outputTime)
        writer.write(freeBytes)
        writer.write(UInt32(roundTrips.count))
        for trip in roundTrips { writer.write(trip) }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        layerTime = try reader.readUInt32()
        promptTime = try reader.readUInt32()
        outputTime = try reader.readUInt32()
        freeBytes = try reader.readUInt64()
        roundTrips = []
        for _ in 0..<(try reader.readCount(limit: RingOpen.maximumHops)) {
            roundTrips.append(try reader.readUInt32())
        }
    }
}

/// Tells a machine which layers it is to hold from now on. A `ready` frame answers it.
public struct RingPrepare: CanonicalCodable, Hashable, Sendable {
    /// The root of the model.
    public var model: Digest
    /// The layers.
    public var layers: LayerRange

    /// An order with all its fields.
    public init(model: Digest, layers: LayerRange) {
        self.model = model
        self.layers = layers
    }

    public func encode(into writer: inout ByteWriter) {
        writer.write(model)
        writer.write(layers)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        model = try reader.readDigest()
        layers = try reader.read()
    }
}
