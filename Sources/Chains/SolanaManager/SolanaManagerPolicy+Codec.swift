public import Primitives

extension SolanaManagerPolicy: CanonicalCodable {
    /// The most durable nonces of a policy that is read.
    private static let nonceLimit = 1_024

    /// The fields in order: what happened under a policy is read again under the same one.
    public func encode(into writer: inout ByteWriter) {
        writer.write(mint)
        writer.write(decimals)
        writer.write(program)
        writer.write(payer)
        writer.write(finality.level)
        writer.write(reportsSubmission)
        writer.write(nonces)
        for field in Self.amounts { writer.write(self[keyPath: field]) }
        for field in Self.counts { writer.write(UInt64(self[keyPath: field])) }
        for field in Self.spans { writer.write(self[keyPath: field]) }
        writer.write(failuresAllowed)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        let mint: SolanaAddress = try reader.read()
        let decimals = try reader.readUInt8()
        let program: SolanaAddress = try reader.read()
        self.init(mint: mint, decimals: decimals, payer: try reader.read())
        self.program = program
        let level = try reader.readUInt8()
        guard level <= 2 else { throw .invalidValue("commitment") }
        finality = SolanaCommitment(level: level)
        reportsSubmission = try reader.readBool()
        nonces = try reader.readArray(limit: Self.nonceLimit)
        for field in Self.amounts { self[keyPath: field] = try reader.readUInt64() }
        for field in Self.counts {
            guard let count = Int(exactly: try reader.readUInt64()) else {
                throw .invalidValue("policy")
            }
            self[keyPath: field] = count
        }
        for field in Self.spans { self[keyPath: field] = try reader.read() }
        failuresAllowed = try reader.readUInt32()
    }

    private static var amounts: [WritableKeyPath<Self, UInt64>] {
        [
            \.minimumPrice, \.maximumPrice, \.bumpPercent, \.feeLimit, \.minimumLamports,
            \.dayLimit, \.accountRent, \.blockhashLifetime, \.expiryMargin,
        ]
    }

    private static var counts: [WritableKeyPath<Self, Int>] {
        [\.maximumAttempts, \.inFlight, \.maximumPayouts]
    }

    private static var spans: [WritableKeyPath<Self, Timestamp.Span>] {
        [
            \.pollInterval, \.rebroadcastAfter, \.resubmitAfter, \.retryAfter, \.recheckAfter,
            \.unknownAfter, \.staleAfter, \.historyKept,
        ]
    }
}
