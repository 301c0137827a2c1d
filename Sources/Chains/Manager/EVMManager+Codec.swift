public import Primitives

/// The state's one encoding. Version 2 has the policy in it, and what lanes spend in a day; version
/// 3 the empty transactions that are final.
extension EVMManager {
    /// The most bytes of a node's or a contract's words that are kept.
    static let maximumText = 1 << 20

    /// The canonical bytes of the state. O(state).
    public var stateBytes: [UInt8] {
        var writer = ByteWriter()
        writer.write(UInt8(3))
        writer.write(head)
        writer.writeOptional(finalHeight)
        writer.write(anchor != nil)
        if let anchor {
            writer.write(anchor.height)
            writer.write(anchor.hash)
        }
        writer.write(market)
        writer.write(observedAt)
        writer.write(askedAt)
        breaker.encode(into: &writer)
        writer.write(UInt32(closed.count))
        for intent in closed {
            writer.write(intent.id)
            writer.write(intent.content)
            writer.write(intent.outcome)
        }
        writer.write(UInt32(outbox.count))
        for report in outbox {
            writer.write(report.id)
            writer.write(report.outcome)
        }
        writer.write(lanes)
        for lane in lanes {
            writer.write(lane.isRetiring)
            writer.write(lane.day)
            writer.write(lane.spent)
            writer.writeOptional(lane.overDay)
        }
        writer.write(policy)
        writer.write(fillers)
        return writer.bytes
    }

    /// The manager of these canonical bytes. A state of before version 2 has no policy, and gets
    /// this one. Follow it with `restarted`. O(state), with a hash for each open intent.
    public init(policy: EVMManagerPolicy, stateBytes: [UInt8]) throws(CodecError) {
        var reader = ByteReader(stateBytes)
        self.init(policy: policy)
        let version = try reader.readUInt8()
        guard (1...3).contains(version) else { throw .invalidValue("version") }
        head = try reader.readUInt64()
        finalHeight = try reader.readOptionalUInt64()
        if try reader.readBool() {
            anchor = BlockName(height: try reader.readUInt64(), hash: try reader.readDigest())
        }
        market = try reader.readOptional()
        observedAt = try reader.read()
        askedAt = try reader.read()
        breaker = try CircuitBreaker(from: &reader)
        for place in 0..<(try reader.readCount(limit: .max)) {
            let intent = ClosedIntent(
                id: try reader.readDigest(), content: try reader.readDigest(),
                outcome: try reader.read())
            closed.append(intent)
            try remember(intent.id, intent.content, .closed(place))
        }
        for _ in 0..<(try reader.readCount(limit: .max)) {
            outbox.append(
                IntentReport(id: try reader.readDigest(), outcome: try reader.read()))
        }
        lanes = try reader.readArray(limit: EVMObservation.maximumLanes)
        if version >= 2 {
            for lane in lanes.indices {
                lanes[lane].isRetiring = try reader.readBool()
                lanes[lane].restoreDay(try reader.readUInt64(), spent: try reader.readUInt128())
                lanes[lane].overDay = try reader.readOptionalUInt64()
            }
            self.policy = try reader.read()
        }
        if version >= 3 { fillers = try reader.readArray(limit: .max) }
        try reader.finish()
        try indexLanes()
    }

    private mutating func indexLanes() throws(CodecError) {
        for (place, lane) in lanes.enumerated() {
            guard place == 0 || lanes[place - 1].address < lane.address else {
                throw .invalidValue("lanes")
            }
            for aside in lane.aside { try remember(aside.intent, .waiting(lane.address)) }
            for intent in lane.waitingIntents { try remember(intent, .waiting(lane.address)) }
            for slot in lane.slots where !slot.isFinal {
                guard let intent = slot.intent else { continue }
                try remember(intent, .slot(lane.address, nonce: slot.nonce))
            }
        }
    }

    private mutating func remember(
        _ intent: EVMIntent, _ place: IntentPlace
    ) throws(CodecError) {
        try remember(intent.id, Self.content(of: intent), place)
    }

    private mutating func remember(
        _ id: Digest, _ content: Digest, _ place: IntentPlace
    ) throws(CodecError) {
        guard index[id] == nil else { throw .invalidValue("intent") }
        index[id] = IntentEntry(content: content, place: place)
    }
}

extension CircuitBreaker: CanonicalCodable {
    func encode(into writer: inout ByteWriter) {
        writer.write(failures)
        writer.write(areNodesUnreachable)
        writer.write(isFeeSpike)
        writer.writeOptional(deepReorg)
        writer.write(takenKey)
    }

    init(from reader: inout ByteReader) throws(CodecError) {
        failures = try reader.readUInt32()
        areNodesUnreachable = try reader.readBool()
        isFeeSpike = try reader.readBool()
        deepReorg = try reader.readOptionalUInt64()
        takenKey = try reader.readOptional()
    }
}
