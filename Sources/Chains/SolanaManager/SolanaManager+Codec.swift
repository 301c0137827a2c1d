public import Primitives

/// The state's one encoding. Version 2 has the policy in it, what a day cost, and imprints; version
/// 3 what was ever signed and forgotten, and slots.
extension SolanaManager {
    /// The canonical bytes of the state. O(state).
    public var stateBytes: [UInt8] {
        var writer = ByteWriter()
        writer.write(UInt8(3))
        writer.write(UInt32(order.count))
        for id in order { if let entry = entries[id] { writer.write(entry) } }
        for queue in [Array(fresh.rest), looking, ready, missing] {
            writer.write(UInt32(queue.count))
            for id in queue { writer.write(id) }
        }
        writer.write(UInt32(quarantine.count))
        for one in quarantine {
            writer.write(one.id)
            writer.write(one.due)
        }
        writer.write(batches)
        writer.write(nextBatch)
        writer.write(tables)
        writer.write(market)
        writer.write(observedAt)
        writer.write(askedAt)
        writer.write(lookedAt)
        writer.write(failures)
        writer.write(UInt8(open.count))
        for cause in open { writer.write(cause.rawValue) }
        writer.write(isOverLimit)
        writer.write(UInt32(outbox.count))
        for report in outbox {
            writer.write(report.id)
            writer.write(report.outcome)
        }
        writer.write(imprints)
        writer.write(day)
        writer.write(spent)
        writer.write(policy)
        writer.write(mark)
        writer.write(slot)
        writer.write(forgottenSlot)
        for batch in batches { writer.write(batch.after) }
        return writer.bytes
    }

    /// The manager of these canonical bytes. A state of before version 2 has no policy, and gets
    /// this one; one of before version 3 has counted nothing, and its mark begins with its bytes.
    /// Follow it with `restarted`. O(state).
    public init(
        policy: SolanaManagerPolicy, stateBytes: [UInt8]
    ) throws(CodecError) {
        var reader = ByteReader(stateBytes)
        self.init(policy: policy)
        let version = try reader.readUInt8()
        guard (1...3).contains(version) else { throw .invalidValue("version") }
        for _ in 0..<(try reader.readCount(limit: .max)) {
            let entry: Entry = try reader.read()
            guard entries[entry.payout.id] == nil else { throw .invalidValue("payout") }
            entries[entry.payout.id] = entry
            order.append(entry.payout.id)
            if case .closed = entry.place { continue }
            openCount += 1
        }
        for id in try Self.readIDs(&reader) { fresh.append(id) }
        looking = try Self.readIDs(&reader)
        ready = try Self.readIDs(&reader)
        missing = try Self.readIDs(&reader)
        for _ in 0..<(try reader.readCount(limit: .max)) {
            quarantine.append(
                Quarantined(id: try reader.readDigest(), due: try reader.read()))
        }
        batches = try reader.readArray(limit: .max)
        nextBatch = try reader.readUInt64()
        tables = try reader.readArray(limit: SolanaManagerInput.listLimit)
        market = try reader.readOptional()
        observedAt = try reader.read()
        askedAt = try reader.read()
        lookedAt = try reader.read()
        failures = try reader.readUInt32()
        for _ in 0..<(try reader.readUInt8()) {
            guard let cause = SolanaBreakerCause(rawValue: try reader.readUInt8()) else {
                throw .invalidValue("cause")
            }
            open.append(cause)
        }
        isOverLimit = try reader.readBool()
        for _ in 0..<(try reader.readCount(limit: .max)) {
            outbox.append(Report(id: try reader.readDigest(), outcome: try reader.read()))
        }
        if version >= 2 {
            imprints = try reader.readArray(limit: .max)
            day = try reader.readUInt64()
            spent = try reader.readUInt64()
            self.policy = try reader.read()
        }
        if version >= 3 {
            mark = try reader.read()
            slot = try reader.readUInt64()
            forgottenSlot = try reader.readUInt64()
            for place in batches.indices { batches[place].after = try reader.readUInt64() }
        } else {
            mark = SolanaMark(state: stateBytes)
        }
        try reader.finish()
    }

    private static func readIDs(_ reader: inout ByteReader) throws(CodecError) -> [Digest] {
        var ids: [Digest] = []
        for _ in 0..<(try reader.readCount(limit: .max)) { ids.append(try reader.readDigest()) }
        return ids
    }
}

extension SolanaManager.Entry: CanonicalCodable {
    func encode(into writer: inout ByteWriter) {
        writer.write(payout)
        switch place {
        case .fresh: writer.write(UInt8(1))
        case .looking: writer.write(UInt8(2))
        case .ready: writer.write(UInt8(3))
        case .missing: writer.write(UInt8(4))
        case .quarantined(let reason):
            writer.write(UInt8(5))
            writer.write(reason)
        case .batch(let number):
            writer.write(UInt8(6))
            writer.write(number)
        case .closed(let outcome):
            writer.write(UInt8(7))
            writer.write(outcome)
        }
        writer.write(reported)
        writer.write(limit)
        writer.write(price)
    }

    init(from reader: inout ByteReader) throws(CodecError) {
        payout = try reader.read()
        switch try reader.readUInt8() {
        case 1: place = .fresh
        case 2: place = .looking
        case 3: place = .ready
        case 4: place = .missing
        case 5: place = .quarantined(try reader.readString(limit: SolanaManager.maximumText))
        case 6: place = .batch(try reader.readUInt64())
        case 7: place = .closed(try reader.read())
        default: throw .invalidValue("place")
        }
        reported = try reader.readOptional()
        limit = try reader.readUInt8()
        price = try reader.readUInt64()
    }
}

extension SolanaManager.Market: CanonicalCodable {
    func encode(into writer: inout ByteWriter) {
        writer.write(recent)
        writer.write(price)
        writer.write(lamports)
        writer.write(tokens)
        writer.write(nonces)
    }

    init(from reader: inout ByteReader) throws(CodecError) {
        recent = try reader.readOptional()
        price = try reader.readUInt64()
        lamports = try reader.readUInt64()
        tokens = try reader.readUInt64()
        nonces = try reader.readArray(limit: SolanaManagerInput.listLimit)
    }
}
