public import Primitives

extension EVMManagerPolicy: CanonicalCodable {
    /// The fields in order: what happened under a policy is read again under the same one.
    public func encode(into writer: inout ByteWriter) {
        writer.write(chainID)
        switch finality {
        case .submitted: writer.write(UInt8(1))
        case .confirmed(let depth):
            writer.write(UInt8(2))
            writer.write(depth)
        case .finalized: writer.write(UInt8(3))
        }
        writer.write(finalDepth)
        writer.write(usesFinalizedTag)
        for price in [maximumFeePerGas, minimumTip, minimumBaseFee, bumpPercent] {
            writer.write(price)
        }
        writer.write(minimumBalance)
        writer.write(dayLimit)
        for count in [
            maximumAttempts, inFlight, maximumTracked, maximumWaiting, maximumIntents, maximumLanes,
        ] { writer.write(UInt64(count)) }
        for span in [
            pollInterval, rebroadcastAfter, resubmitAfter, retryAfter, gapAfter, unknownAfter,
            staleAfter,
        ] { writer.write(span) }
        for count in [failuresAllowed, refusalsAllowed, replacedLooks] { writer.write(count) }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(chainID: try reader.readUInt64())
        switch try reader.readUInt8() {
        case 1: finality = .submitted
        case 2: finality = .confirmed(try reader.readUInt64())
        case 3: finality = .finalized
        default: throw .invalidValue("finality")
        }
        finalDepth = try reader.readUInt64()
        usesFinalizedTag = try reader.readBool()
        maximumFeePerGas = try reader.readUInt128()
        minimumTip = try reader.readUInt128()
        minimumBaseFee = try reader.readUInt128()
        bumpPercent = try reader.readUInt128()
        minimumBalance = try reader.readUInt128()
        dayLimit = try reader.readUInt128()
        for field in [
            \EVMManagerPolicy.maximumAttempts, \.inFlight, \.maximumTracked, \.maximumWaiting,
            \.maximumIntents, \.maximumLanes,
        ] {
            guard let count = Int(exactly: try reader.readUInt64()) else {
                throw .invalidValue("policy")
            }
            self[keyPath: field] = count
        }
        for field in [
            \EVMManagerPolicy.pollInterval, \.rebroadcastAfter, \.resubmitAfter, \.retryAfter,
            \.gapAfter, \.unknownAfter, \.staleAfter,
        ] { self[keyPath: field] = try reader.read() }
        for field in [
            \EVMManagerPolicy.failuresAllowed, \.refusalsAllowed, \.replacedLooks,
        ] { self[keyPath: field] = try reader.readUInt32() }
    }
}
