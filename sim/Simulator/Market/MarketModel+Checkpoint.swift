public import Economics
public import Primitives

/// The state as bytes, and as one number.
extension MarketModel {
    mutating func visit(_ visitor: inout some ColumnVisitor) {
        house.visit(&visitor)
        visitAgents(&visitor)
    }

    /// What the agents have and see; all of it is the same whatever house is behind.
    private mutating func visitAgents(_ visitor: inout some ColumnVisitor) {
        books.visit(&visitor)
        orders.visit(&visitor)
        result.visit(&visitor)
        providers.visit(&visitor)
        buyers.visit(&visitor)
        verifiers.visit(&visitor)
        traders.visit(&visitor)
        visitor.visit(&delegators.tokens)
        visitor.visit(&delegators.selling)
    }

    mutating func visitScratch(_ visitor: inout some ColumnVisitor) {
        house.visitScratch(&visitor)
        providers.visitScratch(&visitor)
        figures.visit(&visitor)
        sorter.visit(&visitor)
        visitor.visit(&ranked)
    }

    public func encode(into writer: inout ByteWriter) {
        writer.write(MarketModel.encodingName)
        writer.write(UInt8(settings[.backend]))
        for count in [roster.providers, roster.verifiers, roster.buyers] {
            writer.write(UInt64(count))
        }
        writer.write(UInt64(traders.kind.count))
        writer.write(UInt64(delegators.tokens.count))
        encodeAgents(into: &writer)
        var copy = self
        var columns = ColumnWriter(writer: writer)
        copy.house.visit(&columns)
        writer = columns.writer
        house.encode(into: &writer)
    }

    private func encodeAgents(into writer: inout ByteWriter) {
        var copy = self
        var columns = ColumnWriter(writer: writer)
        copy.visitAgents(&columns)
        writer = columns.writer
        writer.write(UInt64(steps))
        books.encodeTotals(into: &writer)
        token.encode(into: &writer)
        conditions.encode(into: &writer)
        for flow in [flows.incoming, flows.outgoing, flows.slashed, flows.burnPot, escrowBefore] {
            writer.write(UInt128(bitPattern: flow))
        }
        writer.write(delegators.pool)
        for stake in delegators.stakes { writer.write(stake) }
    }

    /// The market that was encoded, under these values and rules; as many agents and the same
    /// backend as it had. Emission that the values have ended stays ended.
    public init(
        from reader: inout ByteReader, values: [Int64], rules: Parameters, seed: UInt64
    ) throws(ScenarioError) {
        try self.init(values, rules: rules, seed: seed)
        try restore(from: &reader)
    }

    /// The same with a trace's demand, which can be another from then on.
    public init(
        from reader: inout ByteReader, values: [Int64], rules: Parameters, demand: TraceDemand,
        seed: UInt64
    ) throws(ScenarioError) {
        try self.init(values, rules: rules, demand: demand, seed: seed)
        try restore(from: &reader)
    }

    private mutating func restore(from reader: inout ByteReader) throws(ScenarioError) {
        do throws(CodecError) {
            try readState(from: &reader)
        } catch {
            throw ScenarioError(
                "the checkpoint is not one of this model with these numbers of agents and this "
                    + "backend: \(error)")
        }
    }

    private mutating func readState(from reader: inout ByteReader) throws(CodecError) {
        guard try reader.readString(limit: 64) == MarketModel.encodingName,
            try reader.readUInt8() == UInt8(settings[.backend])
        else { throw .invalidValue("checkpoint") }
        let counts = [
            roster.providers, roster.verifiers, roster.buyers, traders.kind.count,
            delegators.tokens.count,
        ]
        for count in counts where try reader.readUInt64() != UInt64(count) {
            throw .invalidValue("number of agents")
        }
        var columns = ColumnReader(reader: reader)
        visitAgents(&columns)
        if let error = columns.error { throw error }
        reader = columns.reader
        steps = Int(clamping: try reader.readUInt64())
        try books.decodeTotals(from: &reader)
        try token.decode(from: &reader, feePerMille: UInt32(settings[.poolFee]))
        try conditions.decode(from: &reader)
        flows.incoming = Int128(bitPattern: try reader.readUInt128())
        flows.outgoing = Int128(bitPattern: try reader.readUInt128())
        flows.slashed = Int128(bitPattern: try reader.readUInt128())
        flows.burnPot = Int128(bitPattern: try reader.readUInt128())
        escrowBefore = Int128(bitPattern: try reader.readUInt128())
        delegators.pool = try reader.read()
        for place in delegators.stakes.indices {
            delegators.stakes[place] = try reader.readOptional()
        }
        columns = ColumnReader(reader: reader)
        house.visit(&columns)
        if let error = columns.error { throw error }
        reader = columns.reader
        try house.decode(from: &reader)
        // Rules that were branched to, which the encoded house does not know.
        let isEnded = settings[.emissionEnd] > 0 && settings.count(.emissionEnd) <= steps
        if isEnded { endEmission() } else { house.configure(rules) }
    }

    private static let encodingName = "exchequer-market-v2"

    /// A digest of everything, the house's records with it. O(state).
    public var digest: UInt64 {
        fold { $0.encode(into: &$1) }
    }

    /// A digest of what the agents have and see, in the house and outside: the same for both
    /// backends.
    public var agentsDigest: UInt64 {
        fold { $0.encodeAgents(into: &$1) }
    }

    private func fold(_ encode: (MarketModel, inout ByteWriter) -> Void) -> UInt64 {
        let sink = FoldingSink()
        var writer = ByteWriter(into: sink)
        encode(self, &writer)
        writer.finish()
        return sink.digest
    }
}

/// Folds bytes to a number, eight at a time.
private final class FoldingSink: ByteSink, @unchecked Sendable {
    private var state: UInt64 = 0
    private var rest: [UInt8] = []

    func take(_ bytes: [UInt8]) {
        var place = 0
        if !rest.isEmpty {
            let missing = min(8 - rest.count, bytes.count)
            rest += bytes[..<missing]
            place = missing
            if rest.count < 8 { return }
            fold(rest, 0)
            rest = []
        }
        while place + 8 <= bytes.count {
            fold(bytes, place)
            place += 8
        }
        rest = Array(bytes[place...])
    }

    private func fold(_ bytes: [UInt8], _ place: Int) {
        var word: UInt64 = 0
        for offset in 0..<8 { word |= UInt64(bytes[place + offset]) << (8 * UInt64(offset)) }
        state = Draws.mix(state ^ word)
    }

    var digest: UInt64 {
        var word = UInt64(rest.count)
        for byte in rest { word = word << 8 | UInt64(byte) }
        return Draws.mix(state ^ word)
    }
}
